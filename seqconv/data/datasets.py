"""The three splits of a run, from a manifest or from arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from seqconv.data.conversions import as_manifest, as_sequences, holds_recordings
from seqconv.data.diagnostics import class_members
from seqconv.data.labeled_manifest import LabeledManifest, read_labels, read_training_rows
from seqconv.data.leakage import find_leaks, join_equal
from seqconv.data.manifest.checks import raise_problems
from seqconv.data.manifest.columns import SPLITS, Manifest
from seqconv.data.manifest.labels import LabelColumns
from seqconv.data.manifest.split_section import cut_splits, cuts_anew
from seqconv.data.segmentation import segment_recordings
from seqconv.data.sequences import Sequences
from seqconv.data.spec import DataSpec
from seqconv.data.splitting import label_strata, split_groups
from seqconv.errors import ConfigError, ManifestError, list_some
from seqconv.features.store import BadFile, FeatureStore
from seqconv.sources import ContentKeys
from seqconv.tasks.frame_arrays import read_frame_labels
from seqconv.tasks.frame_labels import find_length_problems, raise_listed
from seqconv.tasks.target import Target, fit_target
from seqconv.tasks.token_labels import read_vocabulary

VALID_FRACTION = 0.15


@dataclass(frozen=True)
class Datasets:
    """The splits of a run and the meaning of their labels.

    `valid`: None where `split.valid` is 0 and none was given; then there is a test split.
    `variants`: sources of the training sequences, varied as recordings (`audio_augment`), in the order of `train`.
    `notes` say what was decided on the user's behalf; `splits` lists id and split, and group and fold if there are
    any, where they came from one manifest, `quarantine` what was left out because it cannot be read. `contents`:
    `content_keys` of the sequences of each split in memory, once the data were looked at.
    """

    train: Sequences
    valid: Sequences | None
    test: Sequences | None
    target: Target
    notes: list[str] = field(default_factory=list)
    splits: pd.DataFrame | None = None
    quarantine: list[BadFile] = field(default_factory=list)
    variants: tuple[FeatureStore, ...] = ()
    contents: dict[str, ContentKeys] = field(default_factory=dict)
    _encoded: dict[str, tuple[Sequences, Any]] = field(default_factory=dict, repr=False)

    def parts(self) -> dict[str, Sequences]:
        """Return the splits that exist, by name."""
        return {name: part for name in SPLITS if (part := getattr(self, name)) is not None}

    def labels_of(self, split: str) -> Any:
        """Encode the labels of a split, once: `(n, num_outputs)`, or `FrameLabels` in their own unit.

        Raises:
            ManifestError: labels that are missing, of another form, or that the target does not know.
        """
        part = self.parts()[split]
        if self._encoded.get(split, (None, None))[0] is not part:
            encode = self.target.frame_labels if self.target.kind == "frame" else self.target.encode
            self._encoded[split] = part, encode(part.labels, ids=part.ids)
        return self._encoded[split][1]


def load_datasets(
    spec: DataSpec,
    train_data: Any = None,
    valid_data: Any = None,
    test_data: Any = None,
    *,
    rows: LabeledManifest | None = None,
) -> Datasets:
    """Load datasets from a manifest, or from sequences in memory.

    Args:
        spec: how they are read and cut.
        train_data, valid_data, test_data: sequences in memory, or tables of recordings, instead of the manifest of the
            spec.
        rows: the manifest of the spec, if it was read before, by `read_training_rows`.

    Raises:
        ConfigError: when there is nothing to train on, or labels are missing.
        ManifestError: when the manifest cannot be used; it lists all problems.
    """
    if holds_recordings(train_data, spec.data):
        return _from_rows(read_labels(as_manifest(spec.data, train_data, valid_data, test_data), spec, checks=True))
    if train_data is not None:
        valid = None if valid_data is None else as_sequences(valid_data, "valid_data")
        test = None if test_data is None else as_sequences(test_data, "test_data")
        return _from_memory(spec, as_sequences(train_data, "train_data"), valid, test)
    if valid_data is not None or test_data is not None:
        raise ConfigError("valid_data or test_data was given without train_data. Pass all of them, or none.")
    return _from_rows(rows or read_training_rows(spec))


def sequences_from(data: Any, spec: DataSpec, name: str = "data") -> Sequences:
    """Return labeled sequences of what a user has: sequences, pairs, or tables of recordings, read as the spec says.

    Raises:
        ConfigError: it is something else, or has several splits.
        ManifestError, AudioError: as of `load_sequences`.
    """
    if isinstance(data, Mapping) and holds_recordings(data):
        raise ConfigError(f"{name} has the splits {list_some(data)}. Pass one of them: data['{next(iter(data))}'].")
    return load_sequences(data, spec) if holds_recordings(data) else as_sequences(data, name)


def load_sequences(source: Any, spec: DataSpec, split: str | None = None) -> Sequences:
    """Load the labeled sequences of a manifest, cut and with features as a spec says.

    Args:
        source: a path, or whatever else `load_manifest` takes; or a `Manifest`.
        spec: how they are read, such as `config.data_spec`, or that of a model's card.
        split: train, valid or test; None: all.

    Raises:
        ManifestError: whatever is wrong with the manifest, the events or the labels of frames.
        AudioError: recordings that cannot be read, beyond what the spec allows.
    """
    return sequences_of(read_labels(source, spec, split))


def sequences_of(rows: LabeledManifest) -> Sequences:
    """Return the labeled sequences of a manifest that was read; arguments and errors are those of `load_sequences`."""
    recordings = Sequences(**rows.read_recordings())
    return segment_recordings(recordings, rows.spec.segmentation, rows.spec.target, rows.annotations)


def _from_memory(spec: DataSpec, train: Sequences, valid: Sequences | None, test: Sequences | None) -> Datasets:
    _refuse_cuts_of_manifests(spec)
    for key in ("windows", "events"):
        if getattr(spec.data, key) is None:
            continue
        raise ConfigError(
            f"data.{key} cuts the recordings of a manifest, but sequences were passed. Cut them first, with "
            "seqconv.data.segmentation.segment_recordings, or remove it."
        )
    for name, data in (("train_data", train), ("valid_data", valid), ("test_data", test)):
        if data is not None and data.labels is None:
            raise ConfigError(f"{name} has no labels. Pass Sequences(features, labels).")
    if spec.predicts_frames:
        train, valid, test = _with_frame_labels(spec, {"train": train, "valid": valid, "test": test})
    if valid is None and spec.split.valid > 0:
        return _set_aside(spec, train, test)
    return _scored(Datasets(train, valid, test, _fit(spec, train)))


def _scored(data: Datasets) -> Datasets:
    """Return the same datasets, if there is anything to score a run on; a note says if no best epoch can be chosen.

    Raises:
        ConfigError: there is neither valid nor test.
    """
    if data.valid is not None:
        return data
    if data.test is None:
        raise ConfigError("split.valid is 0, and there is no test split to score a run. Give one, or a share of valid.")
    return replace(data, notes=[*data.notes, "split.valid 0: all is learned from, and the last epoch is kept"])


def _refuse_cuts_of_manifests(spec: DataSpec) -> None:
    """Refuse settings that need a manifest, instead of ignoring them."""
    given = spec.split.model_dump(exclude_defaults=True)
    # That nothing is set aside can be said of sequences, too.
    keys = [f"split.{name}" for name, value in given.items() if name != "seed" and (name, value) != ("valid", 0)]
    if keys:
        raise ConfigError(
            f"{', '.join(keys)}: these say how a manifest is cut, but the sequences were passed in memory. Leave them "
            "out, and cut with Sequences.split."
        )


def _with_frame_labels(spec: DataSpec, parts: dict[str, Sequences | None]) -> tuple[Any, ...]:
    """Return the parts with the labels of their frames in one form."""
    labeled, problems = dict(parts), []
    for name, part in parts.items():
        if part is None:
            continue
        try:
            labels = read_frame_labels(spec.target.task, part.labels, ids=part.ids, names=spec.target.columns)
        except ManifestError as error:
            problems.append(f"{name}: {error}")
            continue
        problems += [f"{name}: {problem}" for problem in find_length_problems(labels, part.lengths, part.ids)]
        labeled[name] = part.with_labels(labels)
    raise_listed(problems)
    return tuple(labeled.values())


def _set_aside(spec: DataSpec, data: Sequences, test: Sequences | None) -> Datasets:
    """Return train and valid, divided from the sequences given for training."""
    target = _fit(spec, data)
    strata = label_strata(data.labels, len(data))
    divide = partial(split_groups, strata=strata, fraction=VALID_FRACTION, seed=spec.split_seed)
    try:
        is_valid = divide(join_equal(data))
    except ManifestError:
        # Too many are equal. That they are in two splits is reported with all other problems.
        is_valid = divide(data.ids if data.groups is None else data.groups)
    train, valid = data.subset(~is_valid), data.subset(is_valid)
    notes = [f"no valid_data: {len(valid)} of the training sequences were set aside for it"]
    if not target.definition.class_names(target.names):
        return Datasets(train, valid, test, _fit(spec, train), notes)
    # No class may leave train, so that its classes are those of all.
    made = Datasets(train, valid, test, target, notes)
    members = class_members(target, made.labels_of("train"))
    gone = [] if members is None else [target.names[column] for column in np.flatnonzero(~members.any(axis=0))]
    if gone:
        raise ManifestError(
            f"there is no valid_data, and setting {len(valid)} of {len(data)} training sequences aside for it "
            f"would leave none of {list_some(gone)} to learn from. Pass valid_data, or more of these sequences."
        )
    return made


def _from_rows(rows: LabeledManifest) -> Datasets:
    spec, recordings = rows.spec, _cut_and_read(rows)
    return _split(spec, recordings, segment_recordings(recordings, spec.segmentation, spec.target, rows.annotations))


def _cut_and_read(rows: LabeledManifest) -> Sequences:
    """Return the sequences in their splits; make missing splits, and again if that separated equal sequences."""
    spec, manifest = rows.spec, rows.manifest
    made = _cut(rows, manifest)
    data = Sequences(**rows.read_recordings(made))
    left: Any = data.metadata
    made_notes = made.notes[len(manifest.notes) :]
    parted = _parted(data, "fold") if cuts_anew(manifest.frame, spec.split) else []
    # Where a fold stands is the same for all folds: it must not depend on which of them is test.
    kept = manifest.frame if parted or not spec.split.uses_folds else made.frame
    parted = parted or (_parted(data, "split") if made_notes else [])
    if not parted:
        return data
    units = pd.Series(join_equal(data), dtype=object)
    given = manifest.frame.set_index("id")["split"].loc[data.ids].array
    folds = kept.set_index("id")["fold"].loc[data.ids].array
    joined = left.assign(split=given, fold=folds, group=left["group"].mask(units.duplicated(keep=False), units))
    equal = f"equal to others, and cut as one group with them: {list_some(sorted(set(parted)))}"
    notes = (*(note for note in data.notes if note not in made_notes), equal)
    try:
        again = _cut(rows, replace(made, frame=joined, notes=notes))
    except ManifestError:
        # Too many are equal. That they are in two splits is reported with all other problems.
        return data
    return data.with_metadata(again.frame.assign(group=left["group"])).with_provenance(notes=again.notes)


def _cut(rows: LabeledManifest, manifest: Manifest) -> Manifest:
    """Cut rows into splits by the labels of each, and check that training has them all."""
    spec, sets, target = rows.spec, rows.label_sets(), rows.spec.target
    labels = LabelColumns(target.columns or target.column, target.task, target.separator)
    strata = None if sets is None else [sets[name] for name in manifest.frame["id"]]
    made = cut_splits(manifest, spec.split, labels, seed=spec.split_seed, strata=strata)
    if sets is None:
        raise_problems(labels.find_problems(made.frame))
    return made


def _parted(data: Sequences, column: str) -> list[str]:
    """Return sequences that equal others with another value in a column."""
    frame: Any = data.metadata
    parts = {str(value): data.where(column, value) for value in frame[column].unique()}
    return [leak.ids[1] for leak in find_leaks(parts) if leak.kind == "content"]


def _split(spec: DataSpec, recordings: Sequences, data: Sequences) -> Datasets:
    """Return the splits of sequences taken from recordings, which may be the recordings themselves."""
    frame: Any = data.metadata
    parts = {split: data.where("split", split) for split in SPLITS if split in set(frame["split"])}
    for split in ("train", "valid") if spec.split.valid else ("train",):
        if split not in parts:
            bad = list_some(file.id for file in recordings.quarantine)
            raise ManifestError(
                f"of split '{split}' no recording can be read: {bad}. Repair them, or choose other splits."
                if bad
                else f"no window or event of split '{split}' has a label. Label more of it, or choose other splits."
            )
    whole: Any = recordings.metadata
    known = [column for column in ("group", "fold") if whole[column].notna().any()]
    splits = whole[["id", "split", *known]].reset_index(drop=True)
    train, others = parts["train"], (parts.get("valid"), parts.get("test"))
    return _scored(Datasets(train, *others, _fit(spec, train), data.notes, splits, recordings.quarantine))


def _fit(spec: DataSpec, train: Sequences) -> Target:
    kind, target = "frame" if spec.predicts_frames else "sequence", spec.target
    names = None if target.vocabulary is None else read_vocabulary(target.vocabulary)
    return fit_target(target.task, train.labels, labels=names, separator=target.separator, ids=train.ids, kind=kind)
