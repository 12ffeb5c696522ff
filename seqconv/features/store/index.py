"""The index of a store: one Arrow file, replaced in one step, that says which sequence lies where."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seqconv.errors import StoreError
from seqconv.features.settings import FeatureSettings
from seqconv.features.store.entries import StoredSequence
from seqconv.files import write_atomically

INDEX_NAME = "index.arrow"
SHARD_PATTERN = "shard-*.arrow*"
# Raise it when extraction changes what it computes, or the files their layout: older stores are then built anew.
FORMAT_VERSION = 1

_COLUMNS = [field.name for field in fields(StoredSequence) if field.name != "problem"]


@dataclass(frozen=True)
class StoreIndex:
    """Settings and rows of a store: first those of the last build, in the order of its manifest, then those kept.

    `variant`: what was done to the recordings before, by name; None where they are stored as they are.
    """

    settings: FeatureSettings
    rows: tuple[StoredSequence, ...]
    variant: Mapping[str, Any] | None = None

    @property
    def listed(self) -> list[StoredSequence]:
        """The rows of the last build, in order."""
        return [row for row in self.rows if row.id is not None]


def identity(settings: FeatureSettings, variant: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The settings that change what is stored: normalization by the training frames happens in the model, and the
    rate of precomputed frames is only read with their labels."""
    values = settings.model_dump(mode="json", exclude={"frame_rate"})
    if settings.normalize != "recording":
        del values["normalize"]
    for name, kinds in {"n_mfcc": ("mfcc",), "n_chroma": ("chroma",), "n_mels": ("log_mel", "mfcc")}.items():
        if settings.kind not in kinds:
            del values[name]
    values |= {"format_version": FORMAT_VERSION}
    return values if variant is None else {**values, "variant": dict(variant)}


def read_index(folder: Path) -> StoreIndex:
    """The index of a store.

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
        settings = FeatureSettings.model_validate(header["settings"])
        columns = [table[name].to_pylist() for name in _COLUMNS]
        variant = header.get("variant")
    except (pa.ArrowException, OSError, KeyError, TypeError, json.JSONDecodeError, ValidationError) as error:
        raise StoreError(f"{path}: damaged ({error}). Delete {folder}; it will be built again") from error
    return StoreIndex(settings, tuple(StoredSequence(*values) for values in zip(*columns, strict=True)), variant)


def write_index(folder: Path, index: StoreIndex) -> None:
    """Replace the index in one step; shards of a build that goes on stay.

    Raises:
        StorageError: the disk is full, or nobody may write there.
    """
    import pyarrow as pa

    header = {"format_version": FORMAT_VERSION, "settings": index.settings.model_dump(mode="json")}
    if index.variant is not None:
        header["variant"] = dict(index.variant)
    schema = _schema().with_metadata({"seqconv": json.dumps(header)})
    columns = {name: [getattr(row, name) for row in index.rows] for name in _COLUMNS}
    table = pa.table(columns, schema=schema)

    def write(path: Path) -> None:
        with path.open("wb") as file, pa.ipc.new_file(file, schema) as writer:
            writer.write_table(table)

    write_atomically(folder / INDEX_NAME, write)


def remove_unnamed(folder: Path, shards: Iterable[str]) -> None:
    """Remove shards that no index names: replaced ones, and those of a build that was interrupted."""
    named = set(shards)
    for path in folder.glob(SHARD_PATTERN):
        if path.name not in named:
            path.unlink(missing_ok=True)


def _schema() -> Any:
    import pyarrow as pa

    types = {
        "id": pa.string(),
        "path": pa.string(),
        "start": pa.float64(),
        "end": pa.float64(),
        "case": pa.int64(),
        "size": pa.int64(),
        "mtime_ns": pa.int64(),
        "content": pa.string(),
        "shard": pa.string(),
        "batch": pa.int64(),
        "num_frames": pa.int64(),
        "num_features": pa.int64(),
    }
    return pa.schema([pa.field(name, types[name]) for name in _COLUMNS])
