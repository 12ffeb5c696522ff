"""The directions in which rows vary: in them, a ridge of any strength is a division."""

from functools import cached_property

import numpy as np

from seqconv.training.ridge.blocks import FloatArray, StandardizedRows

EPSILON = 1e-12


class Directions:
    """Orthogonal directions of standardized rows, and a last one for the constant, which no penalty holds back.

    They come from the products of all pairs of rows where these are fewer, else of features, summed block by block.

    Attributes:
        lengths: squared length of the rows in each direction, `(directions,)`; that of the constant is 1.
        unit: mean squared length of a row, relative to which strengths are.
    """

    def __init__(self, rows: StandardizedRows) -> None:
        self.rows = rows
        self.is_of_rows = rows.shape[0] <= rows.shape[1]
        size = min(rows.shape)
        products = np.zeros((size, size))
        for _, values in rows.by_columns() if self.is_of_rows else rows.by_rows():
            products += values @ values.T if self.is_of_rows else values.T @ values
        found, vectors = np.linalg.eigh(products)
        # Nothing varies in the others.
        is_kept = found > found.max(initial=0) * EPSILON
        self._values, self._vectors = found[is_kept], vectors[:, is_kept]
        self.lengths: FloatArray = np.append(self._values, 1.0)
        self._weight = float((rows.root**2).sum())
        self.unit = max(float(self._values.sum()) / self._weight, EPSILON)

    def __getitem__(self, part: slice) -> FloatArray:
        """Return some rows `(n, directions)`."""
        return np.asarray(self._whole[part] if self._is_small else self._turn(part))

    def penalized(self, strength: float) -> FloatArray:
        """Return the squared lengths with the penalty of a strength, `(directions,)`."""
        penalty = np.full(len(self.lengths), strength * self.unit)
        penalty[-1] = 0
        return np.asarray(self.lengths + penalty)

    def project(self, wanted: FloatArray) -> FloatArray:
        """Return the products of directions and targets `(rows, outputs)`, `(directions, outputs)`."""
        if self.is_of_rows:
            return np.asarray(self._whole.T @ wanted)
        products = np.zeros((self.rows.shape[1], wanted.shape[1]))
        for part, values in self.rows.by_rows():
            products += values.T @ wanted[part]
        constant = self.rows.root.T @ wanted / np.sqrt(self._weight)
        return np.vstack([self._vectors.T @ products, constant])

    def to_features(self, inner: FloatArray) -> FloatArray:
        """Return coefficients of the features `(features, outputs)`, from those of directions."""
        inner = inner[:-1]
        if not self.is_of_rows:
            return np.asarray(self.rows.scale[:, None] * (self._vectors @ inner))
        shares = self._vectors @ (inner / np.sqrt(self._values)[:, None])
        coefficients = np.empty((self.rows.shape[1], inner.shape[1]))
        for part, values in self.rows.by_columns():
            coefficients[part] = self.rows.scale[part, None] * (values.T @ shares)
        return coefficients

    @property
    def _is_small(self) -> bool:
        """Whether all rows are in memory at once: as many numbers as products of rows, or a block."""
        return self.is_of_rows or 8 * self.rows.shape[0] * self.rows.shape[1] <= self.rows.block_bytes

    @cached_property
    def _whole(self) -> FloatArray:
        return self._turn(slice(0, self.rows.shape[0]))

    def _turn(self, part: slice) -> FloatArray:
        constant = self.rows.root[part] / np.sqrt(self._weight)
        if self.is_of_rows:
            return np.hstack([self._vectors[part] * np.sqrt(self._values), constant])
        return np.hstack([self.rows[part] @ self._vectors, constant])
