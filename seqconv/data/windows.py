"""Regions of recordings as separate sequences: offsets, no copies."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.data.sequences import Sequences
from seqconv.sources import DerivedSource, IntArray, Selection, Source, SourceSpan, content_digest, excerpt_of
from seqconv.tasks.frame_labels import FrameLabels
from seqconv.tasks.raw_labels import take_labels

Where = tuple[IntArray, IntArray, IntArray]


def left_frames(step: int) -> int:
    """Return the number of frames at the end that may stay without a window: 1, or 0 if each frame begins a window."""
    return min(1, step - 1)


@dataclass(eq=False, repr=False)
class WindowedSource(DerivedSource):
    """Regions of the sequences of a source; reading one returns a view on its frames.

    Args:
        source: what they are parts of, a feature store for instance.
        recording_index: which sequence of the source each is a part of, `(n,)`.
        start_frame, lengths: its first frame and its frames, `(n,)`.
        ids: unique names.
        seconds_per_frame: None where nobody knows.

    >>> from seqconv.sources import ArraySource
    >>> source = ArraySource([np.arange(6.0)[:, None]], ["tape"])
    >>> parts = WindowedSource(source, np.array([0, 0]), np.array([0, 4]), np.array([4, 2]), ["tape@0", "tape@4"])
    >>> parts[1].ravel().tolist(), np.shares_memory(parts[1], source[0])
    ([4.0, 5.0], True)
    """

    source: Source
    recording_index: IntArray
    start_frame: IntArray
    lengths: IntArray
    ids: Sequence[str]
    seconds_per_frame: float | None = None
    _digests: dict[int, str] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.recording_index)

    def __getitem__(self, index: Any) -> Any:
        first = self.start_frame[index]
        return self.source[int(self.recording_index[index])][first : first + self.lengths[index]]

    def digest(self, index: int) -> str:
        """Hash the content of the region's recording, and the region."""
        owner = int(self.recording_index[index])
        if owner not in self._digests:
            self._digests[owner] = content_digest(self.source, owner)
        place = f"{self._digests[owner]} {self.start_frame[index]} {self.lengths[index]}"
        return hashlib.blake2b(place.encode(), digest_size=8).hexdigest()

    def excerpt(self, index: int) -> SourceSpan | None:
        """Return recording, start and end of a sequence, if its source and its seconds per frame are known."""
        whole = excerpt_of(self.source, int(self.recording_index[index]))
        if whole is None or self.seconds_per_frame is None:
            return None
        start = float(whole.start + self.start_frame[index] * self.seconds_per_frame)
        end = float(start + self.lengths[index] * self.seconds_per_frame)
        return SourceSpan(whole.content, start, min(whole.end, end))


def count_covered(source: Source) -> int:
    """Count the frames of a source; frames in several regions of a recording count once.

    >>> from seqconv.sources import ArraySource
    >>> tape = ArraySource([np.zeros((8, 1))], ["tape"])
    >>> count_covered(WindowedSource(tape, *np.array([[0, 0], [0, 2], [4, 4]]), ["tape@0", "tape@2"]))
    6
    """
    excerpts, chosen = (source.source, source.indices) if isinstance(source, Selection) else (source, slice(None))
    if not isinstance(excerpts, WindowedSource):
        return int(np.sum(source.lengths))
    start_frame, lengths = excerpts.start_frame[chosen], excerpts.lengths[chosen]
    # Recordings are placed one after the other, so that parts of two never overlap.
    starts = start_frame + excerpts.recording_index[chosen] * int((start_frame + lengths).max(initial=0))
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate((starts + lengths)[order])
    before = np.append(0, ends[:-1])
    return int(np.maximum(ends - np.maximum(starts, before), 0).sum())


def cut_frames(lengths: npt.ArrayLike, size: int, step: int) -> Where:
    """Cut windows of `size` frames, every `step` frames: recording index, start frame and frames of each.

    The last window of a sequence ends with it, and so may begin sooner than the step says; of a sequence shorter than
    a window there is one, the whole. Each frame is in a window, unless the step is longer than that, but for a single
    one that may be left: recordings of 10 seconds have 1001 frames of a hundredth, the last at their very end.

    >>> [column.tolist() for column in cut_frames([10, 3], 4, 3)]
    [[0, 0, 0, 1], [0, 3, 6, 0], [4, 4, 4, 3]]
    >>> cut_frames([11], 4, 4)[1].tolist(), cut_frames([9], 4, 4)[1].tolist()
    ([0, 4, 7], [0, 4])
    """
    counts = np.asarray(lengths, np.int64)
    numbers = 1 + -(-np.maximum(counts - size - left_frames(step), 0) // step)
    recording_index = np.repeat(np.arange(len(counts)), numbers)
    places = np.arange(len(recording_index)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    start_frame = np.minimum(places * step, np.maximum(counts - size, 0)[recording_index])
    return recording_index, start_frame, np.minimum(counts, size)[recording_index]


def take_spans(recordings: Sequences, where: Where, labels: Any, seconds_per_frame: float, cut: str) -> Sequences:
    """Return regions of recordings as sequences `ID@START`, with the metadata, group and weight of the recording.

    Args:
        recordings: what is cut.
        where: recording, first frame and frames of each part.
        labels: of the parts.
        seconds_per_frame: seconds from one frame to the next.
        cut: "windows" or "events", for the provenance.
    """
    recording_index, start_frame, lengths = where
    names = [recordings.ids[owner] for owner in recording_index]
    begins = np.nan_to_num(column_of(recordings, "start", 0.0))[recording_index]
    starts = np.round(begins + start_frame * seconds_per_frame, 6)
    ids = unique_ids([f"{name}@{start:.12g}" for name, start in zip(names, starts.tolist(), strict=True)])
    groups = names if recordings.groups is None else [recordings.groups[owner] for owner in recording_index]
    metadata = pd.DataFrame({"id": recordings.ids}) if recordings.metadata is None else recordings.metadata
    ends = np.round(begins + (start_frame + lengths) * seconds_per_frame, 6)
    table = metadata.iloc[recording_index].assign(id=ids, recording=names, start=starts, end=ends, group=groups)
    features = WindowedSource(recordings.features, *where, ids, seconds_per_frame)
    weights = None if recordings.weights is None else recordings.weights[recording_index]
    origin = replace(recordings.provenance, cut=cut, annotations=None)
    return Sequences(features, labels, ids=ids, groups=groups, weights=weights, metadata=table, provenance=origin)


def take_parts_of_labels(labels: Any, where: Where) -> Any:
    """Return the labels of regions: of their own frames if frames are labeled, else those of the recording."""
    recording_index, start_frame, lengths = where
    if not isinstance(labels, FrameLabels):
        return take_labels(labels, recording_index)
    rows = zip(recording_index.tolist(), start_frame.tolist(), lengths.tolist(), strict=True)
    return replace(labels, arrays=[labels.arrays[owner][first : first + length] for owner, first, length in rows])


def column_of(data: Sequences, name: str, default: float) -> npt.NDArray[np.float64]:
    """Return a column of numbers of the metadata; `default` if there is none."""
    if data.metadata is None or name not in data.metadata:
        return np.full(len(data), default)
    return np.asarray(data.metadata[name], np.float64)


def unique_ids(ids: list[str]) -> list[str]:
    """Make names unique: events may begin at the same moment.

    >>> unique_ids(["tape@1", "tape@1", "tape@2"])
    ['tape@1', 'tape@1+1', 'tape@2']
    """
    names = pd.Series(ids, dtype=object)
    repeats = names.groupby(names).cumcount()
    return [f"{name}+{count}" if count else name for name, count in zip(ids, repeats, strict=True)]
