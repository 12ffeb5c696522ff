"""Regions of recordings as sequences: ids, groups, metadata, labels."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.sequences import Sequences
from seqconv.data.windows import WindowedSource
from seqconv.tasks.frame_labels import FrameLabels
from seqconv.tasks.raw_labels import take_labels

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Where = tuple[IntArray, IntArray, IntArray]


def take_spans(
    recordings: Sequences,
    where: Where,
    labels: Any,
    seconds_per_frame: float,
    cut: str,
) -> Sequences:
    """Return regions of recordings as sequences `ID@START`, with the metadata, group and weight of the recording.

    Args:
        recordings: what is cut.
        where: recording, first frame and frames of each part.
        labels: of the parts.
        seconds_per_frame: seconds from one frame to the next.
        cut: "windows" or "events", for the provenance.
    """
    import pandas as pd

    recording_index, start_frame, lengths = where
    begins = np.nan_to_num(column_of(recordings, "start", 0.0))[recording_index]
    starts = np.round(begins + start_frame * seconds_per_frame, 6)
    ids = unique_ids(
        [f"{recordings.ids[owner]}@{start:.12g}" for owner, start in zip(recording_index, starts.tolist(), strict=True)]
    )
    groups = recordings.ids if recordings.groups is None else recordings.groups
    groups = [groups[owner] for owner in recording_index]
    metadata = pd.DataFrame({"id": recordings.ids}) if recordings.metadata is None else recordings.metadata
    table = metadata.iloc[recording_index].reset_index(drop=True)
    table = table.assign(
        id=ids,
        recording=[recordings.ids[owner] for owner in recording_index],
        start=starts,
        end=np.round(begins + (start_frame + lengths) * seconds_per_frame, 6),
        group=groups,
    )
    return Sequences(
        WindowedSource(recordings.features, recording_index, start_frame, lengths, ids, seconds_per_frame),
        labels,
        ids=ids,
        groups=groups,
        weights=None if recordings.weights is None else recordings.weights[recording_index],
        metadata=table,
        provenance=replace(recordings.provenance, cut=cut, annotations=None),
    )


def take_parts_of_labels(labels: Any, where: Where) -> Any:
    """Return the labels of regions: of their own frames if frames are labeled, else those of the recording."""
    recording_index, start_frame, lengths = where
    if not isinstance(labels, FrameLabels):
        return take_labels(labels, recording_index)
    rows = zip(recording_index.tolist(), start_frame.tolist(), lengths.tolist(), strict=True)
    return replace(labels, arrays=[labels.arrays[owner][first : first + length] for owner, first, length in rows])


def column_of(data: Sequences, name: str, default: float) -> FloatArray:
    """Return a column of numbers of the metadata; `default` if there is none."""
    if data.metadata is None or name not in data.metadata:
        return np.full(len(data), default)
    values: FloatArray = data.metadata[name].to_numpy(np.float64)
    return values


def unique_ids(ids: list[str]) -> list[str]:
    """Make names unique: events may begin at the same moment.

    >>> unique_ids(["tape@1", "tape@1", "tape@2"])
    ['tape@1', 'tape@1+1', 'tape@2']
    """
    seen: Counter[str] = Counter()
    names = []
    for name in ids:
        names.append(f"{name}+{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names
