"""Oddities in the data of a run that need not be errors: constant features, clocks among them, very rare classes."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.sequences import Sequences
from seqconv.errors import list_some
from seqconv.features.columns import is_clock
from seqconv.features.kinds import Precomputed
from seqconv.features.statistics import FrameMoments
from seqconv.sources import ContentKeys, FloatArray, FrameBlock, content_keys, is_in_memory, join_arrays
from seqconv.tasks.target import Target

# Sequences that are looked at for clocks; one that is none shows it in the first.
_CLOCK_SAMPLE = 100


@dataclass(frozen=True)
class Survey:
    """The results of one look at each sequence.

    `still_features`: columns that have one value in all frames of all sequences. `still_ids`: sequences of several
    frames that are all equal, digital silence for instance. `misshapen`: id and shape of those that have not the
    number of features, or the length, that their source declares. `moments`: of all frames, where they were asked for.
    `contents`: `content_keys` of the sequences, where these are in memory.
    """

    num_frames: int
    still_features: list[int] = field(default_factory=list)
    still_ids: list[str] = field(default_factory=list)
    misshapen: dict[str, tuple[int, ...]] = field(default_factory=dict)
    moments: FrameMoments | None = field(default=None, repr=False)
    contents: ContentKeys | None = field(default=None, repr=False)


def survey(part: Sequences, *, with_moments: bool = False) -> Survey:
    """Look at each sequence once; of most on disk, one or two frames from the middle are enough.

    >>> survey(Sequences([[[1, 2], [1, 3]], [[1, 4], [1, 4]]]))
    Survey(num_frames=4, still_features=[0], still_ids=['1'], misshapen={})
    """
    in_memory = is_in_memory(part.features)
    takes_all = in_memory or with_moments
    found = Survey(int(part.lengths.sum()), moments=FrameMoments() if with_moments else None)
    still, values, contents, first = np.arange(part.num_features), None, [], 0
    for block in join_arrays(_read(part, found.misshapen, takes_all)):
        if in_memory:
            contents.append(content_keys(block))
        if len(block.frames):
            if found.moments is not None:
                found.moments.add(block.frames)
            if values is None:
                values = block.frames[0].copy()
            still = _equal_columns(block.frames, still, values)
            candidates = (first + _pairs_equal(block)).tolist()
            found.still_ids.extend(part.ids[index] for index in candidates if _is_still(part[index]))
        first += len(block.lengths)
    if values is None:
        still = still[:0]
    elif len(still) and not takes_all:
        for index, name in enumerate(part.ids):
            if name not in found.misshapen:
                still = _equal_columns(part[index], still, values)
    return replace(found, still_features=still.tolist(), contents=np.concatenate(contents) if in_memory else None)


def _read(part: Sequences, misshapen: dict[str, tuple[int, ...]], takes_all: bool) -> Iterator[FloatArray]:
    """Yield the frames to check of each sequence; none of one with a wrong shape, which is entered in `misshapen`."""
    width = part.num_features
    for index, length in enumerate(part.lengths.tolist()):
        features = part[index]
        if features.shape != (length, width):
            misshapen[part.ids[index]] = features.shape
            features = np.zeros((0, width), np.float32)
        yield features if takes_all else _middle(features)


def _pairs_equal(block: FrameBlock) -> npt.NDArray[np.int64]:
    """Return the sequences of a block with two equal frames in the middle."""
    frames, lengths = block
    several = np.flatnonzero(lengths > 1)
    middle = (np.cumsum(lengths) - lengths + lengths // 2)[several]
    return np.asarray(several[(frames[middle] == frames[middle - 1]).all(axis=1)])


def _is_still(features: FloatArray) -> bool:
    return bool((features == features[0]).all())


def describe_survey(split: str, part: Sequences, found: Survey) -> Iterator[str]:
    """Describe the findings of a survey, as sentences.

    >>> sequences = Sequences([[[1, 2], [1, 3]], [[1, 4], [1, 4]]])
    >>> list(describe_survey("valid", sequences, survey(sequences)))
    ["1 of 2 sequences of valid has one value in each feature, all frames long, as digital silence has: '1'"]
    """
    if split == "train":
        yield from _describe_columns(part)
    if found.still_features and split == "train":
        columns = found.still_features
        yield (
            f"{len(columns)} of {part.num_features} features never {'changes' if len(columns) == 1 else 'change'} in "
            f"the {found.num_frames:,} training frames: {_name_columns(columns, part)}"
        )
    frames = int(part.lengths[0])
    if split == "train" and part.num_features > frames > 1 and (part.lengths == frames).all() and len(part) > 1:
        yield (
            f"all sequences have {frames} frames of {part.num_features} features. If they came as (cases, channels, "
            "time), they are transposed: pass x.transpose(0, 2, 1)"
        )
    if found.still_ids:
        count = len(found.still_ids)
        yield (
            f"{count} of {len(part)} sequences of {split} {'has' if count == 1 else 'have'} one value in each feature, "
            f"all frames long, as digital silence has: {list_some(found.still_ids)}"
        )


def _describe_columns(part: Sequences) -> Iterator[str]:
    """Describe the columns of tables that were left out, and those that look like no measurement."""
    names, settings = part.table_names, part.feature_settings
    if names.left_out:
        yield f"columns of words in the tables were left out: {list_some(names.left_out)}"
    if not names.used or not isinstance(settings, Precomputed) or settings.columns is not None:
        return
    places, seen = list(range(len(names.used))), 0
    for index in range(min(_CLOCK_SAMPLE, len(part))):
        if part.lengths[index] > 1:
            features, seen = part[index], seen + 1
            places = [place for place in places if is_clock(names.used[place], features[:, place])]
    if places and seen:
        clocks = [names.used[place] for place in places]
        others = ", ".join(name for name in names.used if name not in clocks)
        remedy = f". Without: features.columns: [{others}]" if others else ""
        yield (
            f"{list_some(clocks)} never {'falls' if len(clocks) == 1 else 'fall'} within a sequence, as a clock or a "
            f"row number does, and {'is' if len(clocks) == 1 else 'are'} learned as a feature{remedy}"
        )


def describe_classes(parts: Mapping[str, Sequences], target: Target, encoded: Mapping[str, Any]) -> Iterator[str]:
    """Describe classes that only one training sequence has, and splits without some class, as sentences.

    `encoded`: the labels of the splits, as `Datasets.labels_of` returns them.

    >>> target, names = Target("classification", ("a", "b")), {"train": ["a", "a", "b"], "valid": ["a"]}
    >>> parts = {split: Sequences([[[0.0]]] * len(labels)) for split, labels in names.items()}
    >>> list(describe_classes(parts, target, {split: target.encode(labels) for split, labels in names.items()}))
    ["1 of 2 classes has a single training sequence: 'b' (of '2')", "valid has no sequence of 1 of 2 classes: 'b'"]
    """
    similar: dict[str, list[str]] = {}
    for name in map(str, target.definition.class_names(target.names)):
        similar.setdefault(" ".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(name)
    for same in similar.values():
        if len(same) > 1:
            written = ", ".join(map(repr, same))
            yield f"classes that differ only in case, spaces or the form of their letters: {written}"
    for split, part in parts.items():
        members = class_members(target, encoded[split])
        if members is None:
            return
        counts = members.sum(axis=0)
        single = np.flatnonzero(counts == 1)
        if split == "train" and len(single):
            owners = [part.ids[members[:, column].argmax()] for column in single]
            pairs = [f"'{target.names[column]}' (of '{name}')" for column, name in zip(single, owners, strict=True)]
            has = "has" if len(single) == 1 else "have"
            yield f"{len(single)} of {target.num_outputs} classes {has} a single training sequence: {_some(pairs)}"
        absent = np.flatnonzero(counts == 0)
        if len(absent):
            what = "frame" if target.kind == "frame" else "sequence"
            names = list_some(target.names[column] for column in absent)
            yield f"{split} has no {what} of {len(absent)} of {target.num_outputs} classes: {names}"


def class_members(target: Target, encoded: Any) -> npt.NDArray[np.bool_] | None:
    """Find which classes each sequence has, in some frame where frames are labeled: `(n, C)`; None without classes.

    `encoded`: the labels, as `Datasets.labels_of` returns them.
    """
    if target.kind == "frame":
        has_classes = target.definition.class_names(target.names)
        return np.array([encoded.take([index]).present() for index in range(len(encoded))]) if has_classes else None
    rows = target.definition.class_rows(encoded)
    return None if rows is None else np.asarray(rows > 0)


def _middle(features: FloatArray) -> FloatArray:
    """Two frames from the middle, if there are as many."""
    middle = len(features) // 2
    return features[max(0, middle - 1) : middle + 1]


def _equal_columns(frames: FloatArray, columns: npt.NDArray[np.int64], values: FloatArray) -> npt.NDArray[np.int64]:
    """Return the columns that have these values in all frames."""
    if len(columns):
        columns = columns[frames[len(frames) // 2, columns] == values[columns]]
    if len(columns):
        columns = columns[(frames[:, columns] == values[columns]).all(axis=0)]
    return columns


def _name_columns(columns: list[int], part: Sequences) -> str:
    names = part.table_names.used
    if len(names) == part.num_features:
        return list_some(names[column] for column in columns)
    return f"{_some(columns)} (counted from 0)"


def _some(items: Sequence[object], limit: int = 5) -> str:
    """Format as `list_some`, without quotes."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return f"{', '.join(map(str, items[:limit]))}{more}"
