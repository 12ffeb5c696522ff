"""Labels of frames, from the events or label arrays of a manifest."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.data.events.annotations import Annotations, RecordingEvents, check_ends, event_names
from seqconv.data.events.tables import NO_EVENTS, TABLE_SUFFIXES, Events, find_overlaps, read_events
from seqconv.errors import ConfigError, list_some
from seqconv.features.arrays import load_npy
from seqconv.features.foreign import find_recipe
from seqconv.files import fetch, name_of
from seqconv.tasks.frame_arrays import read_frame_labels
from seqconv.tasks.frame_labels import MISSING, FrameLabels, find_length_problems, raise_listed
from seqconv.tasks.raw_labels import sorted_names
from seqconv.tasks.settings import TargetConfig
from seqconv.text import amount


@dataclass(frozen=True, eq=False)
class EventTimelines:
    """Labels over time in each row of a manifest: its events, or an array with a label for each frame.

    Frame t of a recording stands for the time `t * seconds_per_frame`; an event covers the frames with
    start <= time < end. Times count from the beginning of the file, also for a row that is a part of it.
    """

    target: TargetConfig
    seconds_per_frame: float | None
    recordings: RecordingEvents
    arrays: FrameLabels | None = None
    notes: list[str] = field(default_factory=list)

    def label_sets(self) -> list[list[str]]:
        """Return the classes that each row has somewhere: splits keep their proportions. Empty for a regression."""
        labels = self.arrays
        if labels is None:
            return [sorted({name for names in row for name in names}) for row in self._names()]
        if not self.target.definition.class_names(labels.names):
            return [[] for _ in labels.arrays]
        present = [labels.take([index]).present() for index in range(len(labels))]
        return [[name for name, there in zip(labels.names, row, strict=True) if there] for row in present]

    def frame_labels(self, lengths: npt.ArrayLike) -> tuple[FrameLabels, list[str]]:
        """Return the label of each frame, and the decisions made on the way, for a report.

        Args:
            lengths: frames of each row.

        Raises:
            ManifestError: arrays of another length than the features, events after the end of a recording.
        """
        counts = np.asarray(lengths, np.int64)
        if self.arrays is not None:
            raise_listed(find_length_problems(self.arrays, counts, self.recordings.ids))
            return self.arrays, []
        frames, notes = self._cut(counts)
        given, background = self._names(), self.target.background
        found = {name for row in given for labels in row for name in labels}
        names = sorted_names(found if background is None else found | {background})
        positions = {name: position for position, name in enumerate(names)}
        outside = positions.get(background or "", MISSING)
        paint = self.target.definition.paint_frames
        arrays = [
            paint([[positions[name] for name in labels] for labels in row], covered, count, len(names), outside)
            for row, covered, count in zip(given, frames, counts.tolist(), strict=True)
        ]
        return FrameLabels(self.target.task, names, arrays), notes

    def _names(self) -> list[list[tuple[str, ...]]]:
        """Return the labels of each event of each row; none if it has none."""
        return [[event_names(label, self.target) for label in events.labels] for events in self.recordings.events]

    def _cut(self, lengths: npt.NDArray[np.int64]) -> tuple[list[list[slice]], list[str]]:
        """Return the frames that each event covers within its row, and notes."""
        seconds, recordings = self.seconds_per_frame or 1.0, self.recordings
        frames, num_between = [], 0
        for events, start, count in zip(recordings.events, recordings.starts, lengths, strict=True):
            edges = events.in_frames(start, seconds)
            num_between += int(np.count_nonzero(edges[0] == edges[1]))
            frames.append([slice(*edge) for edge in np.clip(edges, 0, count).astype(int).T.tolist()])
        notes = check_ends(recordings, lengths, seconds, np.isnan(recordings.ends))
        if num_between:
            short = amount(num_between, "event is", "events are")
            notes.append(f"{short} so short that no frame begins within: without effect")
        return frames, notes


def read_timelines(
    frame: pd.DataFrame, target: TargetConfig, seconds_per_frame: float | None, annotations: Annotations | None = None
) -> EventTimelines:
    """Read the labels of frames that a manifest, or its table of events, gives.

    Args:
        frame: a manifest as `load_manifest(..., label_files=target.column)` returns it.
        target: without `annotations`, its `column` has paths to `.npy` files or tables of events, one for each row.
        seconds_per_frame: of the features; None where they have no clock, which is enough for arrays.
        annotations: the events of all recordings.

    Raises:
        ConfigError: events, and no clock.
        ManifestError: with every problem of every file.
    """
    ids = frame["id"].tolist()
    starts = frame["start"].fillna(0.0).to_numpy(np.float64)
    ends = frame["end"].to_numpy(np.float64)
    problems: list[str] = []
    if annotations is not None:
        events, notes = annotations.of(ids), list(annotations.notes)
    else:
        paths = [fetch(path) for path in frame[target.column]]
        if all(path.suffix.lower() == ".npy" for path in paths):
            recordings = RecordingEvents(ids, [], starts, ends)
            return EventTimelines(target, seconds_per_frame, recordings, _read_arrays(paths, ids, target))
        events, problems = _read_tables(paths, ids, frame["path"].tolist())
        notes = []
    if seconds_per_frame is None:
        raise ConfigError(
            "events are given in seconds, but precomputed features do not say how many seconds a frame is. Set "
            "features.frame_rate to the frames in a second, or give .npy files with a label for each frame."
        )
    if not target.definition.allows_overlaps:
        problems += [problem for name, row in zip(ids, events, strict=True) for problem in find_overlaps(name, row)]
    raise_listed(problems)
    without = [name for name, row in zip(ids, events, strict=True) if not len(row)]
    if without:
        notes.append(
            f"{len(without)} of {len(ids)} recordings have no event ({list_some(without)}): all their frames "
            f"{target.definition.without_events(target.background)}"
        )
    return EventTimelines(target, seconds_per_frame, RecordingEvents(ids, events, starts, ends), notes=notes)


def _read_tables(paths: list[Path], ids: list[str], recordings: list[str]) -> tuple[list[Events], list[str]]:
    strange = [(name, path) for name, path in zip(ids, paths, strict=True) if path.suffix.lower() not in TABLE_SUFFIXES]
    if strange:
        name, path = strange[0]
        problem = (
            f"{len(strange)} of {len(ids)} rows name no table of events ({', '.join(TABLE_SUFFIXES)}), the first is "
            f"'{name_of(str(path))}' of '{name}'. Let all rows name tables, or all of them .npy files"
        )
        remedy = find_recipe(path for _, path in strange)
        problem += f".{remedy}" if remedy else ""
        return [NO_EVENTS] * len(ids), [problem]
    events, problems = [], []
    for path, recording in zip(paths, recordings, strict=True):
        by_id, _, found = read_events(path, has_ids=False, recording=recording)
        events.append(by_id.get("", NO_EVENTS))
        problems += found
    return events, problems


def _read_arrays(paths: list[Path], ids: list[str], target: TargetConfig) -> FrameLabels:
    arrays, problems = [], []
    for path, name in zip(paths, ids, strict=True):
        try:
            arrays.append(load_npy(path))
        except (ValueError, OSError) as error:
            problems.append(f"'{name}': '{path}' is no plain .npy array ({error}); save text as array.astype(str)")
    if target.background is not None:
        problems.append(
            f"target.background is '{target.background}', the class of frames that no event covers, but all rows name "
            ".npy files, which have a label for each frame. Remove it"
        )
    raise_listed(problems)
    return read_frame_labels(target.task, arrays, ids=ids, names=target.columns)
