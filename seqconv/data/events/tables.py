"""Tables of events: start and end in seconds, and a label, in a recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.data.events.label_tracks import read_label_track
from seqconv.data.manifest.columns import describe_rows, find_rows
from seqconv.data.manifest.reading import read_table
from seqconv.errors import ManifestError, list_some

FloatArray = npt.NDArray[np.float64]
TRACK_SUFFIX = ".txt"
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", TRACK_SUFFIX)
# What other collections call these columns.
_OTHER_NAMES = {
    "id": ("filename", "file", "recording", "audio_filename"),
    "start": ("onset", "begin", "start_time", "tmin"),
    "end": ("offset", "stop", "end_time", "tmax"),
    "label": ("event_label", "event", "class", "text"),
}
_TOLERANCE = 1e-9
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Events:
    """The events of one recording in the order of their starts; `labels` are None if the cell is empty."""

    starts: FloatArray
    ends: FloatArray
    labels: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Sequence[int]) -> "Events":
        """Return some of the events, in the order of `rows`."""
        return Events(self.starts[rows], self.ends[rows], tuple(self.labels[row] for row in rows))

    def in_frames(self, start: float, seconds_per_frame: float) -> FloatArray:
        """Return the first frame of each event and the first after it, `(2, n)`; frame 0 is at `start`."""
        edges = (np.stack([self.starts, self.ends]) - start) / seconds_per_frame
        # A time that differs from that of a frame only by rounding belongs to that frame.
        return np.asarray(np.ceil(edges - _ROUNDING))


NO_EVENTS = Events(np.zeros(0), np.zeros(0), ())


def read_events(path: Path, *, has_ids: bool) -> tuple[dict[str, Events], str, list[str]]:
    """Read a table with the columns `start`, `end`, `label`, and `id` or `path` if it covers several recordings.

    A `.txt` file is a label track of Audacity, which is of one recording, or a selection table of Raven.

    Returns:
        The events by id (by "" where the table is of one recording); the column that names recordings; and everything
        that is wrong with the table.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        return {}, "", [f"'{path}': a table of events is {', '.join(TABLE_SUFFIXES)}, not '{path.suffix}'"]
    try:
        table = read_label_track(path) if path.suffix.lower() == TRACK_SUFFIX else read_table(path)
    except ManifestError as error:
        return {}, "", [f"'{path}': {error}"]
    key = "" if not has_ids else "path" if "path" in table and "id" not in table else "id"
    missing = [name for name in (key, "start", "end", "label") if name and name not in table]
    if missing:
        return {}, key, [f"'{path}': {_describe_missing(missing, list(table.columns), path)}"]
    problems: list[str] = []
    ids = table[key] if key else pd.Series([""] * len(table), dtype=object)
    starts, ends = (_parse_seconds(table[name], ids, problems) for name in ("start", "end"))
    problems += find_rows(ids, starts < 0, "'start' is before the recording begins, at 0, in {rows}")
    problems += find_rows(ids, ends <= starts, "'end' must be after 'start', but is not in {rows}")
    problems += find_rows(ids, ids.isna(), f"'{key}' is empty in {{rows}}")
    if problems:
        return {}, key, [f"'{path}': {problem}" for problem in problems]
    return _by_id(ids, starts, ends, table["label"]), key, []


def join_events(first: Events, second: Events) -> Events:
    """Return the events of both, in the order of their starts."""
    if not len(first):
        return second
    starts, ends = np.concatenate([first.starts, second.starts]), np.concatenate([first.ends, second.ends])
    return Events(starts, ends, (*first.labels, *second.labels)).take(np.argsort(starts, kind="stable").tolist())


def drop_doubles(events: Events) -> tuple[Events, int]:
    """Return the events without duplicates, and the number of duplicates.

    >>> twice = Events(np.array([1.0, 1.0, 1.0]), np.array([2.0, 2.0, 3.0]), ("a", "a", "a"))
    >>> once, count = drop_doubles(twice)
    >>> once.ends.tolist(), count
    ([2.0, 3.0], 1)
    """
    rows = zip(events.starts.tolist(), events.ends.tolist(), events.labels, strict=True)
    firsts = {row: place for place, row in reversed(list(enumerate(rows)))}
    return events.take(sorted(firsts.values())), len(events) - len(firsts)


def find_overlaps(name: str, events: Events) -> list[str]:
    """Find events of different labels that overlap, so that the class of a frame is not clear; report one such pair.

    >>> events = Events(np.array([0.0, 1.0]), np.array([1.5, 2.0]), ("a", "b"))
    >>> find_overlaps("x", events)[0][:56]
    "'x': the events 'a' (0 to 1.5 s) and 'b' (1 to 2 s) over"
    """
    last = 0
    for number in range(1, len(events)):
        if events.starts[number] < events.ends[last] - _TOLERANCE and events.labels[number] != events.labels[last]:
            return [
                f"'{name}': the events {_describe(events, last)} and {_describe(events, number)} overlap, but "
                "classification gives a frame one class. Correct the times, or set target.task to multilabel"
            ]
        last = number if events.ends[number] > events.ends[last] else last
    return []


def _describe(events: Events, number: int) -> str:
    label = events.labels[number]
    return f"{label!r} ({events.starts[number]:g} to {events.ends[number]:g} s)"


def _describe_missing(missing: Sequence[str], columns: Sequence[str], path: Path) -> str:
    if path.suffix.lower() == TRACK_SUFFIX:
        return (
            "a label track is of one recording, and does not name it. Give the folder of label tracks, each named like "
            "its recording"
        )
    hints = [f"'{other}' to '{name}'" for name in missing for other in _OTHER_NAMES[name] if other in columns]
    remedy = f" Rename {', '.join(hints)}." if hints else ""
    return f"there is no column {list_some(missing)}; the columns are {list_some(columns, 12)}.{remedy}"


def _parse_seconds(cells: pd.Series, ids: pd.Series, problems: list[str]) -> FloatArray:
    numbers = pd.to_numeric(cells.astype(object), errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        cell = cells.iloc[bad[0]]
        shown = "empty" if pd.isna(cell) else f"'{cell}'"
        remedy = ". Write a decimal point" if "," in shown else ""
        problems.append(f"'{cells.name}' must be seconds, but it is {shown} in {describe_rows(ids, bad)}{remedy}")
    return numbers


def _by_id(ids: pd.Series, starts: FloatArray, ends: FloatArray, labels: pd.Series) -> dict[str, Events]:
    cells = [None if pd.isna(cell) or not str(cell).strip() else str(cell) for cell in labels]
    events, names = Events(starts, ends, tuple(cells)), ids.tolist()
    rows: dict[str, list[int]] = {}
    for row in np.argsort(starts, kind="stable").tolist():
        rows.setdefault(names[row], []).append(row)
    return {name: events.take(chosen) for name, chosen in rows.items()}
