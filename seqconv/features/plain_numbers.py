"""Tables of nothing but numbers, read by NumPy: what may be anything else is left to the strict reader."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seqconv.features.tables import NUMBER

_PLAIN = b"0123456789+-.eE \t,\r\n"


def read_plain_numbers(path: Path) -> dict[str, npt.NDArray[np.float64]] | None:
    r"""Read a `.csv` or `.tsv` file with a row of names and, below it, numbers alone.

    Returns:
        The columns, equal to those of the strict reader and in a fraction of its time; None where there may be
        anything else: text, quotes, empty cells or lines, rows of another number of cells.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "walk.csv")
    >>> _ = path.write_text("x,y\n1,2.5\n-3e2,4\n")
    >>> read_plain_numbers(path)
    {'x': array([   1., -300.]), 'y': array([2.5, 4. ])}
    """
    first, _, body = path.read_bytes().removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    mark = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        names = first.decode("utf-8").removesuffix("\r").split(mark)
    except UnicodeDecodeError:
        return None
    is_header = len(set(names)) == len(names) > 1 and all(
        name and name == name.strip() and not NUMBER.fullmatch(name) and '"' not in name for name in names
    )
    if not is_header or not body.strip() or body.translate(None, _PLAIN) or not are_even(body, mark, len(names)):
        return None
    try:
        table = np.loadtxt(io.BytesIO(body), np.float64, comments=None, delimiter=mark, ndmin=2)
    except ValueError:
        return None
    return dict(zip(names, table.T, strict=True))


def are_even(body: bytes, mark: str, width: int) -> bool:
    """Whether each line has one cell for each column."""
    values = np.frombuffer(body if body.endswith(b"\n") else body + b"\n", np.uint8)
    ends = np.flatnonzero(values == ord("\n"))
    marks = np.searchsorted(np.flatnonzero(values == ord(mark)), ends)
    return bool((np.diff(marks, prepend=0) == width - 1).all())
