"""Reader of the `.tsv` files of the UCR archive of 2018: a sequence a line, its label first, NaN after its end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqconv.errors import ManifestError
from seqconv.features.cases.sequences import Cases
from seqconv.features.tables import NUMBER
from seqconv.features.text_files import read_text
from seqconv.features.ts import cut_missing_end, parse_values

_NOTE = (
    "it has no names of columns and numbers alone: read as the UCR archive writes them, a sequence in each line with "
    "its label first"
)


def is_ucr(path: Path) -> bool:
    """Whether a file is a `.tsv` in which the first two lines hold a number in every cell, and no names.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "GunPoint_TRAIN.tsv")
    >>> _ = path.write_text("2\\t-0.64\\t-0.63\\n1\\t0.52\\tNaN\\n")
    >>> is_ucr(path)
    True
    """
    if path.suffix.lower() != ".tsv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = [line.rstrip("\r\n").split("\t") for line in (file.readline(), file.readline()) if line.strip()]
    # The names that pandas gives are numbers, too.
    return bool(lines) and all(map(_holds_numbers, lines)) and lines[0] != list(map(str, range(len(lines[0]))))


def _holds_numbers(cells: list[str]) -> bool:
    return len(cells) > 1 and all(NUMBER.fullmatch(cell) or cell.strip().lower() == "nan" for cell in cells)


def read_ucr(path: Path, options: Mapping[str, Any]) -> Cases:
    """Read the sequences of a file of the UCR archive.

    Raises:
        ManifestError: a line has no value, or another cell than a number; names it.
    """
    sequences, labels = [], []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        label, _, rest = line.partition("\t")
        place = f"{path}: line {number}"
        sequence = cut_missing_end(parse_values(rest, place, separator="\t")[:, None])
        if not len(sequence):
            raise ManifestError(f"{place}: holds no frame.")
        sequences.append(sequence)
        labels.append(label.strip() or None)
    if not sequences:
        raise ManifestError(f"{path}: holds no case, just empty lines.")
    return Cases.of_arrays(sequences, {"label": labels}, _NOTE)
