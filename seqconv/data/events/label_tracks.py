"""Events as listening programs write them into `.txt` files: label tracks of Audacity, and tables between tabs."""

from pathlib import Path

import pandas as pd

from seqconv.data.events.raven import RAVEN_START, with_point
from seqconv.errors import ManifestError
from seqconv.features.tables import NUMBER, read_rows
from seqconv.features.text_files import decoding_problem, text_encoding


def read_label_track(path: Path) -> pd.DataFrame:
    """Read a text file of events.

    In a label track of Audacity each line has start, end (seconds) and label, between tabs; a line with a backslash
    holds frequencies and is passed over. If the first line has names instead of numbers, as in a selection table of
    Raven, it is a table between tabs.

    Returns:
        A table of text with the columns `start`, `end`, `label`, or with those that the first line names.

    Raises:
        ManifestError: neither of the two.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "track.txt")
    >>> _ = path.write_text("0.5\\t1.25\\tbird\\n")
    >>> read_label_track(path).values.tolist()
    [['0.5', '1.25', 'bird']]
    """
    try:
        lines = path.read_text(encoding=text_encoding(path)).split("\n")
    except UnicodeError as error:
        raise ManifestError(decoding_problem(path, error)) from error
    except OSError as error:
        raise ManifestError(f"it cannot be read ({error.strerror}).") from error
    numbered = [(number, line.rstrip("\r")) for number, line in enumerate(lines, start=1) if line.strip()]
    first = [with_point(cell) for cell in numbered[0][1].split("\t")] if numbered else []
    if RAVEN_START in first:
        return _read_padded(numbered)
    if len(first) > 1 and not any(NUMBER.fullmatch(cell) for cell in first) and first[0] != "\\":
        rows = read_rows(path, separator="\t")
        return pd.DataFrame([[cell or None for cell in row] for row in rows.cells], columns=rows.header, dtype=object)
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
        rows.append([*map(with_point, cells[:2]), " ".join(cells[2:]).strip() or None])
    return pd.DataFrame(rows, columns=["start", "end", "label"], dtype=object)


def _read_padded(lines: list[tuple[int, str]]) -> pd.DataFrame:
    """Return a table whose rows may lack empty cells at their end, as those of Raven do."""
    header = [name.strip() for name in lines[0][1].split("\t")]
    rows = [(number, [cell.strip() or None for cell in line.split("\t")]) for number, line in lines[1:]]
    for number, cells in rows:
        if any(cells[len(header) :]):
            raise ManifestError(f"line {number} has more cells than the first line names columns.")
    filled = [[*cells, *[None] * len(header)][: len(header)] for _, cells in rows]
    return pd.DataFrame(filled, columns=header, dtype=object)
