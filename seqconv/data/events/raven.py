"""Selection tables of Raven, which BirdNET writes, too: events in the time of each recording."""

import re

import pandas as pd

from seqconv.errors import ManifestError, list_some

RAVEN_START, RAVEN_END, RAVEN_OFFSET = "Begin Time (s)", "End Time (s)", "File Offset (s)"
RAVEN_LABELS = ("label", "annotation", "species", "common name", "class", "type", "tag", "name")
"""Columns of a selection table that hold labels, whatever their case."""
_PATHS = ("Begin Path", "Begin File")
# Some languages write decimal commas.
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


def read_selections(table: pd.DataFrame) -> pd.DataFrame:
    """Return the events of a selection table, or of several in one.

    `Begin Path` or `Begin File` says of which recording a row is. With several recordings open, `Begin Time (s)` counts
    through all of them, and `File Offset (s)` from the beginning of each. A selection that stands in several views
    counts once; numbers that come again with other times are of the next table.

    Args:
        table: text, with the names of columns that Raven gives.

    Returns:
        The columns `start`, `end`, `label`, and `path` where the rows name recordings.

    Raises:
        ManifestError: no column of labels, or several; times of several recordings without `File Offset (s)`.
    """
    table = table.rename(columns=str.strip)
    # Several tables in one file may each have the names of their columns.
    table = table[table[RAVEN_START] != RAVEN_START].reset_index(drop=True)
    if RAVEN_END not in table:
        raise ManifestError(f"there is no column '{RAVEN_END}'; the columns are {list_some(table.columns, 12)}.")
    for name in (RAVEN_START, RAVEN_END, RAVEN_OFFSET):
        if name in table:
            table[name] = table[name].map(with_point, na_action="ignore")
    path = next((name for name in _PATHS if name in table), None)
    found = pd.DataFrame({"start": table[RAVEN_START], "end": table[RAVEN_END]}, dtype=object)
    found["label"] = table[_find_label(table)]
    if path is not None:
        found["path"] = table[path]
    is_repeated = pd.Series(False, table.index)
    parts = pd.Series(0, table.index)
    if "Selection" in table:
        parts = _number_tables(table["Selection"], found)
        is_repeated = found.assign(selection=table["Selection"], table=parts).astype(str).duplicated()
    if path is not None and RAVEN_OFFSET in table:
        _count_from_files(found, table)
    elif path is not None:
        _check_one_recording(found, parts)
    return found[~is_repeated].reset_index(drop=True)


def with_point(cell: str) -> str:
    """Return a cell with a decimal point, if it is a number with a decimal comma.

    >>> with_point(" 0,5"), with_point("1,5 s")
    ('0.5', '1,5 s')
    """
    text = str(cell).strip()
    return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text


def _find_label(table: pd.DataFrame) -> str:
    found = [name for name in table.columns if name.lower() in RAVEN_LABELS]
    if not found:
        raise ManifestError(
            f"no column of the selection table is called {', '.join(RAVEN_LABELS)}; the columns are "
            f"{list_some(table.columns, 20)}. Rename the one that holds the labels to 'label'."
        )
    named = [name for name in found if name.lower() == "label"] or found
    # Raven adds a column Annotation to every table, which is often empty.
    filled = [name for name in named if table[name].notna().any()] or named[:1]
    if len(filled) > 1:
        raise ManifestError(f"{list_some(filled)} may each hold the labels. Rename the one that does to 'label'.")
    return filled[0]


def _number_tables(selections: pd.Series, found: pd.DataFrame) -> pd.Series:
    """Return the number of the table that each row is of."""
    numbers: list[int] = []
    seen: dict[object, object] = {}
    rows = zip(selections, found.drop(columns="label").itertuples(index=False, name=None), strict=True)
    number = 0
    for selection, row in rows:
        if seen.get(selection, row) != row:
            number, seen = number + 1, {}
        seen[selection] = row
        numbers.append(number)
    return pd.Series(numbers, found.index, dtype=int)


def _count_from_files(found: pd.DataFrame, table: pd.DataFrame) -> None:
    """Replace times that count through all open files by those from the beginning of each."""
    times = (RAVEN_OFFSET, RAVEN_START, RAVEN_END)
    offset, start, end = (pd.to_numeric(table[name], errors="coerce") for name in times)
    # Where one of them is no number, the cell itself tells what is there.
    found["start"] = offset.astype(object).where(offset.notna(), table[RAVEN_OFFSET])
    moved = offset + (end - start).round(9)
    found["end"] = moved.astype(object).where(moved.notna(), table[RAVEN_END])


def _check_one_recording(found: pd.DataFrame, parts: pd.Series) -> None:
    for _, rows in found.groupby(parts.to_numpy()):
        names = list(dict.fromkeys(rows["path"].dropna()))
        if len(names) > 1:
            raise ManifestError(
                f"the selection table is over several recordings ({list_some(names, 3)}) and has no column "
                f"'{RAVEN_OFFSET}', so that times may count through all of them. Add that column in Raven; or, if they "
                f"count from the beginning of each, rename '{RAVEN_START}', '{RAVEN_END}' to 'start', 'end'."
            )
