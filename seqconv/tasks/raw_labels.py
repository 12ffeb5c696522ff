"""Raw labels as users have them: text, numbers, lists, 0/1 rows, columns of a table."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError, list_some
from seqconv.sources import as_plain
from seqconv.tasks.frame_labels import FrameLabels

LabelSets = list[tuple[str, ...]]


def class_labels(raw_labels: Any, ids: Sequence[str] | None = None) -> list[str]:
    """Return one class name per sequence, as text.

    Raises:
        ManifestError: missing labels, or several for one sequence.

    >>> class_labels([1, "no", 2.0])
    ['1', 'no', '2']
    """
    values = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in label_rows(raw_labels)]
    several = [index for index, value in enumerate(values) if isinstance(value, list | tuple | set | frozenset | dict)]
    if several:
        raise ManifestError(
            f"classification needs one label per sequence, but {_named(several, ids)} hold several. "
            "Set target.task to multilabel, pass class names or numbers instead of one-hot rows "
            "(labels.argmax(axis=1)), or, for one label per frame, set model.pooling to frames"
        )
    names = _names(values)
    missing = [index for index, name in enumerate(names) if not name]
    if missing:
        raise ManifestError(f"{_named(missing, ids)} have no label. Add one, or leave these sequences out")
    return names


def label_sets(
    raw_labels: Any, ids: Sequence[str] | None = None, *, separator: str = ";", names: Sequence[str] | None = None
) -> tuple[LabelSets, tuple[str, ...] | None]:
    """Return the labels of each sequence, and all names in order if the form of the labels fixes them.

    Rows of the same length (2 or more) that hold nothing but the numbers 0 and 1 are 0/1 rows, where None and NaN are
    missing labels (see `missing_cells`); elsewhere, a missing value or empty text is a sequence without labels.

    Raises:
        ManifestError: 0/1 columns with other values, or in another number than there are names.

    >>> label_sets(["a; b", "", "b"])
    ([('a', 'b'), (), ('b',)], None)
    >>> label_sets([[0, 1], [1, 1]], names=["a", "b"])
    ([('b',), ('a', 'b')], ('a', 'b'))
    """
    order = None if names is None else tuple(names)
    if hasattr(raw_labels, "columns"):
        raw_labels, order = _table_columns(raw_labels, names)
    elif not _are_indicators(raw_labels):
        return [_label_set(value, separator) for value in label_rows(raw_labels)], order
    rows = [[0 if _is_missing(value) else value for value in row] for row in label_rows(raw_labels)]
    matrix, order = number_columns(rows, ids, names=order or [str(index) for index in range(len(rows[0]))])
    wrong = np.flatnonzero(~np.isin(matrix, (0, 1)).all(axis=1))
    if wrong.size:
        raise ManifestError(f"the label columns {list_some(order)} hold 0 or 1, but {_named(wrong, ids)} have others")
    return [tuple(order[index] for index in np.flatnonzero(row)) for row in matrix], order


def missing_cells(raw_labels: Any, *, names: Sequence[str]) -> npt.NDArray[np.bool_] | None:
    """Return which labels are unknown, `(n, C)`, in the form of 0/1 rows: None, NaN, empty cells. None for other forms.

    >>> missing_cells([[0, None], [1, 1]], names=["a", "b"]).tolist()
    [[False, True], [False, False]]
    """
    if hasattr(raw_labels, "columns"):
        raw_labels, _ = _table_columns(raw_labels, names)
    elif not _are_indicators(raw_labels):
        return None
    return np.array([[_is_missing(value) for value in row] for row in label_rows(raw_labels)], bool)


def number_columns(
    raw_labels: Any, ids: Sequence[str] | None = None, *, names: Sequence[str] | None = None
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Return labels as finite numbers `(n, columns)`, and the name of each column ("value" for a single one).

    Raises:
        ManifestError: values that are missing or not numbers, by id; columns that do not fit `names`.

    >>> number_columns(["1.5", 2])
    (array([[1.5],
           [2. ]]), ('value',))
    """
    if hasattr(raw_labels, "columns"):
        raw_labels, names = _table_columns(raw_labels, names)
    rows = [value if isinstance(value, list | tuple) else [value] for value in label_rows(raw_labels)]
    wanted = len(names) if names else len(rows[0])
    odd = [index for index, row in enumerate(rows) if len(row) != wanted]
    if odd:
        raise ManifestError(f"each sequence needs {wanted} values, but {_named(odd, ids)} have {len(rows[odd[0]])}")
    values = np.array([[_number(value) for value in row] for row in rows], np.float64).reshape(len(rows), wanted)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if wrong.size:
        value = next(item for item in rows[wrong[0]] if not math.isfinite(_number(item)))
        raise ManifestError(f"{_named(wrong, ids)} have labels that are missing or not numbers, the first {value!r}")
    return values, tuple(names or value_names(wanted))


def value_names(count: int) -> tuple[str, ...]:
    """Return the names of columns of numbers that have none."""
    return ("value",) if count == 1 else tuple(f"value_{index}" for index in range(count))


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return distinct names in order: numbers first, as numbers, then text.

    >>> sorted_names(["b", "10", "9", "b"])
    ('9', '10', 'b')
    """
    return tuple(sorted(set(names), key=lambda name: (_number(name), name)))


def label_name(value: object) -> str:
    """Return the text of one label, empty if it is missing: None, NaN, empty text.

    >>> label_name(2.0), label_name("a"), label_name(None)
    ('2', 'a', '')
    """
    return "" if _is_missing(value) else _name(value)


def indicator_rows(sets: LabelSets, names: Sequence[str], ids: Sequence[str] | None = None) -> npt.NDArray[np.float32]:
    """Make rows `(n, C)` with a 1 for each label of a sequence.

    Raises:
        ManifestError: labels outside `names`; the message lists them, who has them, and the known ones.

    >>> indicator_rows([("b",), (), ("a", "b")], ["a", "b"]).tolist()
    [[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    """
    positions = {name: index for index, name in enumerate(names)}
    columns = np.array([positions.get(label, -1) for labels in sets for label in labels], np.int64)
    rows = np.repeat(np.arange(len(sets)), [len(labels) for labels in sets])
    if (columns < 0).any():
        strange = np.unique(rows[columns < 0]).tolist()
        unknown = {label for row in strange for label in sets[row] if label not in positions}
        listed = list_some(sorted_names(unknown))
        raise ManifestError(f"unknown labels {listed} of {_named(strange, ids)}. Known: {list_some(names, 20)}")
    encoded = np.zeros((len(sets), len(names)), np.float32)
    encoded[rows, columns] = 1
    return encoded


def indexable(labels: Any) -> Any:
    """Return labels as a list, an array, a DataFrame (its columns name the classes) or labels of frames.

    Bytes, in which TensorFlow and HDF5 keep text, become text; tensors and columns of other packages become NumPy's, or
    lists.

    Raises:
        ManifestError: bytes that are not UTF-8.

    >>> indexable((b"yes", "no"))
    ['yes', 'no']
    """
    if labels is None or isinstance(labels, FrameLabels) or hasattr(labels, "columns"):
        return labels
    labels = as_plain(labels)
    if isinstance(labels, np.ndarray) and (labels.dtype.kind != "O" or labels.ndim != 1):
        return _plain_label(labels)
    is_array = isinstance(labels, np.ndarray)
    cells = labels if is_array else list(labels.tolist() if hasattr(labels, "tolist") else labels)
    if not any(map(_is_foreign, set(map(type, cells)))):
        return cells
    return [_plain_label(cell) for cell in cells]


def _is_foreign(kind: type) -> bool:
    """Whether labels of a type are bytes, or values of another package."""
    return issubclass(kind, bytes | np.ndarray) or any(hasattr(kind, name) for name in ("detach", "numpy", "as_py"))


def _plain_label(cell: Any) -> Any:
    cell = as_plain(cell)
    try:
        if isinstance(cell, bytes):
            return cell.decode()
        is_text = isinstance(cell, np.ndarray) and cell.dtype.kind == "S"
        return np.char.decode(cell, "utf-8") if is_text else cell
    except UnicodeDecodeError as error:
        raise ManifestError(f"the label {cell!r:.60} is not UTF-8 text. Decode it, for example with Latin-1") from error


def take_labels(labels: Any, indices: npt.NDArray[np.int64]) -> Any:
    """Return the raw labels at `indices`, in that order, in the form that they came in."""
    if labels is None or isinstance(labels, np.ndarray):
        return labels if labels is None else labels[indices]
    if hasattr(labels, "iloc"):
        return labels.iloc[indices].reset_index(drop=True)
    if isinstance(labels, FrameLabels):
        return labels.take(indices.tolist())
    return [labels[index] for index in indices]


def label_rows(raw_labels: Any) -> list[Any]:
    """Return one raw label for each sequence, as Python has it.

    Raises:
        ManifestError: there is none.
    """
    if hasattr(raw_labels, "columns"):
        raw_labels = raw_labels.to_numpy(object)
    values = raw_labels.tolist() if hasattr(raw_labels, "tolist") else list(raw_labels)
    if not values:
        raise ManifestError("no labels: there is no sequence to learn from")
    return [value.tolist() if hasattr(value, "tolist") else value for value in values]


def _table_columns(table: Any, names: Sequence[str] | None) -> tuple[list[Any], tuple[str, ...]]:
    columns = tuple(str(column) for column in table.columns)
    order = columns if names is None else tuple(names)
    missing = [name for name in order if name not in columns]
    if missing:
        raise ManifestError(f"no label column {list_some(missing)}; there are {list_some(columns, 20)}")
    return table.to_numpy(object)[:, [columns.index(name) for name in order]].tolist(), order


def _are_indicators(raw_labels: Any) -> bool:
    rows = label_rows(raw_labels)
    if not all(isinstance(row, list | tuple) for row in rows) or len({len(row) for row in rows}) != 1:
        return False
    is_matrix = getattr(raw_labels, "ndim", 1) == 2
    known = [value for row in rows for value in row if not _is_missing(value)]
    numbers = all(isinstance(value, int | float) for value in known)
    return numbers and (is_matrix or (len(rows[0]) > 1 and bool(known) and all(value in (0, 1) for value in known)))


def _label_set(value: Any, separator: str) -> tuple[str, ...]:
    if isinstance(value, str):
        parts: Iterable[Any] = (part.strip() for part in value.split(separator))
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    else:
        parts = () if _is_missing(value) else (value,)
    return sorted_names(_name(part) for part in parts if not _is_missing(part))


def _names(values: list[Any]) -> list[str]:
    """Text of each label, empty where it is missing."""
    kinds = set(map(type, values))
    if len(kinds) > 1 or not kinds <= {str, int, float}:
        return [label_name(value) for value in values]
    # Labels of one type are few: 1 and True, which are equal and differ in their text, never meet here.
    texts = {value: label_name(value) for value in set(values)}
    return [texts[value] for value in values]


def _name(value: Any) -> str:
    """Return the text of a label; 2.0 is the class 2, as a table with a gap in the column would have it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_missing(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip()) or str(value) == "<NA>"


def _number(value: Any) -> float:
    """Return a finite number, or infinity for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.inf
    return number if math.isfinite(number) else math.inf


def _named(rows: Iterable[Any], ids: Sequence[str] | None) -> str:
    positions = [int(row) for row in rows]
    if ids is None:
        return f"{len(positions)} sequences (rows {', '.join(map(str, positions[:5]))}{', ...' * (len(positions) > 5)})"
    return f"{len(positions)} sequences ({list_some(ids[row] for row in positions)})"
