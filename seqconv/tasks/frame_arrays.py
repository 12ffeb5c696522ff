"""Conversion of users' arrays, one for each sequence, to `FrameLabels`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError
from seqconv.tasks.base import find_task
from seqconv.tasks.frame_labels import MISSING, FrameLabels, describe, raise_listed
from seqconv.tasks.raw_labels import label_name, sorted_names, value_names

Array = npt.NDArray[Any]
Form = TypeVar("Form")


def read_frame_labels(
    task: str, raw_labels: Any, *, ids: Sequence[str] | None = None, names: Sequence[str] | None = None
) -> FrameLabels:
    """Read labels of frames from an array for each sequence.

    Args:
        task: classification: `(time,)` whole numbers or text, where NaN, None and empty text are missing; multilabel:
            `(time, C)` of 0 and 1, where NaN is missing, for that class alone; regression: `(time,)` or `(time, C)`
            numbers, NaN is missing.
        raw_labels: the arrays, or FrameLabels, which come back as they are.
        ids: names of the sequences, for messages.
        names: of the columns (multilabel, regression); default: "0", "1", ... and "value" or "value_0", ...

    Raises:
        ManifestError: arrays of another form, all of them by id.

    >>> labels = read_frame_labels("classification", [["b", "a", ""], ["b"]])
    >>> labels.names, [array.tolist() for array in labels]
    (('a', 'b'), [[1, 0, -1], [1]])
    """
    if isinstance(raw_labels, FrameLabels):
        return raw_labels
    found: FrameLabels = find_task(task).read_frames(raw_labels, ids=ids, names=names)
    return found


def read_class_frames(raw_labels: Any, ids: Sequence[str] | None) -> FrameLabels:
    """Read `(time,)` classes."""
    found = _read_each(raw_labels, _read_classes, ids)
    names = sorted_names(name for classes, _ in found for name in classes if name)
    table = {name: position for position, name in enumerate(names)} | {"": MISSING}
    arrays: list[Array] = [np.array([table[name] for name in classes], np.int32)[places] for classes, places in found]
    return FrameLabels("classification", names, arrays)


def read_label_frames(raw_labels: Any, ids: Sequence[str] | None, names: Sequence[str] | None) -> FrameLabels:
    """Read `(time, C)` of 0 and 1."""
    arrays = _read_columns(raw_labels, _read_indicators, ids, names)
    return FrameLabels("multilabel", tuple(names or map(str, range(arrays[0].shape[1]))), arrays, are_columns=True)


def read_number_frames(raw_labels: Any, ids: Sequence[str] | None, names: Sequence[str] | None) -> FrameLabels:
    """Read `(time,)` or `(time, C)` numbers."""
    arrays = _read_columns(raw_labels, _read_values, ids, names)
    return FrameLabels("regression", tuple(names or value_names(arrays[0].shape[1])), arrays, are_columns=True)


def _read_each(raw_labels: Any, read: Callable[[Array], Form], ids: Sequence[str] | None) -> list[Form]:
    items = [np.asarray(item) for item in raw_labels]
    flat = [index for index, item in enumerate(items) if item.ndim == 0]
    if flat:
        raise ManifestError(
            f"{describe(flat, ids)} have a single label, but a model that predicts frames needs one per frame: an "
            "array (time,), or (time, classes) for multilabel. For one label per sequence, set model.pooling to 'mean'"
        )
    found, problems = [], []
    for index, item in enumerate(items):
        try:
            found.append(read(item))
        except ValueError as error:
            problems.append(f"{describe([index], ids)} {error}")
    raise_listed(problems)
    return found


def _read_classes(item: Array) -> tuple[list[str], Array]:
    """Return the classes that occur as text, empty if missing, and which of them each frame has."""
    if item.ndim == 2 and item.shape[1] == 1:
        item = item[:, 0]
    if item.ndim != 1:
        raise ValueError(f"has labels of shape {item.shape}; classification needs one class per frame, (time,)")
    if item.dtype.kind == "O":
        item = np.array([label_name(value) for value in item.tolist()], dtype=str)
    values, places = np.unique(item, return_inverse=True)
    return [label_name(value) for value in values.tolist()], places


def _read_indicators(item: Array) -> Array:
    if item.ndim != 2 or item.dtype.kind not in "fiub":
        raise ValueError(
            f"has labels of shape {item.shape} ({item.dtype}); multilabel needs 0 or 1 for each frame and class, "
            "(time, classes)"
        )
    values = item.astype(np.float64)
    wrong = np.flatnonzero(~(np.isnan(values) | np.isin(values, (0, 1))).all(axis=1))
    if wrong.size:
        raise ValueError(f"has the labels {values[wrong[0]].tolist()} at frame {wrong[0]}; multilabel needs 0 and 1")
    return np.where(np.isnan(values), MISSING, np.nan_to_num(values)).astype(np.int8)


def _read_values(item: Array) -> Array:
    values = item[:, None] if item.ndim == 1 else item
    if values.ndim != 2 or values.dtype.kind not in "fiub" or np.isinf(values).any():
        raise ValueError(
            f"has labels of shape {item.shape} ({item.dtype}); regression needs finite numbers, (time,) or "
            "(time, columns), and NaN if there is none"
        )
    return values.astype(np.float64)


def _read_columns(
    raw_labels: Any, read: Callable[[Array], Array], ids: Sequence[str] | None, names: Sequence[str] | None
) -> list[Array]:
    arrays = _read_each(raw_labels, read, ids)
    wanted = len(names) if names is not None else arrays[0].shape[1]
    odd = [(index, array.shape[1]) for index, array in enumerate(arrays) if array.shape[1] != wanted]
    raise_listed([f"{describe([index], ids)} has {count} columns of labels, expected {wanted}" for index, count in odd])
    return arrays
