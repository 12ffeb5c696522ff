"""The identity of a run: its config, its data and its backend, and the differences to others."""

import csv
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from seqconv.batching.strategies import STRATEGIES
from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import list_some
from seqconv.parts import Registry, Role
from seqconv.parts.keys import flatten
from seqconv.parts.plugins import plugin_digest
from seqconv.parts.problems import roles_of
from seqconv.sources import ContentKeys, content_digest, is_foreign
from seqconv.tasks import Task
from seqconv.training.output.files import write_csv
from seqconv.training.run.pretrained import content_hash

IntArray = npt.NDArray[np.int64]
MOST_FOREIGN = 1000
"""Number of sequences, evenly spread, of which the content is compared if the source is a user's own class."""


class SequenceRow(NamedTuple):
    """One sequence of a run, as `data.csv` has it; `content` and `label` (with its weight) are hashes."""

    id: str
    split: str
    num_frames: str
    content: str
    label: str


@dataclass(frozen=True, eq=False)
class SplitIdentity:
    """The sequences of one split: their ids, frames, and hashes of their content and of their labels and weights."""

    split: str
    ids: list[str]
    lengths: IntArray
    contents: list[str]
    labels: list[str]

    @classmethod
    def of(cls, split: str, part: Sequences, contents: ContentKeys | None = None) -> "SplitIdentity":
        """Make the identity of sequences; `contents` are their `content_keys`, if known."""
        if contents is None:
            step = math.ceil(len(part) / MOST_FOREIGN) if is_foreign(part.features) else 1
            texts = ["" if index % step else content_digest(part.features, index) for index in range(len(part))]
        else:
            texts = [f"{key:016x}" for key in contents.tolist()]
        return cls(split, part.ids, part.lengths, texts, _label_hashes(part))

    def rows(self) -> Iterator[SequenceRow]:
        """Make a row for each sequence."""
        for name, length, content, label in zip(
            self.ids, self.lengths.tolist(), self.contents, self.labels, strict=True
        ):
            yield SequenceRow(name, self.split, str(length), content, label)


@dataclass(frozen=True)
class RunIdentity:
    """A run as its checkpoints know it: settings by dotted key, and the sequences of each split."""

    settings: dict[str, Any]
    splits: list[SplitIdentity]

    @classmethod
    def of(cls, config: Config, data: Datasets) -> "RunIdentity":
        """Return the identity of a run with this config on these sequences."""
        settings = {"backend in use": keras.backend.backend(), **flatten(config.to_dict())}
        if config.training.init is not None:
            settings["content of training.init"] = content_hash(config.training.init)
        settings |= {f"content of plugin {number}": plugin_digest(name) for number, name in enumerate(config.plugins)}
        settings |= dict(_changed_parts(config))
        settings = {key: value for key, value in settings.items() if not is_place(key)}
        splits = [SplitIdentity.of(split, part, data.contents.get(split)) for split, part in data.parts().items()]
        if data.variants:
            content = repr([sorted(dict(store.variant or {}).items()) for store in data.variants])
            settings["audio_augment in use"] = _digest(content.encode())
        return cls(settings, splits)

    @property
    def rows(self) -> Iterator[SequenceRow]:
        """A row for each sequence of each split."""
        return (row for split in self.splits for row in split.rows())

    def to_dict(self) -> dict[str, Any]:
        """Return settings, and for the data a hash and the counts, for JSON."""
        counts = {"train": 0, "valid": 0, "test": 0, **{each.split: len(each.ids) for each in self.splits}}
        digest = hashlib.blake2b(digest_size=8)
        for each in self.splits:
            digest.update(repr((each.split, len(each.ids))).encode())
            digest.update(each.lengths.tobytes())
            for column in (each.ids, each.contents, each.labels):
                # Each with its length, so that no two lists of names make one text.
                digest.update(np.fromiter(map(len, column), np.int64, len(column)).tobytes())
                digest.update("".join(column).encode("utf-8", "surrogatepass"))
        return {"settings": self.settings, "data": {**counts, "digest": digest.hexdigest()}}

    def save(self, path: Path) -> None:
        """Write the rows as CSV."""
        write_csv(path, SequenceRow._fields, (row._asdict() for row in self.rows))

    def differences(self, other: Mapping[str, Any], table: Path) -> list[str]:
        """Return the differences from the run of a checkpoint (`other`), whose rows are in the file `table`: a line
        each."""
        now, then = self.to_dict(), other
        settings = {key: (then["settings"].get(key), value) for key, value in now["settings"].items()}
        gone = {key for key in then["settings"] if key not in settings and not is_place(key)}
        settings |= {key: (then["settings"][key], None) for key in gone}
        lines = [f"{key}: {old!r} then, {new!r} now" for key, (old, new) in sorted(settings.items()) if old != new]
        if then["data"] == now["data"]:
            return lines
        return [*lines, *(_row_differences(_read_rows(table), list(self.rows)) or [_count_difference(then, now)])]


def _changed_parts(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield the identity of each part that is a user's own, or of a later version than the first."""
    sections: list[Any] = [*config.model.blocks, *config.model.pooling, config.features, *config.augment.own]
    names: list[tuple[Registry[Any], str]] = [(part.registry, part.registry.name_of(part)) for part in sections]
    names.append((Task.registry, config.target.task))
    if config.batching.strategy != "auto":
        names.append((STRATEGIES, config.batching.strategy))
    for registry, name in names:
        identity = registry.identity(name)
        if registry.origin(name) is not None or identity["version"] != 1:
            yield f"{registry.kind} {name}", identity


def is_place(key: str) -> bool:
    """Whether a setting is a path, or a device that computes: a run may go on with another.

    >>> is_place("data.cache_dir"), is_place("training.epochs")
    (True, False)
    """
    return bool(roles_of(key, Config) & {Role.PATH, Role.MACHINE})


def _label_hashes(part: Sequences) -> list[str]:
    """Compute a hash of the label and the weight of each sequence."""
    weights = [1.0] * len(part) if part.weights is None else part.weights.tolist()
    # Most labels of sequences are of few classes; those of frames are long, and each its own.
    digest = _digest if hasattr(part.labels, "arrays") else lru_cache(1 << 12)(_digest)
    return [digest(repr(pair).encode()) for pair in zip(_plain_labels(part.labels), weights, strict=True)]


def _plain_labels(labels: Any) -> Iterable[Any]:
    """Return labels in plain values, one element a sequence; of frames, the bytes of their array."""
    if hasattr(labels, "arrays"):
        return ((labels.names, array.tobytes()) for array in labels.arrays)
    if hasattr(labels, "columns"):
        labels = labels.to_numpy(object)
    return [value.tolist() if hasattr(value, "tolist") else value for value in labels]


def _read_rows(path: Path) -> list[SequenceRow]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [SequenceRow(**row) for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError, csv.Error):
        return []


def _row_differences(before: Sequence[SequenceRow], after: Sequence[SequenceRow]) -> list[str]:
    if not before:
        return []
    # Splits in memory may use the same ids.
    is_unique = all(len({row.id for row in rows}) == len(rows) for rows in (before, after))
    then, now = ({row.id if is_unique else f"{row.split} {row.id}": row for row in rows} for rows in (before, after))
    both = [name for name in now if name in then]
    groups = {
        "new": [name for name in now if name not in then],
        "gone": [name for name in then if name not in now],
        "in another split": [name for name in both if now[name].split != then[name].split],
        "of other content": [name for name in both if now[name].content != then[name].content],
        "otherwise labeled or weighted": [name for name in both if now[name].label != then[name].label],
    }
    if not any(groups.values()) and [*then] != [*now]:
        return ["data: the sequences are the same, in another order"]
    return [f"data: {len(names):,} sequences are {what}: {list_some(names)}" for what, names in groups.items() if names]


def _count_difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    counts = [
        ", ".join(f"{split} {count:,}" for split, count in side["data"].items() if split != "digest")
        for side in (then, now)
    ]
    return f"data: {counts[0]} sequences then, {counts[1]} now, with other content, labels or order"


def _digest(values: bytes) -> str:
    return hashlib.blake2b(values, digest_size=8).hexdigest()
