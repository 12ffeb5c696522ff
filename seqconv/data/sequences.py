"""Sequences of any length with their labels, ids, groups and weights."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seqconv.data.provenance import UNKNOWN, Provenance
from seqconv.data.splitting import label_strata, split_groups
from seqconv.errors import ManifestError, list_some
from seqconv.features.contents import TableNames
from seqconv.sources import FloatArray, IntArray, Selection, Source, as_source, num_features
from seqconv.tasks.raw_labels import indexable, take_labels
from seqconv.tasks.settings import TargetConfig

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.data.events.annotations import RecordingEvents
    from seqconv.features import FeatureKind
    from seqconv.features.store import BadFile


class Sequences:
    """Sequences of shape `(time, d)`, of different length; itself a source for training and evaluation.

    Args:
        features: Arrays or tensors `(time, d)` with one d for all, an array `(n, time, d)`, or a source such as a
            feature store.
        labels: One per sequence, as they come: class names or numbers; lists, `"a;b"` or 0/1 rows; numbers. For models
            that predict frames an array for each sequence, `(time,)` or `(time, C)`.
        ids: Unique names; default "0", "1", and so on, or those of the source.
        groups: Sequences of one group (a speaker, a recording) are never on both sides of a split.
        weights: How much each sequence counts, 1 unless given.
        metadata: A DataFrame with one row per sequence, kept for slices and reports.
        provenance: How they came about, as far as it is known.

    Raises:
        ShapeError: arrays that are not `(time, d)` or differ in d; the message lists index and shape.
        ManifestError: NaN or infinite values, duplicate ids, labels or the like in another number than sequences.

    >>> sequences = Sequences([np.zeros((3, 2)), np.ones((5, 2))], ["a", "b"])
    >>> sequences
    <2 sequences of 3 to 5 frames (median 4), 2 features, labeled>
    >>> sequences.subset([1])[0].shape
    (5, 2)
    """

    def __init__(
        self,
        features: Any,
        labels: Any = None,
        *,
        ids: Sequence[object] | None = None,
        groups: Sequence[object] | None = None,
        weights: npt.ArrayLike | None = None,
        metadata: "pd.DataFrame | None" = None,
        provenance: Provenance = UNKNOWN,
    ) -> None:
        names = None if ids is None else [str(name) for name in ids]
        self.features: Source = as_source(features, names)
        self.lengths: IntArray = np.asarray(self.features.lengths, np.int64)
        if not len(self.lengths):
            raise ManifestError("no sequences: nothing is left to work on")
        self.ids: list[str] = list(self.features.ids) if names is None else names
        self.labels: Any = indexable(labels)
        self.groups: list[str] | None = None if groups is None else [str(group) for group in groups]
        self.weights: FloatArray | None = None if weights is None else np.asarray(weights, np.float32)
        self.metadata: pd.DataFrame | None = None if metadata is None else metadata.reset_index(drop=True)
        self.provenance = provenance
        self._check()

    @classmethod
    def from_manifest(
        cls,
        path_or_frame: "str | Path | Mapping[str, str] | pd.DataFrame",
        features: "FeatureKind | Mapping[str, Any]",
        *,
        label: str | Sequence[str] | None = "label",
        split: str | None = None,
        cache_dir: str | Path | None = None,
        num_workers: int | None = None,
        frame_labels: TargetConfig | Mapping[str, Any] | None = None,
        events: str | Path | None = None,
        max_bad_fraction: float = 0.0,
        on_leak: str = "error",
    ) -> "Sequences":
        """Read the recordings of a manifest, their features extracted into the store (once) and read from there.

        Args:
            path_or_frame: A manifest, or whatever else `load_manifest` takes.
            features: The `features` section of a config.
            label: Column with the label, or several (0/1 columns, regression); None: no labels.
            split: Only this split (train, valid or test).
            frame_labels: The `target` section of a config, for labels of frames: its `column` names files with them,
                unless `events` gives them. `label` is not read then. What was cut is in `notes`.
            events: With `frame_labels`, a table of the events of all recordings; those without events are negative.
            max_bad_fraction: Recordings that cannot be read are left out as long as they are no more than this part of
                all: see `quarantine`. 0: the first one is an error that lists them all.
            on_leak: A group or file of the manifest in more than one split is an `error`; with `warn` it is in
                `notes`.

        Raises:
            ManifestError: unknown column or split, and all that `load_manifest` refuses.
            AudioError: recordings that cannot be read, beyond `max_bad_fraction`.
        """
        from seqconv.data.labeled_manifest import read_labels
        from seqconv.data.settings import DataConfig
        from seqconv.data.spec import DataSpec
        from seqconv.features import as_settings

        names = {} if label is None else {"column": label} if isinstance(label, str) else {"columns": tuple(label)}
        target = TargetConfig(**frame_labels) if isinstance(frame_labels, Mapping) else frame_labels
        where: dict[str, Any] = {"cache_dir": cache_dir, "num_workers": num_workers, "on_leak": on_leak}
        where |= {"on_bad_file": "skip", "max_bad_fraction": max_bad_fraction}
        if target is not None and events is not None:
            where |= {"events": str(events), "unlabeled": "negative"}
        spec = DataSpec(
            data=DataConfig().model_copy(update=where),
            target=target or TargetConfig().model_copy(update=names),
            features=as_settings(features),
            predicts_frames=target is not None,
            is_labeled=label is not None,
        )
        return cls(**read_labels(path_or_frame, spec, split).read_recordings())

    @property
    def notes(self) -> list[str]:
        """Decisions that were made on the way to these sequences."""
        return list(self.provenance.notes)

    @property
    def quarantine(self) -> "list[BadFile]":
        """Recordings that `from_manifest` left out because they cannot be read: id, path and reason of each."""
        return list(self.provenance.quarantine)

    @property
    def annotations(self) -> "RecordingEvents | None":
        """The events of the recordings that these are, or are cut from."""
        return self.provenance.annotations

    @classmethod
    def from_ts(cls, path: str | Path) -> "Sequences":
        """Read the sequences of a `.ts` file of the UEA/UCR archive, unequal lengths included.

        Raises:
            ManifestError: not a readable `.ts` file.
        """
        from seqconv.features.ts import read_ts

        arrays, labels, _ = read_ts(path)
        return cls(arrays, labels or None)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> FloatArray:
        return np.asarray(self.features[index], np.float32)

    @property
    def num_features(self) -> int:
        """The d that all sequences share."""
        return num_features(self.features)

    @property
    def feature_settings(self) -> "FeatureKind | None":
        """The settings with which the features were extracted; None for arrays."""
        return getattr(self.features, "settings", None)

    @property
    def table_names(self) -> TableNames:
        """The columns of tables that are the features, and those left out; none of arrays and recordings."""
        return getattr(self.features, "table_names", None) or TableNames()

    def subset(self, indices: npt.ArrayLike) -> "Sequences":
        """Return the sequences at `indices` (integers, or a mask of booleans), in that order; nothing is copied.

        Raises:
            ManifestError: an index out of range, or nothing selected.
        """
        chosen = self._positions(indices)
        return self._with(
            features=Selection(self.features, chosen),
            labels=take_labels(self.labels, chosen),
            ids=[self.ids[index] for index in chosen],
            groups=None if self.groups is None else [self.groups[index] for index in chosen],
            weights=None if self.weights is None else self.weights[chosen],
            metadata=None if self.metadata is None else self.metadata.iloc[chosen],
        )

    def with_labels(self, labels: Any) -> "Sequences":
        """Return the same sequences with other labels."""
        return self._with(labels=labels)

    def with_metadata(self, metadata: "pd.DataFrame") -> "Sequences":
        """Return the same sequences with other metadata."""
        return self._with(metadata=metadata)

    def with_provenance(self, **changes: Any) -> "Sequences":
        """Return the same sequences with other fields of their `Provenance`."""
        return self._with(provenance=replace(self.provenance, **changes))

    def _with(self, **changes: Any) -> "Sequences":
        names = ("features", "labels", "ids", "groups", "weights", "metadata", "provenance")
        return Sequences(**{name: getattr(self, name) for name in names} | changes)

    def where(self, column: str, value: object) -> "Sequences":
        """Return the sequences that have `value` in `column` of the metadata.

        Raises:
            ManifestError: no such column, or no sequence with that value; the message lists what there is.
        """
        if self.metadata is None or column not in self.metadata:
            known = "no metadata" if self.metadata is None else f"the columns {', '.join(self.metadata.columns)}"
            raise ManifestError(f"no column '{column}' to select by: these sequences have {known}")
        mask = (self.metadata[column] == value).to_numpy(bool)
        if not mask.any():
            values = self.metadata[column].dropna().unique()
            raise ManifestError(f"no sequence has {column} '{value}'; there are {list_some(values)}")
        return self.subset(mask)

    def split(self, test: float = 0.2, by: str | None = "group", seed: int = 0) -> tuple["Sequences", "Sequences"]:
        """Divide into train and test, with labels in the same proportion in both if they are classes.

        Args:
            test: Fraction of the sequences that the second part gets.
            by: "group": sequences of one group stay together (without groups each stands alone); a column of the
                metadata does the same; None: groups are not looked at.
            seed: The same seed gives the same split.

        Raises:
            ManifestError: a fraction outside 0 to 1, no such column, or one part would be empty.

        >>> train, test = Sequences([np.zeros((3, 2))] * 10, list("aaaaabbbbb")).split(test=0.4)
        >>> sorted(test.labels)
        ['a', 'a', 'b', 'b']
        """
        if not 0 < test < 1:
            raise ManifestError(f"test={test} is the fraction that goes into the test part: between 0 and 1")
        groups = self._group_values(by)
        is_test = split_groups(groups, label_strata(self.labels, len(self)), fraction=test, seed=seed)
        return self.subset(~is_test), self.subset(is_test)

    def __repr__(self) -> str:
        low, high, median = self.lengths.min(), self.lengths.max(), np.median(self.lengths)
        frames = f"{low} to {high} frames (median {median:g})"
        parts = [f"{len(self)} sequences of {frames}", f"{self.num_features} features"]
        if self.labels is not None:
            parts.append("labeled")
        if self.groups is not None:
            parts.append(f"{len(set(self.groups))} groups")
        return f"<{', '.join(parts)}>"

    def _positions(self, indices: npt.ArrayLike) -> IntArray:
        chosen = np.asarray(indices)
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise ManifestError(f"a mask of shape {chosen.shape} does not select among {len(self)} sequences")
            chosen = np.flatnonzero(chosen)
        if chosen.size and (chosen.dtype.kind not in "iu" or chosen.min() < -len(self) or chosen.max() >= len(self)):
            raise ManifestError(f"indices must be whole numbers below {len(self)}, got {list_some(chosen.tolist())}")
        return chosen.astype(np.int64) % len(self)

    def _group_values(self, by: str | None) -> list[str]:
        if by is None or (by == "group" and self.groups is None):
            return self.ids
        if by == "group" and self.groups is not None:
            return self.groups
        if self.metadata is None or by not in self.metadata:
            raise ManifestError(f"by='{by}' is neither 'group' nor a column of the metadata")
        return [str(value) for value in self.metadata[by]]

    def _check(self) -> None:
        given = {"labels": self.labels, "ids": self.ids, "groups": self.groups, "weights": self.weights}
        problems = [
            f"{len(values)} {name} for {len(self)} sequences; give one for each"
            for name, values in {**given, "rows of metadata": self.metadata}.items()
            if values is not None and len(values) != len(self)
        ]
        repeated = [name for name, count in Counter(self.ids).items() if count > 1]
        if repeated:
            problems.append(f"ids must be unique, but {list_some(repeated)} are used more than once")
        if self.weights is not None and not (np.isfinite(self.weights) & (self.weights >= 0)).all():
            problems.append("weights must be finite and not negative")
        if problems:
            raise ManifestError("\n".join(problems))
