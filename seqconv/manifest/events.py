"""Tables of events: from when to when, in seconds, a recording has a label."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.errors import ManifestError, list_some
from seqconv.manifest.columns import describe_rows
from seqconv.manifest.reading import read_table

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
# What other collections call these columns.
_OTHER_NAMES = {
    "id": ("filename", "file", "recording", "audio_filename"),
    "start": ("onset", "begin", "start_time", "tmin"),
    "end": ("offset", "stop", "end_time", "tmax"),
    "label": ("event_label", "event", "class", "text"),
}
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Events:
    """The events of one recording in the order of their starts; `labels` are None where the cell is empty."""

    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    labels: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.labels)


def read_events(path: Path, *, has_ids: bool) -> tuple[dict[str, Events], list[str]]:
    """Read a table with the columns `start`, `end`, `label`, and `id` where it is of several recordings.

    Returns:
        The events by id (by "" without ids), and everything that is wrong with the table.
    """
    columns = ("id", "start", "end", "label") if has_ids else ("start", "end", "label")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        return {}, [f"'{path}': a table of events is {', '.join(TABLE_SUFFIXES)}, not '{path.suffix}'"]
    try:
        table = read_table(path)
    except ManifestError as error:
        return {}, [f"'{path}': {error}"]
    missing = [name for name in columns if name not in table]
    if missing:
        return {}, [f"'{path}': {_describe_missing(missing, list(table.columns))}"]
    problems: list[str] = []
    ids = table["id"] if has_ids else pd.Series([""] * len(table), dtype=object)
    starts, ends = (_parse_seconds(table[name], ids, problems) for name in ("start", "end"))
    problems += _find_bad_times(ids, starts, ends)
    if ids.isna().any():
        problems.append(f"'id' is empty in {describe_rows(ids, np.flatnonzero(ids.isna()))}")
    if problems:
        return {}, [f"'{path}': {problem}" for problem in problems]
    return _by_id(ids, starts, ends, table["label"]), []


def find_overlaps(name: str, events: Events) -> list[str]:
    """Events of different labels that overlap, which leaves the class of a frame open; one such pair is told.

    >>> events = Events(np.array([0.0, 1.0]), np.array([1.5, 2.0]), ("a", "b"))
    >>> find_overlaps("x", events)[0][:56]
    "'x': the events 'a' (0 to 1.5 s) and 'b' (1 to 2 s) over"
    """
    last = 0
    for number in range(1, len(events)):
        if events.starts[number] < events.ends[last] - _TOLERANCE and events.labels[number] != events.labels[last]:
            return [
                f"'{name}': the events {_describe(events, last)} and {_describe(events, number)} overlap, but "
                "classification gives a frame one class. Mend the times, or set target.task to multilabel"
            ]
        last = number if events.ends[number] > events.ends[last] else last
    return []


def _describe(events: Events, number: int) -> str:
    label = events.labels[number]
    return f"{label!r} ({events.starts[number]:g} to {events.ends[number]:g} s)"


def _describe_missing(missing: Sequence[str], columns: Sequence[str]) -> str:
    hints = [f"'{other}' to '{name}'" for name in missing for other in _OTHER_NAMES[name] if other in columns]
    remedy = f" Rename {', '.join(hints)}." if hints else ""
    return f"there is no column {list_some(missing)}; the columns are {list_some(columns, 12)}.{remedy}"


def _parse_seconds(cells: pd.Series, ids: pd.Series, problems: list[str]) -> npt.NDArray[np.float64]:
    numbers = pd.to_numeric(cells.astype(object), errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        cell = cells.iloc[bad[0]]
        shown = "empty" if pd.isna(cell) else f"'{cell}'"
        problems.append(f"'{cells.name}' must be seconds, but it is {shown} in {describe_rows(ids, bad)}")
    return numbers


def _find_bad_times(ids: pd.Series, starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64]) -> Iterable[str]:
    negative = np.flatnonzero(starts < 0)
    if len(negative):
        yield f"'start' is before the recording begins, at 0, in {describe_rows(ids, negative)}"
    empty = np.flatnonzero(ends <= starts)
    if len(empty):
        yield f"'end' must be after 'start', but is not in {describe_rows(ids, empty)}"


def _by_id(
    ids: pd.Series, starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], labels: pd.Series
) -> dict[str, Events]:
    order = np.argsort(starts, kind="stable")
    cells = [None if pd.isna(cell) or not str(cell).strip() else str(cell) for cell in labels]
    rows: dict[str, list[int]] = {}
    names = ids.tolist()
    for row in order.tolist():
        rows.setdefault(names[row], []).append(row)
    return {
        name: Events(starts[chosen], ends[chosen], tuple(cells[row] for row in chosen)) for name, chosen in rows.items()
    }
