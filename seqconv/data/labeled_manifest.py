"""From a manifest to its recordings with their features and labels, the same for training, evaluation and notebooks."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqconv.data.events.annotations import Annotations, read_annotations
from seqconv.data.events.frame_labels import EventTimelines, read_timelines
from seqconv.data.manifest.checks import raise_problems
from seqconv.data.manifest.columns import Manifest
from seqconv.data.manifest.labels import LabelColumns, label_values, leave_out_unlabeled
from seqconv.data.manifest.split_section import read_grouped
from seqconv.data.manifest.splits import select_split
from seqconv.data.provenance import Provenance
from seqconv.data.settings import check_made
from seqconv.data.spec import DataSpec
from seqconv.errors import ConfigError, list_some
from seqconv.features.store import build_store


@dataclass(frozen=True, eq=False)
class LabeledManifest:
    """A manifest with what labels its recordings, before any features are read.

    `annotations`: events, if any are read. `timelines`: labels of frames.
    """

    spec: DataSpec
    manifest: Manifest
    annotations: Annotations | None = None
    timelines: EventTimelines | None = None

    def label_sets(self) -> dict[str, list[str]] | None:
        """Return the classes that occur in each recording, by id; None if columns of the manifest have them."""
        ids = self.manifest.frame["id"].tolist()
        if self.timelines is not None:
            return dict(zip(ids, self.timelines.label_sets(), strict=True))
        if self.annotations is not None:
            return dict(zip(ids, self.annotations.label_sets(ids, self.spec.target), strict=True))
        return None

    def read_recordings(self, manifest: Manifest | None = None) -> dict[str, Any]:
        """Read the features and labels of the recordings, into the feature store and from there.

        Args:
            manifest: the same rows with other splits.

        Returns:
            The arguments of `Sequences`.

        Raises:
            ManifestError: there is no such label column; labels of frames do not fit the features.
            AudioError: recordings cannot be read, more than the spec allows.
        """
        spec, timelines = self.spec, self.timelines
        manifest = manifest or self.manifest
        frame, data, most = manifest.frame, spec.data, spec.data.skipped_fraction
        store = build_store(
            frame, spec.features, num_workers=data.num_workers, cache_dir=data.cache_dir, max_bad_fraction=most
        )
        notes = list(manifest.notes)
        if store.quarantine:
            gone = sorted(bad.id for bad in store.quarantine)
            notes.append(f"{len(gone)} of {len(frame)} recordings cannot be read and were left out: {list_some(gone)}")
            frame = frame[~frame["id"].isin(gone)].reset_index(drop=True)
            if timelines is not None:
                timelines = read_timelines(frame, spec.target, spec.features.seconds_per_frame, self.annotations)
        labels: Any = None
        if timelines is not None:
            labels, more = timelines.frame_labels(store.lengths)
            notes += [*timelines.notes, *more]
        elif self.annotations is not None:
            notes += self.annotations.notes
        elif spec.label_columns is not None:
            labels = label_values(frame, spec.label_columns)
        return {
            "features": store,
            "labels": labels,
            "ids": frame["id"].tolist(),
            "groups": None if frame["group"].isna().all() else frame["group"].fillna(frame["id"]).tolist(),
            "weights": frame["weight"].to_numpy(np.float32),
            "metadata": frame,
            "provenance": Provenance(tuple(notes), tuple(store.quarantine)),
        }


def read_labels(source: Any, spec: DataSpec, split: str | None = None, *, checks: bool = False) -> LabeledManifest:
    """Read a manifest, and the events or label files that label its recordings.

    Args:
        source: a `Manifest`, or what `load_manifest` takes.
        spec: how.
        split: only this split.
        checks: whether label columns are checked together with the rest of the manifest.

    Raises:
        ManifestError: whatever is wrong with the manifest, the events or the labels of frames.
    """
    manifest, labels, ignores = source, None, spec.data.unlabeled == "ignore"
    if spec.label_columns is not None:
        labels = LabelColumns(spec.label_columns, spec.target.task, spec.target.separator)
    if not isinstance(source, Manifest):
        checked = labels if checks and not ignores else None
        used = () if labels is None else labels.names
        manifest = read_grouped(source, spec.split, spec.data, checked, used, label_files=spec.label_files)
    if ignores and labels is not None:
        manifest = leave_out_unlabeled(manifest, labels)
        if checks:
            raise_problems(labels.find_problems(manifest.frame))
    if split is not None:
        manifest = select_split(manifest, split)
    annotations = timelines = None
    if spec.events is not None:
        unlabeled, is_part = spec.data.unlabeled, manifest.is_part
        frame, annotations = read_annotations(manifest.frame, spec.events, unlabeled, is_part=is_part)
        manifest = manifest.with_frame(frame)
    if spec.predicts_frames:
        timelines = read_timelines(manifest.frame, spec.target, spec.features.seconds_per_frame, annotations)
    return LabeledManifest(spec, manifest, annotations, timelines)


def read_training_rows(spec: DataSpec) -> LabeledManifest:
    """Read the manifest of a spec and the labels of its recordings, and check them all; no features are read.

    Raises:
        ConfigError, ManifestError: as `seqconv.data.datasets.load_datasets`.
    """
    if spec.data.manifest is None:
        raise ConfigError(
            "there is nothing to train on: data.manifest is not set and no train_data was passed. Set data.manifest to "
            "a table of recordings, or call train(spec, train_data=Sequences(arrays, labels))."
        )
    check_made(spec.data)
    return read_labels(spec.data.manifest, spec, checks=True)
