"""Columns of tables of events under the names that other collections and programs give them."""

import re
from collections.abc import Iterable

import pandas as pd

from seqconv.errors import list_some

# Without case, spaces and underscores, and without "(s)".
_OTHER_NAMES = {
    "path": (
        "filename", "file", "filepath", "recording", "audio", "audiofile", "audiofilename", "audiopath", "beginpath",
        "beginfile", "fname", "wavfile", "path",
    ),
    "start": (
        "start", "onset", "begin", "starttime", "begintime", "onsettime", "tmin", "startseconds", "startsec", "onsets",
        "starts", "timestart",
    ),
    "end": (
        "end", "offset", "stop", "endtime", "stoptime", "offsettime", "tmax", "endseconds", "endsec", "offsets", "ends",
        "timeend",
    ),
    "duration": ("duration", "dur", "durationseconds", "durationsec", "durations"),
    "label": (
        "label", "eventlabel", "event", "class", "text", "category", "species", "commonname", "annotation",
        "tag", "labels", "eventclass", "eventtype", "classname",
    ),
}  # fmt: skip


def name_columns(table: pd.DataFrame, wanted: Iterable[str]) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """Rename the columns of a table that mean `path`, `start`, `end` or `label`, if the table has none of that name.

    The end may be given by a duration. Times must be clear: another column of times is a problem beside `start`, too.

    Returns:
        The table; the names that renamed columns had, by what they are now; and a problem for each meaning that several
        columns may have.

    >>> table = pd.DataFrame({"filename": ["a.wav"], "Onset (s)": ["1"], "duration": ["0.5"], "event": ["x"]})
    >>> name_columns(table, ("path", "start", "end", "label"))[0].to_dict("records")
    [{'path': 'a.wav', 'start': '1', 'duration': '0.5', 'label': 'x', 'end': 1.5}]
    """
    problems, names = [], {}
    for meaning in wanted:
        found = _candidates(table, meaning)
        if meaning in found and meaning not in ("start", "end"):
            continue
        if len(found) > 1:
            problems.append(
                f"{list_some(found)} may each be the column '{meaning}'. Keep the one that is, under that name"
            )
        elif found and found[0] != meaning:
            names[meaning] = found[0]
    if problems:
        return table, names, problems
    table = table.rename(columns={name: meaning for meaning, name in names.items()})
    durations = _candidates(table, "duration")
    if "end" in wanted and "end" not in table and "start" in table and len(durations) == 1:
        table["end"] = _add(table["start"], table[durations[0]])
        names["end"] = durations[0]
    return table, names, []


def _candidates(table: pd.DataFrame, meaning: str) -> list[str]:
    plain = {name: re.sub(r"\(s(ec(onds)?)?\)|[\s_-]", "", str(name).lower()) for name in table.columns}
    return [name for name, text in plain.items() if text in _OTHER_NAMES[meaning]]


def _add(starts: pd.Series, durations: pd.Series) -> pd.Series:
    """Return the ends as numbers; where there is none, the cell that is not a number."""
    first, length = (pd.to_numeric(cells, errors="coerce") for cells in (starts, durations))
    ends = (first + length).round(9)
    return ends.astype(object).where(ends.notna(), durations)
