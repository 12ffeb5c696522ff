"""Features of all rows, in blocks that fit into memory whatever the number of rows, and an array in a file."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Of any precision; products are summed in float64.
Matrix = npt.NDArray[Any]

# Of a block in float64.
BLOCK_BYTES = 1 << 27
# What is larger lies in a file.
KEPT_BYTES = 1 << 30


def kept_array(shape: tuple[int, int], folder: Path | None = None) -> npt.NDArray[np.float32]:
    """Return an array to be filled; of more than 1 GB, in a file of `folder` that is gone as soon as the array is.

    The file has no name, so that nothing of it stays where the process is killed.
    """
    num_bytes = 4 * shape[0] * shape[1]
    if num_bytes <= KEPT_BYTES:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            # A disk that is full only later would end the process where a page is written.
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        return np.memmap(file, np.float32, mode="w+", shape=shape)


def blocks_of(count: int, width: int, block_bytes: int = BLOCK_BYTES) -> Iterator[slice]:
    """Yield parts of `count` rows of `width` float64 numbers, each in as many bytes as given, or a row.

    >>> [(part.start, part.stop) for part in blocks_of(5, 10, block_bytes=160)]
    [(0, 2), (2, 4), (4, 5)]
    """
    step = max(1, block_bytes // (8 * max(width, 1)))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def weighted_moments(
    features: Any, weights: FloatArray, block_bytes: int = BLOCK_BYTES
) -> tuple[FloatArray, FloatArray]:
    """Return mean and deviation of each feature, by weight; a deviation of 0 where rounding alone may explain it.

    That is up to a millionth of the mean, or 1e-12. Each block has its own mean, from which its squares are taken;
    those of blocks are merged (Chan, Golub and LeVeque 1983), so that a large mean costs no digits.

    Args:
        features: `(n, features)`, or anything with `shape` that gives rows for a slice.
        weights: `(n,)`, above 0.
        block_bytes: of rows that are read at a time.
    """
    count, width = features.shape
    total, mean, squares = 0.0, np.zeros(width), np.zeros(width)
    for part in blocks_of(count, width, block_bytes):
        shares, values = weights[part], np.asarray(features[part], np.float64)
        here = float(shares.sum())
        # Weighed together with differences from a row, a constant feature stays exactly constant.
        center = values[0] + shares @ (values - values[0]) / here
        difference = center - mean
        squares += shares @ np.square(values - center) + difference**2 * (total * here / (total + here))
        mean += difference * (here / (total + here))
        total += here
    deviation = np.sqrt(squares / total)
    return mean, np.where(deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6), deviation, 0)


class StandardizedRows:
    """Rows of features, each feature standardized, times the roots of the weights of rows, in float64.

    Args:
        features: `(n, features)`.
        order: which rows of it, `(rows,)`.
        root: roots of their weights, `(rows, 1)`.
        block_bytes: of what is computed at a time.
    """

    def __init__(self, features: Matrix, order: IntArray, root: FloatArray, block_bytes: int = BLOCK_BYTES) -> None:
        self.features, self.order, self.root, self.block_bytes = features, order, root, block_bytes
        self.shape = len(order), int(features.shape[1])
        self.mean, deviation = weighted_moments(_Taken(features, order), root[:, 0] ** 2, block_bytes)
        self.scale = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0)

    def __getitem__(self, part: slice) -> FloatArray:
        return self.root[part] * ((self.features[self.order[part]] - self.mean) * self.scale)

    def by_rows(self) -> Iterator[tuple[slice, FloatArray]]:
        """Yield all features of some rows."""
        return ((part, self[part]) for part in blocks_of(*self.shape, self.block_bytes))

    def by_columns(self) -> Iterator[tuple[slice, FloatArray]]:
        """Yield some features of all rows."""
        for part in blocks_of(*self.shape[::-1], self.block_bytes):
            values = self.features[:, part][self.order]
            yield part, self.root * ((values - self.mean[part]) * self.scale[part])


class _Taken:
    """Some rows of an array, in another order; a slice of them is read when it is asked for."""

    def __init__(self, array: Matrix, order: IntArray) -> None:
        self.array, self.order = array, order
        self.shape = len(order), int(array.shape[1])

    def __getitem__(self, part: slice) -> Matrix:
        return self.array[self.order[part]]
