"""The identity of a run: its config, its data and its backend, and the differences to others."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from seqconv.batching.strategies import STRATEGIES
from seqconv.config import Config
from seqconv.config.run import key_roles
from seqconv.data.datasets import Datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import list_some
from seqconv.files import write_text
from seqconv.parts import Registry, Role
from seqconv.parts.keys import flatten
from seqconv.parts.plugins import plugin_digest
from seqconv.sources import ContentKeys, content_digest, is_foreign
from seqconv.tasks import Task
from seqconv.training.run.pretrained import content_hash

COLUMNS = ["id", "split", "num_frames", "content", "label"]
MOST_FOREIGN = 1000
"""Number of sequences, evenly spread, of which the content is compared if the source is a user's own class."""


@dataclass(frozen=True)
class RunIdentity:
    """A run as its checkpoints know it: settings by dotted key, and `rows`, one for each sequence of each split.

    The columns `content` and `label` (with the weight) are hashes.
    """

    settings: dict[str, Any]
    rows: pd.DataFrame

    @classmethod
    def of(cls, config: Config, data: Datasets) -> "RunIdentity":
        """Return the identity of a run with this config on these sequences."""
        settings = {"backend in use": keras.backend.backend(), **flatten(config.to_dict())}
        if config.training.init is not None:
            settings["content of training.init"] = content_hash(config.training.init)
        if config.target.vocabulary is not None:
            settings["content of target.vocabulary"] = content_hash(config.target.vocabulary)
        settings |= {f"content of plugin {number}": plugin_digest(name) for number, name in enumerate(config.plugins)}
        settings |= dict(_changed_parts(config))
        settings = {key: value for key, value in settings.items() if not is_place(key)}
        splits = [_rows(split, part, data.contents.get(split)) for split, part in data.parts().items()]
        if data.variants:
            content = repr([sorted(dict(store.variant or {}).items()) for store in data.variants])
            settings["audio_augment in use"] = _digest(content.encode())
        return cls(settings, pd.concat(splits, ignore_index=True))

    def to_dict(self) -> dict[str, Any]:
        """Return settings, and for the data a hash and the counts, for JSON."""
        counts, digest = {"train": 0, "valid": 0, "test": 0}, hashlib.blake2b(digest_size=8)
        for split, rows in self.rows.groupby("split", sort=False):
            counts[str(split)] = len(rows)
            digest.update(repr((split, len(rows))).encode())
            digest.update(rows["num_frames"].to_numpy().tobytes())
            for name in ("id", "content", "label"):
                texts = rows[name].tolist()
                # Each with its length, so that no two lists of names make one text.
                digest.update(np.fromiter(map(len, texts), np.int64, len(texts)).tobytes())
                digest.update("".join(texts).encode("utf-8", "surrogatepass"))
        return {"settings": self.settings, "data": {**counts, "digest": digest.hexdigest()}}

    def save(self, path: Path) -> None:
        """Write the rows as CSV."""
        write_text(self.rows.to_csv(index=False, lineterminator="\n"), path)

    def differences(self, other: Mapping[str, Any], table: Path) -> list[str]:
        """Return the differences from the run of a checkpoint (`other`), whose rows are in the file `table`: a line
        each."""
        now, then = self.to_dict(), other
        keys = sorted(key for key in {**then["settings"], **self.settings} if not is_place(key))
        values = {key: (then["settings"].get(key), self.settings.get(key)) for key in keys}
        lines = [f"{key}: {old!r} then, {new!r} now" for key, (old, new) in values.items() if old != new]
        if then["data"] == now["data"]:
            return lines
        return [*lines, *(_row_differences(_read_rows(table), self.rows) or [_count_difference(then, now)])]


def _changed_parts(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield the identity of each part that is a user's own, or of a later version than the first."""
    sections: list[Any] = [*config.model.blocks, *config.model.pooling, config.features, *config.augment.own]
    names: list[tuple[Registry[Any], str]] = [(part.registry, part.registry.name_of(part)) for part in sections]
    names.append((Task.registry, config.target.task))
    if config.batching.strategy != "auto":
        names.append((STRATEGIES, config.batching.strategy))
    for registry, name in names:
        identity = registry.identity(name)
        if identity != {"name": name, "version": 1}:
            yield f"{registry.kind} {name}", identity


def is_place(key: str) -> bool:
    """Whether a setting is a path, or a device that computes: a run may go on with another.

    >>> is_place("data.cache_dir"), is_place("training.epochs")
    (True, False)
    """
    return bool(key_roles(key) & {Role.PATH, Role.MACHINE})


def _rows(split: str, part: Sequences, contents: ContentKeys | None) -> pd.DataFrame:
    """Make a row for each sequence of a split; `contents` are their `content_keys`, if known."""
    if contents is None:
        step = math.ceil(len(part) / MOST_FOREIGN) if is_foreign(part.features) else 1
        texts = ["" if index % step else content_digest(part.features, index) for index in range(len(part))]
    else:
        texts = [f"{key:016x}" for key in contents.tolist()]
    # Not as pandas' own strings: those cannot hold every text that is an id.
    ids = pd.Series(part.ids, dtype=object)
    columns = ids, split, part.lengths, texts, _label_hashes(part)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


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


def _read_rows(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, usecols=COLUMNS, dtype=object, keep_default_na=False)
    except (OSError, ValueError):
        return pd.DataFrame(columns=COLUMNS)


def _row_differences(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    if before.empty:
        return []
    # Splits in memory may use the same ids.
    is_unique = before["id"].is_unique and after["id"].is_unique
    then, now = (
        rows.set_index(rows["id"] if is_unique else rows["split"] + " " + rows["id"]) for rows in (before, after)
    )
    both = now.index[now.index.isin(then.index)]
    is_other = now.loc[both] != then.loc[both]
    groups = {
        "new": now.index[~now.index.isin(then.index)],
        "gone": then.index[~then.index.isin(now.index)],
        "in another split": both[is_other["split"]],
        "of other content": both[is_other["content"]],
        "otherwise labeled or weighted": both[is_other["label"]],
    }
    if not any(map(len, groups.values())) and [*then.index] != [*now.index]:
        return ["data: the sequences are the same, in another order"]
    found = {what: names for what, names in groups.items() if len(names)}
    return [f"data: {len(names):,} sequences are {what}: {list_some(names)}" for what, names in found.items()]


def _count_difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    counts = [
        ", ".join(f"{split} {count:,}" for split, count in side["data"].items() if split != "digest")
        for side in (then, now)
    ]
    return f"data: {counts[0]} sequences then, {counts[1]} now, with other content, labels or order"


def _digest(values: bytes) -> str:
    return hashlib.blake2b(values, digest_size=8).hexdigest()
