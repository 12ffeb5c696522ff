"""Tables of events: start and end in seconds, and a label, in a recording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.data.events.columns import name_columns
from seqconv.data.events.label_tracks import read_label_track
from seqconv.data.events.raven import RAVEN_START, read_selections
from seqconv.data.manifest.columns import describe_rows, find_rows
from seqconv.data.manifest.readers.tables import TABLE_SUFFIXES as MANIFEST_SUFFIXES
from seqconv.data.manifest.readers.tables import read_table
from seqconv.errors import ManifestError, list_some
from seqconv.features.foreign import find_recipe
from seqconv.files import name_of

FloatArray = npt.NDArray[np.float64]
TRACK_SUFFIX = ".txt"
TABLE_SUFFIXES = (*MANIFEST_SUFFIXES, TRACK_SUFFIX)
_POINTS = (
    "A point in time covers no frame: give it a length, such as end = start + 0.5, or mark regions (in Audacity, "
    "select a part before you add a label)"
)
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


def read_events(
    path: Path, *, has_ids: bool, recording: str | Path | None = None
) -> tuple[dict[str, Events], str, list[str]]:
    """Read a table with the columns `start`, `end`, `label`, and `id` or `path` if it covers several recordings.

    Columns may have the names that other collections give them, such as `onset`, `offset`, `event_label` and
    `filename`. A row with neither time nor label says that nothing happens in its recording. A `.txt` file is a label
    track of Audacity, which is of one recording, a selection table of Raven, or another table between tabs.

    Args:
        path: the file.
        has_ids: whether its rows name recordings.
        recording: the one that it is of, otherwise; a row that names another one is a problem.

    Returns:
        The events by id (by "" where the table is of one recording); the column that names recordings; and everything
        that is wrong with the table.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        remedy = find_recipe([path])
        known = f"a table of events is {', '.join(TABLE_SUFFIXES)}, not '{path.suffix}'"
        return {}, "", [f"'{path}': {known}{'.' if remedy else ''}{remedy}"]
    try:
        table = read_label_track(path) if path.suffix.lower() == TRACK_SUFFIX else read_table(path)
        if RAVEN_START in table:
            table = read_selections(table)
    except ManifestError as error:
        return {}, "", [f"'{path}': {error}"]
    columns = list(table.columns)
    table, names, problems = name_columns(table, ("start", "end", "label", *(() if "id" in table else ("path",))))
    key = "" if not has_ids else "path" if "path" in table and "id" not in table else "id"
    missing = [name for name in (key, "start", "end", "label") if name and name not in table]
    if missing and not problems:
        problems = [_describe_missing(missing, columns, path)]
    if not has_ids and recording is not None and "path" in table:
        problems += _find_others(table["path"], recording)
    if not problems:
        ids = table[key] if key else pd.Series([""] * len(table), dtype=object)
        events, problems = _parse(table, ids.rename(names.get(key, key)), names)
    if problems:
        return {}, names.get(key, key), [f"'{path}': {problem}" for problem in problems]
    return events, names.get(key, key), []


def _parse(table: pd.DataFrame, ids: pd.Series, names: Mapping[str, str]) -> tuple[dict[str, Events], list[str]]:
    """Return the events by id, and what is wrong with times and ids; `names` are those that columns had."""
    problems: list[str] = []
    start, end = names.get("start", "start"), names.get("end", "end")
    is_event = table[["start", "end", "label"]].notna().any(axis=1)
    rows, of = table[is_event], ids[is_event]
    starts = _parse_seconds(rows["start"].rename(start), of, problems)
    ends = _parse_seconds(rows["end"].rename(end), of, problems)
    problems += find_rows(of, starts < 0, f"'{start}' is before the recording begins, at 0, in {{rows}}")
    after = f"'{end}' must be after '{start}', but is not in {{rows}}"
    problems += find_rows(of, ends < starts, after)
    problems += find_rows(of, ends == starts, f"{after}. {_POINTS}")
    problems += find_rows(ids, ids.isna(), f"'{ids.name}' is empty in {{rows}}")
    if problems:
        return {}, problems
    return dict.fromkeys(ids, NO_EVENTS) | _by_id(of, starts, ends, rows["label"]), []


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
    columns_are = f"the columns are {list_some(columns, 12)}"
    return f"there is no column {list_some(missing)}; {columns_are}. Rename those that hold them."


def _find_others(paths: pd.Series, recording: str | Path) -> list[str]:
    """Find rows of other recordings in a table that is of one; files are compared by name, without suffix."""
    own = Path(name_of(recording)).stem.casefold()
    others = {name for name in paths.dropna() if Path(str(name).replace("\\", "/")).stem.casefold() != own}
    if not others:
        return []
    return [
        f"it is taken for the table of '{name_of(recording)}', but has rows of {list_some(sorted(others), 3)}. Let "
        "data.events name a table of all recordings, or remove the column that names them"
    ]


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
