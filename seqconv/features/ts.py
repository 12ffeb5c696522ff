"""Readers of `.ts` files: the text format of the time series classification archive, unequal lengths included."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqconv.errors import ManifestError, list_some
from seqconv.features.text_files import read_lines
from seqconv.files import find_file

_KNOWN_KEYS = {
    "problemname", "timestamps", "missing", "univariate", "dimension", "dimensions", "equallength", "serieslength",
    "classlabel", "targetlabel",
}  # fmt: skip


def read_ts(
    path: str | Path, *, keeps_gaps: bool = False
) -> tuple[list[NDArray[np.float32]], list[str], dict[str, str]]:
    """Read the sequences of a `.ts` file.

    A line below `@data` is one case: its dimensions separated by `:`, the values of a dimension by `,`, the label last.
    All dimensions of a case have the same number of frames; cases may differ. Missing values (`?`, `NaN`) at the end
    of all dimensions are no frames.

    Args:
        path: The file.
        keeps_gaps: Whether values that are missing before the end are NaN, and no error.

    Returns:
        The sequences, each `(time, d)` float32; their labels as text (an empty list when the header says that there
        are none); and the header, with keys in lower case (`{"dimensions": "12", ...}`).

    Raises:
        ManifestError: A line is malformed (the message gives its number), a value before the end is missing, or there
            is no case.

    Reference:
        https://www.aeon-toolkit.org/en/stable/api_reference/file_specifications/ts.html

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "two.ts").write_text("@classLabel true a b\\n@data\\n1,2,3:4,5,6:a\\n7:8:b\\n")
        >>> sequences, labels, header = read_ts(folder / "two.ts")
        >>> [sequence.shape for sequence in sequences], labels
        ([(3, 2), (1, 2)], ['a', 'b'])
    """
    here = find_file(path)
    if here is None:
        raise ManifestError(f"'{path}' does not exist or is not a file.")
    path = here
    lines = read_lines(path, "#")
    header = _read_header(path, lines)
    has_label = any(header.get(key, "").lower().split()[:1] == ["true"] for key in ("classlabel", "targetlabel"))
    classes = header.get("classlabel", "").split()[1:] if has_label else []
    num_features = _declared_features(path, header)
    sequences: list[NDArray[np.float32]] = []
    labels: list[str] = []
    for number, line in lines:
        place = f"'{path}', line {number}"
        dimensions = line.split(":")
        if has_label:
            label = dimensions.pop().strip()
            _check_label(label, classes, place)
            labels.append(label)
        sequence = parse_case(dimensions, place, keeps_gaps=keeps_gaps)
        num_features = num_features or sequence.shape[1]
        if sequence.shape[1] != num_features:
            raise ManifestError(
                f"{place}: the case has {sequence.shape[1]} dimensions, but {num_features} were expected"
                f"{' and a label' if has_label else ''}. Dimensions are separated by ':', values by ','."
            )
        sequences.append(sequence)
    if not sequences:
        raise ManifestError(f"'{path}' holds no case: nothing follows @data.")
    return sequences, labels, header


def _read_header(path: Path, lines: Iterator[tuple[int, str]]) -> dict[str, str]:
    """Read the header, up to and with `@data`; the rest of `lines` are the cases."""
    header: dict[str, str] = {}
    for number, line in lines:
        place = f"'{path}', line {number}"
        if not line.startswith("@"):
            raise ManifestError(
                f"{place}: expected a header line that begins with '@', or @data, but found '{line[:40]}'."
            )
        key, _, value = line[1:].partition(" ")
        key = key.lower()
        if key == "data":
            if header.get("timestamps", "false").lower() == "true":
                raise ManifestError(f"'{path}': @timeStamps true is not supported. Write the values alone.")
            return header
        if key not in _KNOWN_KEYS:
            raise ManifestError(f"{place}: '@{key}' is not a header of the .ts format.")
        header[key] = value.strip()
    if not header:
        raise ManifestError(f"'{path}' is empty: a .ts file has a header, @data and one line per case.")
    raise ManifestError(f"'{path}' has no line '@data' before its cases.")


def _declared_features(path: Path, header: dict[str, str]) -> int | None:
    declared = header.get("dimensions", header.get("dimension"))
    if declared is None:
        return 1 if header.get("univariate", "false").lower() == "true" else None
    if not declared.isdecimal() or int(declared) < 1:
        raise ManifestError(f"'{path}': @dimensions must be a whole number of at least 1, not '{declared}'.")
    return int(declared)


def _check_label(label: str, classes: list[str], place: str) -> None:
    if not label:
        raise ManifestError(f"{place}: the label after the last ':' is empty.")
    if classes and label not in classes:
        raise ManifestError(f"{place}: label '{label}' is not one of @classLabel: {list_some(classes, limit=20)}.")


def cut_missing_end(case: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a case `(time, d)` without the frames at its end in which all values are missing.

    Archives that need equal lengths fill the end of shorter sequences with them.

    >>> cut_missing_end(np.array([[1.0], [np.nan], [2.0], [np.nan]], np.float32)).ravel().tolist()
    [1.0, nan, 2.0]
    """
    is_filled = np.asarray(np.isnan(case).all(axis=1))
    return case[: len(case) - np.argmin(is_filled[::-1]) if not is_filled.all() else 0]


def parse_case(dimensions: list[str], place: str, *, keeps_gaps: bool) -> NDArray[np.float32]:
    """Return one case as `(time, d)`; `dimensions` are the texts of its dimensions, without the label.

    Raises:
        ManifestError: they differ in length, hold something else than numbers, or no frame; `place` says where.
    """
    columns = [parse_values(text, f"{place}, dimension {index}") for index, text in enumerate(dimensions, start=1)]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ManifestError(
            f"{place}: the dimensions of one case must have the same number of frames, but have "
            f"{', '.join(map(str, lengths))}."
        )
    if not columns:
        raise ManifestError(f"{place}: the case has no dimension, just a label.")
    case = cut_missing_end(np.stack(columns, axis=1))
    if not len(case):
        raise ManifestError(f"{place}: holds no frame.")
    if np.isnan(case).any() and not keeps_gaps:
        frame, dimension = np.argwhere(np.isnan(case))[0]
        raise ManifestError(
            f"{place}, dimension {dimension + 1}: a value is missing, that of frame {frame}. Fill the gaps, or leave "
            "the case out."
        )
    return case


def parse_values(text: str, place: str, separator: str = ",") -> NDArray[np.float32]:
    """Return the values of a dimension, NaN where they are missing (`?`, `NaN`).

    Raises:
        ManifestError: there is none, or one is no finite number; `place` is where.
    """
    values = ["nan" if value.strip() == "?" else value for value in text.split(separator)]
    if not text.strip():
        raise ManifestError(f"{place}: holds no frame.")
    try:
        with np.errstate(over="ignore"):
            column = np.array(values, dtype=np.float64).astype(np.float32)
    except ValueError:
        column = np.full(len(values), np.inf, dtype=np.float32)
    if np.isinf(column).any():
        bad = next(value.strip() for value in values if not _is_number(value))
        raise ManifestError(f"{place}: '{bad}' is not a finite number.")
    return column


def _is_number(text: str) -> bool:
    try:
        return not abs(float(text)) > float(np.finfo(np.float32).max)
    except ValueError:
        return False
