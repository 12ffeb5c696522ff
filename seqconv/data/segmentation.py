"""Sequences that are cut from recordings: windows, or events by themselves."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seqconv.data.events.annotations import (
    Annotations,
    RecordingEvents,
    describe_late,
    event_names,
    find_behind,
    seconds_behind,
)
from seqconv.data.events.window_labels import label_windows
from seqconv.data.sequences import Sequences
from seqconv.data.settings import WindowSettings
from seqconv.data.spans import column_of, take_parts_of_labels, take_spans
from seqconv.data.spec import Segmentation
from seqconv.data.windows import cut_frames
from seqconv.errors import ConfigError, ManifestError
from seqconv.tasks.frame_labels import FrameLabels, raise_listed
from seqconv.tasks.settings import TargetConfig
from seqconv.text import amount

FloatArray = npt.NDArray[np.float64]


def segment_recordings(
    recordings: Sequences, cutting: Segmentation, target: TargetConfig, annotations: Annotations | None = None
) -> Sequences:
    """Return the sequences of recordings: windows, events, or the recordings themselves; nothing is copied.

    Their ids are `ID@START`, in seconds of the file; the metadata are those of the recording, with its id in
    `recording`, and `start` and `end` of the part. A recording is one group, or of the group that it has.

    Args:
        recordings: with labels, unless events are to label what is cut; their metadata as `from_manifest` has them.
        cutting: how to cut.
        target: what the labels of events mean.
        annotations: the events.

    Returns:
        What was decided is in its `notes`. Its `annotations` are the events of the recordings, where
        these can be found again in what is left.

    Raises:
        ManifestError: events behind the end of a recording, or nothing is left.
    """
    if annotations is None and cutting.windows is None:
        return recordings
    seconds_per_frame = _seconds_per_frame(recordings, cutting)
    beside = None if annotations is None else _recording_events(recordings, annotations, seconds_per_frame)
    notes = _check_ends(recordings, beside, seconds_per_frame) if cutting.labels_cuts and beside is not None else []
    if cutting.events_as == "sequences" and beside is not None:
        return _noted(_cut_events(recordings, target, beside, seconds_per_frame), notes)
    if cutting.windows is not None:
        return _noted(_cut_windows(recordings, cutting, target, beside, seconds_per_frame), notes)
    return recordings if beside is None else recordings.with_provenance(annotations=beside)


def cut_windows(
    recordings: Sequences, seconds: float, hop: float | None = None, *, frame_rate: float | None = None
) -> Sequences:
    """Cut windows from recordings, labeled like these; see `segment_recordings`.

    Args:
        recordings: of any length; each window is a view on one.
        seconds: length of a window.
        hop: seconds from one window to the next; default: `seconds`. The last window ends with the recording.
        frame_rate: frames a second; default: as the features were extracted.

    >>> tape = Sequences([np.zeros((250, 4))], ["rain"], ids=["tape"])
    >>> windows = cut_windows(tape, 1.0, frame_rate=100)
    >>> windows.ids, windows.lengths.tolist(), windows.labels
    (['tape@0', 'tape@1', 'tape@1.5'], [100, 100, 100], ['rain', 'rain', 'rain'])
    """
    cutting = Segmentation(WindowSettings(seconds=seconds, hop=hop), frame_rate=frame_rate)
    return segment_recordings(recordings, cutting, TargetConfig())


def _cut_windows(
    recordings: Sequences,
    cutting: Segmentation,
    target: TargetConfig,
    beside: RecordingEvents | None,
    seconds_per_frame: float,
) -> Sequences:
    settings = cutting.windows or WindowSettings(seconds=1.0)
    recording_index, start_frame, lengths = cut_frames(recordings.lengths, *settings.in_frames(seconds_per_frame))
    labels = take_parts_of_labels(recordings.labels, (recording_index, start_frame, lengths))
    windows = take_spans(recordings, (recording_index, start_frame, lengths), labels, seconds_per_frame, "windows")
    notes: list[str] = []
    if cutting.events_as == "windows" and beside is not None:
        starts, ends = _times(windows)
        splits = np.searchsorted(recording_index, np.arange(1, len(recordings)))
        found = label_windows(
            np.split(starts, splits), np.split(ends, splits), beside.events, target, settings.min_overlap
        )
        windows, notes = windows.with_labels(found.labels), found.notes()
        is_left = np.array([label is not None for label in found.labels])
        if not settings.keep_empty:
            is_left &= ~np.array(found.is_empty)
        windows, notes = _leave(windows, is_left, notes), [*notes, *_describe(windows, is_left, found.is_empty)]
    elif not settings.keep_empty and isinstance(windows.labels, FrameLabels):
        is_left = np.array([windows.labels.holds_event(index, target.background) for index in range(len(windows))])
        gone = int(np.count_nonzero(~is_left))
        windows, notes = _leave(windows, is_left, notes), [f"{amount(gone, 'window')} without an event left out"]
    if beside is None:
        return _noted(windows, notes)
    if not settings.keep_empty:
        notes.append("without the empty windows nothing is known of false alarms: no scores of events")
        return _noted(windows, notes)
    return _noted(windows.with_provenance(annotations=beside), notes)


def _cut_events(
    recordings: Sequences, target: TargetConfig, beside: RecordingEvents, seconds_per_frame: float
) -> Sequences:
    recording_index, start_frame, lengths, labels = [], [], [], []
    num_unknown = num_moved = 0
    for place, events in enumerate(beside.events):
        count = int(recordings.lengths[place])
        for start, end, label in zip(events.starts, events.ends, events.labels, strict=True):
            names = event_names(label, target)
            first, last = (
                np.ceil((np.array([start, end]) - beside.starts[place]) / seconds_per_frame - 1e-6).astype(int).tolist()
            )
            if end <= beside.starts[place] or start >= beside.ends[place]:
                # Of a part of a file, some events lie elsewhere.
                continue
            if not names:
                num_unknown += 1
                continue
            num_moved += int(first == last)
            first = min(max(first, 0), count - 1)
            recording_index.append(place)
            start_frame.append(first)
            lengths.append(max(min(last, count) - first, 1))
            labels.append(target.definition.window_label(dict.fromkeys(names, 0.0), None))
    if not recording_index:
        raise ManifestError("there is no event with a label, so that no sequence is left (data.events_as 'sequences')")
    counts = f"{amount(len(recording_index), 'event')} of {amount(len(recordings), 'recording')}"
    notes = [f"{counts} are the sequences (data.events_as)"]
    if num_unknown:
        notes.append(f"{amount(num_unknown, 'event')} without a label left out")
    if num_moved:
        notes.append(f"{amount(num_moved, 'event is', 'events are')} shorter than a frame, with the next one instead")
    where = np.array(recording_index), np.array(start_frame), np.array(lengths)
    return _noted(take_spans(recordings, where, labels, seconds_per_frame, "events"), notes)


def _leave(windows: Sequences, is_left: npt.NDArray[np.bool_], notes: Sequence[str]) -> Sequences:
    if not is_left.any():
        raise ManifestError("\n  ".join(["no window has a label: nothing is left to work on", *notes]))
    return windows if is_left.all() else windows.subset(is_left)


def _describe(windows: Sequences, is_left: npt.NDArray[np.bool_], is_empty: list[bool]) -> list[str]:
    empty = np.array(is_empty)
    gone = int(np.count_nonzero(~is_left))
    told = f"{len(windows):,} windows, {np.count_nonzero(~empty):,} of them labeled by events"
    return [f"{told}; {gone:,} left out" if gone else told]


def _noted(data: Sequences, notes: Sequence[str]) -> Sequences:
    return data.with_provenance(notes=(*data.provenance.notes, *notes))


def _times(windows: Sequences) -> tuple[FloatArray, FloatArray]:
    return column_of(windows, "start", 0.0), column_of(windows, "end", np.nan)


def _check_ends(recordings: Sequences, beside: RecordingEvents, seconds_per_frame: float) -> list[str]:
    """Refuse events that start after the end of a recording, and warn of those that end there."""
    is_whole = np.isnan(column_of(recordings, "end", np.nan))
    problems: list[str] = []
    late: list[float] = []
    # Of a part of a file, some events lie elsewhere.
    for place in np.flatnonzero(is_whole).tolist():
        events, begin = beside.events[place], float(beside.starts[place])
        problems += find_behind(recordings.ids[place], events, int(recordings.lengths[place]), begin, seconds_per_frame)
        late += seconds_behind(events, int(recordings.lengths[place]), begin, seconds_per_frame)
    raise_listed(problems)
    return describe_late(late)


def _recording_events(recordings: Sequences, annotations: Annotations, seconds_per_frame: float) -> RecordingEvents:
    starts = np.nan_to_num(column_of(recordings, "start", 0.0))
    ends = starts + recordings.lengths * seconds_per_frame
    return RecordingEvents(list(recordings.ids), annotations.of(recordings.ids), starts, ends)


def _seconds_per_frame(recordings: Sequences, cutting: Segmentation) -> float:
    if cutting.frame_rate is not None:
        return 1 / cutting.frame_rate
    settings = recordings.feature_settings
    seconds = None if settings is None else settings.seconds_per_frame
    if seconds is None:
        raise ConfigError(
            "windows and events are in seconds, but these features do not say how many seconds a frame is. Set "
            "features.frame_rate to the frames in a second"
        )
    return seconds
