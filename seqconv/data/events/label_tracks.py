"""Events as listening programs write them: Audacity's label tracks and Raven's selection tables."""

import re
from pathlib import Path

import pandas as pd

from seqconv.errors import ManifestError, list_some

RAVEN_START, RAVEN_END, RAVEN_OFFSET = "Begin Time (s)", "End Time (s)", "File Offset (s)"
RAVEN_LABELS = ("label", "annotation", "species", "class", "type", "tag", "name")
"""Columns of a selection table that hold labels, whatever their case; the first that there is."""
_RAVEN_PATHS = ("Begin Path", "Begin File")
# Some languages write decimal commas.
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


def read_label_track(path: Path) -> pd.DataFrame:
    """Read a text file of events.

    In a label track of Audacity each line has start, end (seconds) and label, between tabs; a line with a backslash
    holds frequencies and is passed over. In a selection table of Raven, which names its columns, `Begin Path` or
    `Begin File` says of which recording a row is, and with `File Offset (s)` times count from the beginning of that; a
    selection that stands in several views counts once.

    Returns:
        A table of text with the columns `start`, `end`, `label`, and `path` where the rows name recordings.

    Raises:
        ManifestError: neither of the two.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "track.txt")
    >>> _ = path.write_text("0.5\\t1.25\\tbird\\n")
    >>> read_label_track(path).values.tolist()
    [['0.5', '1.25', 'bird']]
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ManifestError(f"it is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    except OSError as error:
        raise ManifestError(f"it cannot be read ({error.strerror}).") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if numbered and RAVEN_START in numbered[0][1].split("\t"):
        return _read_raven(numbered)
    return _read_audacity(numbered)


def label_track_text(events: pd.DataFrame) -> str:
    """Format events as a label track of Audacity: the columns `start`, `end` and `label`.

    >>> label_track_text(pd.DataFrame({"start": [0.5], "end": [1.25], "label": ["bird"]})).split("\\t")
    ['0.500000', '1.250000', 'bird\\n']
    """
    rows = zip(events["start"], events["end"], events["label"], strict=True)
    # A tab or a line break within a label would end the cell.
    return "".join(f"{start:.6f}\t{end:.6f}\t{' '.join(str(label).split())}\n" for start, end, label in rows)


def _read_audacity(lines: list[tuple[int, str]]) -> pd.DataFrame:
    rows = []
    for number, line in lines:
        cells = line.split("\t")
        if cells[0].strip() == "\\":
            continue
        if len(cells) < 2:
            raise ManifestError(
                f"line {number} is '{line:.40}', but a label track has start, end and label between tabs (and the "
                f"first line of a Raven selection table names the column '{RAVEN_START}')."
            )
        rows.append([*map(_with_point, cells[:2]), " ".join(cells[2:]).strip() or None])
    return pd.DataFrame(rows, columns=["start", "end", "label"], dtype=object)


def _read_raven(lines: list[tuple[int, str]]) -> pd.DataFrame:
    header = [name.strip() for name in lines[0][1].split("\t")]
    short = [number for number, line in lines[1:] if len(line.split("\t")) > len(header)]
    if short:
        raise ManifestError(f"line {short[0]} has more cells than the first line names columns.")
    cells = [[cell.strip() or None for cell in line.split("\t")] for _, line in lines[1:]]
    filled = [[*row, *[None] * (len(header) - len(row))] for row in cells]
    table = pd.DataFrame(filled, columns=header, dtype=object)
    by_name = {name.lower(): name for name in reversed(header)}
    label = next((by_name[name] for name in RAVEN_LABELS if name in by_name), None)
    if label is None:
        raise ManifestError(
            f"no column of the selection table is called {', '.join(RAVEN_LABELS)}; the columns are "
            f"{list_some(header, 20)}. Rename the one that holds the labels to 'label'."
        )
    if RAVEN_END not in table:
        raise ManifestError(f"there is no column '{RAVEN_END}'; the columns are {list_some(header, 12)}.")
    for name in (RAVEN_START, RAVEN_END, RAVEN_OFFSET):
        if name in table:
            table[name] = table[name].map(_with_point, na_action="ignore")
    if "Selection" in table:
        table = table.drop_duplicates("Selection", ignore_index=True)
    found = pd.DataFrame({"start": table[RAVEN_START], "end": table[RAVEN_END], "label": table[label]}, dtype=object)
    path = next((name for name in _RAVEN_PATHS if name in table), None)
    if path is None:
        return found
    if RAVEN_OFFSET in table:
        # With several files open, begin and end count through all of them.
        times = (RAVEN_OFFSET, RAVEN_START, RAVEN_END)
        offset, start, end = (pd.to_numeric(table[name], errors="coerce") for name in times)
        # Where one of them is no number, the cell itself tells what is there.
        found["start"] = offset.astype(object).where(offset.notna(), table[RAVEN_OFFSET])
        moved = offset + (end - start).round(9)
        found["end"] = moved.astype(object).where(moved.notna(), table[RAVEN_END])
    return found.assign(path=table[path])


def _with_point(cell: str) -> str:
    text = cell.strip()
    return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text
