"""Sequences that are cut from recordings: windows, or events by themselves."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seqconv.data.events.annotations import Annotations, RecordingEvents, check_ends, event_names
from seqconv.data.events.window_labels import label_windows
from seqconv.data.sequences import Sequences
from seqconv.data.settings import WindowSettings
from seqconv.data.spec import Segmentation
from seqconv.data.windows import column_of, cut_frames, take_parts_of_labels, take_spans
from seqconv.errors import ConfigError, ManifestError
from seqconv.tasks.frame_labels import FrameLabels
from seqconv.tasks.settings import TargetConfig
from seqconv.text import amount


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
        ManifestError: events after the end of a recording, or nothing is left.
    """
    if annotations is None and cutting.windows is None:
        return recordings
    seconds_per_frame = _seconds_per_frame(recordings, cutting)
    known, late = None, []
    if annotations is not None:
        starts = np.nan_to_num(column_of(recordings, "start", 0.0))
        ends = starts + recordings.lengths * seconds_per_frame
        known = RecordingEvents(list(recordings.ids), annotations.of(recordings.ids), starts, ends)
    if cutting.labels_cuts and known is not None:
        are_whole = np.isnan(column_of(recordings, "end", np.nan))
        late = check_ends(known, recordings.lengths, seconds_per_frame, are_whole)
    if cutting.events_as == "sequences" and known is not None:
        data, notes = _cut_events(recordings, target, known, seconds_per_frame)
    elif cutting.windows is not None:
        data, notes = _cut_windows(recordings, cutting, target, known, seconds_per_frame)
    else:
        data, notes = recordings.with_provenance(annotations=known), []
    return data.with_provenance(notes=(*data.provenance.notes, *notes, *late))


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
    data: Sequences,
    cutting: Segmentation,
    target: TargetConfig,
    known: RecordingEvents | None,
    seconds_per_frame: float,
) -> tuple[Sequences, list[str]]:
    settings = cutting.windows or WindowSettings(seconds=1.0)
    where = cut_frames(data.lengths, *settings.in_frames(seconds_per_frame))
    labels = take_parts_of_labels(data.labels, where)
    windows = take_spans(data, where, labels, seconds_per_frame, "windows")
    notes: list[str] = []
    if cutting.events_as == "windows" and known is not None:
        splits = np.searchsorted(where[0], np.arange(1, len(data)))
        starts, ends = (np.split(column_of(windows, name, np.nan), splits) for name in ("start", "end"))
        found = label_windows(starts, ends, known.events, target, settings.min_overlap)
        holds_event = ~np.array(found.is_empty)
        is_left = np.array([label is not None for label in found.labels]) & (holds_event | settings.keep_empty)
        gone = f"; {np.count_nonzero(~is_left):,} left out" if not is_left.all() else ""
        labeled = f"{len(windows):,} windows, {np.count_nonzero(holds_event):,} of them labeled by events{gone}"
        of_events = found.notes()
        windows, notes = _leave(windows.with_labels(found.labels), is_left, of_events), [*of_events, labeled]
    elif not settings.keep_empty and isinstance(windows.labels, FrameLabels):
        is_left = np.array([windows.labels.holds_event(index, target.background) for index in range(len(windows))])
        notes = [f"{amount(int(np.count_nonzero(~is_left)), 'window')} without an event left out"]
        windows = _leave(windows, is_left, [])
    if known is not None and settings.keep_empty:
        return windows.with_provenance(annotations=known), notes
    if known is not None:
        notes.append("without the empty windows nothing is known of false alarms: no scores of events")
    return windows, notes


def _cut_events(
    recordings: Sequences, target: TargetConfig, known: RecordingEvents, seconds_per_frame: float
) -> tuple[Sequences, list[str]]:
    rows = []
    for place, events in enumerate(known.events):
        # Of a part of a file, some events are elsewhere.
        is_here = (events.ends > known.starts[place]) & (events.starts < known.ends[place])
        here = events.take(np.flatnonzero(is_here).tolist())
        edges = here.in_frames(known.starts[place], seconds_per_frame).T.tolist()
        rows += [(place, *edge, event_names(label, target)) for edge, label in zip(edges, here.labels, strict=True)]
    named = [row for row in rows if row[-1]]
    if not named:
        raise ManifestError("there is no event with a label, so that no sequence is left (data.events_as 'sequences')")
    places, first, last = np.array([row[:3] for row in named]).T
    counts = recordings.lengths[places.astype(np.int64)]
    begin = np.clip(first, 0, counts - 1)
    length = np.maximum(np.minimum(last, counts) - begin, 1)
    labels = [target.definition.window_label(dict.fromkeys(names, 0.0), None) for *_, names in named]
    used = f"{amount(len(named), 'event')} of {amount(len(recordings), 'recording')}"
    notes = [f"{used} are the sequences (data.events_as)"]
    if len(rows) > len(named):
        notes.append(f"{amount(len(rows) - len(named), 'event')} without a label left out")
    if num_moved := int(np.count_nonzero(first == last)):
        notes.append(f"{amount(num_moved, 'event is', 'events are')} shorter than a frame, with the next one instead")
    where = places.astype(np.int64), begin.astype(np.int64), length.astype(np.int64)
    return take_spans(recordings, where, labels, seconds_per_frame, "events"), notes


def _leave(windows: Sequences, is_left: npt.NDArray[np.bool_], notes: Sequence[str]) -> Sequences:
    if not is_left.any():
        raise ManifestError("\n  ".join(["no window has a label: nothing is left to work on", *notes]))
    return windows if is_left.all() else windows.subset(is_left)


def _seconds_per_frame(recordings: Sequences, cutting: Segmentation) -> float:
    if cutting.frame_rate is not None:
        return 1 / cutting.frame_rate
    seconds: float | None = getattr(recordings.feature_settings, "seconds_per_frame", None)
    if seconds is None:
        raise ConfigError(
            "windows and events are in seconds, but these features do not say how many seconds a frame is. Set "
            "features.frame_rate to the frames in a second"
        )
    return seconds
