"""The index of a store: one Arrow file, replaced in one step, with the position of every sequence."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from seqconv.errors import StoreError, list_some
from seqconv.features.kinds import FeatureKind
from seqconv.features.store.entries import StoredSequence
from seqconv.files import write_atomically

INDEX_NAME = "index.arrow"
LOCK_NAME = "lock"
SHARD_PATTERN = "shard-*.arrow*"
# Raise it when extraction changes what it computes, or the files their layout: older stores are then built again.
FORMAT_VERSION = 1

_ABSENT = object()
_FIRST_KEYS: tuple[tuple[str, Any], ...] = (
    ("sample_rate", 16000), ("n_fft", 512), ("win_length", None), ("hop_length", 160), ("n_mels", _ABSENT),
    ("n_mfcc", _ABSENT), ("delta", 0), ("n_chroma", _ABSENT), ("fmin", 0.0), ("fmax", None), ("columns", None),
    ("key", None),
)  # fmt: skip
_TYPES = {field.name: field.type for field in fields(StoredSequence) if field.name != "problem"}
# The first stores had no such columns.
_LATER = ("columns", "left_out", "form")


@dataclass(frozen=True)
class StoreIndex:
    """Settings and rows of a store: first those of the last build, in the order of its manifest, then those kept.

    `variant`: what was done to the recordings before, by name; None where they are stored as they are.
    `part`: version and file of the kind of features, as `part_of` says them, when it was written; None: now.
    """

    settings: FeatureKind
    rows: tuple[StoredSequence, ...] = ()
    variant: Mapping[str, Any] | None = None
    part: Mapping[str, Any] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides what is stored, except the recordings."""
        return identity(self.settings, self.variant, self.part)

    @property
    def listed(self) -> list[StoredSequence]:
        """The rows of the last build, in order."""
        return [row for row in self.rows if row.id is not None]


def identity(
    settings: FeatureKind, variant: Mapping[str, Any] | None = None, part: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what decides what is stored: settings, and of a kind that is not as it first was, its version and file.

    Normalization by the training frames happens in the model, and the rate of precomputed frames is only read with
    their labels. `part`: what the kind was when it was stored; default: what it is now.
    """
    values = settings.model_dump(mode="json", exclude={"frame_rate", "normalize"})
    part = part_of(settings) if part is None else part
    if not part:
        # In the order and with the keys that stores have been named by from the beginning.
        first = {"kind": values.pop("kind"), **{name: values.pop(name, default) for name, default in _FIRST_KEYS}}
        later = {name: value for name, value in values.items() if value != type(settings).model_fields[name].default}
        values = {name: value for name, value in first.items() if value is not _ABSENT} | later
    if settings.normalize == "recording":
        values["normalize"] = "recording"
    values |= {"format_version": FORMAT_VERSION}
    if part:
        values["part"] = dict(part)
    return values if variant is None else {**values, "variant": dict(variant)}


def part_of(settings: FeatureKind) -> dict[str, Any]:
    """Return version and file of a kind, as far as they are not those of the kinds that seqconv began with."""
    found = FeatureKind.registry.identity(settings.kind)
    return {} if found == {"name": settings.kind, "version": 1} else found


def read_index(folder: Path) -> StoreIndex:
    """Read the index of a store.

    Raises:
        StoreError: there is none, it is damaged, or another version of seqconv wrote it.
    """
    import pyarrow as pa

    path = folder / INDEX_NAME
    if not path.is_file():
        raise StoreError(
            f"{folder}: holds no feature store ({INDEX_NAME} is missing); build one with scripts/extract.py"
        )
    try:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        header = json.loads(table.schema.metadata[b"seqconv"])
        version = header["format_version"]
        if version != FORMAT_VERSION:
            raise StoreError(
                f"{folder}: written in format {version}, this version of seqconv reads format {FORMAT_VERSION}. "
                "Delete the folder; it will be built again"
            )
        part = header.get("part", {})
        if part and part["name"] not in FeatureKind.registry:
            raise StoreError(
                f"{folder}: holds features of the kind '{part['name']}' of {part['plugin']}, which is not registered "
                "here. Name that file in plugins, or import it first"
            )
        settings = FeatureKind.model_validate(header["settings"])
        absent = {name for name in _LATER if name not in table.column_names}
        columns = [[""] * len(table) if name in absent else table[name].to_pylist() for name in _TYPES]
        variant = header.get("variant")
    except (pa.ArrowException, OSError, KeyError, TypeError, json.JSONDecodeError, ValidationError) as error:
        raise StoreError(f"{path}: damaged ({error}). Delete {folder}; it will be built again") from error
    return StoreIndex(settings, tuple(StoredSequence(*values) for values in zip(*columns, strict=True)), variant, part)


def usable_index(folder: Path, wanted: StoreIndex) -> StoreIndex:
    """Return `wanted` with the rows that the index of a folder has; there may be no folder yet.

    Raises:
        StoreError: the folder holds something else, or features of other settings than those of `wanted`.
    """
    if (folder / INDEX_NAME).is_file():
        index = read_index(folder)
        ours, theirs = wanted.identity, index.identity
        if theirs != ours:
            names = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
            differences = ", ".join(f"{name}={theirs.get(name)!r} there, {ours.get(name)!r} here" for name in names)
            raise StoreError(
                f"{folder}: holds features of other settings ({differences}). Choose another folder, or delete this one"
            )
        return replace(wanted, rows=index.rows)
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder}: is a file, not a folder for a store")
    if folder.is_dir():
        own = {path.name for path in folder.glob(SHARD_PATTERN)} | {LOCK_NAME}
        foreign = sorted(path.name for path in folder.iterdir() if path.name not in own and path.name[0] != ".")
        if foreign:
            raise StoreError(f"{folder}: holds {list_some(foreign)} and no store; choose an empty or a new folder")
    return wanted


def write_index(folder: Path, index: StoreIndex) -> None:
    """Replace the index in one step; shards of a build that goes on stay.

    Raises:
        StorageError: the disk is full, or nobody may write there.
    """
    import pyarrow as pa

    header: dict[str, Any] = {"format_version": FORMAT_VERSION, "settings": index.settings.model_dump(mode="json")}
    if part := part_of(index.settings):
        header["part"] = part
    if index.variant is not None:
        header["variant"] = dict(index.variant)
    columns_of = {str: pa.string(), float: pa.float64(), int: pa.int64()}
    # Of `float | None`, the first.
    types = {name: columns_of[(get_args(kind) or (kind,))[0]] for name, kind in _TYPES.items()}
    schema = pa.schema(types).with_metadata({"seqconv": json.dumps(header)})
    columns = {name: [getattr(row, name) for row in index.rows] for name in _TYPES}
    table = pa.table(columns, schema=schema)

    def write(path: Path) -> None:
        with path.open("wb") as file, pa.ipc.new_file(file, schema) as writer:
            writer.write_table(table)

    write_atomically(folder / INDEX_NAME, write)


def remove_unnamed(folder: Path, rows: Iterable[StoredSequence]) -> None:
    """Remove shards that no row names: replaced ones, and those of a build that was interrupted."""
    named = {row.shard for row in rows}
    for path in folder.glob(SHARD_PATTERN):
        if path.name not in named:
            path.unlink(missing_ok=True)
