"""Errors of rows that were left out, each by itself or those of a group together, without fitting again for each."""

from collections.abc import Iterator, Sequence

import numpy as np

from seqconv.training.ridge.blocks import FloatArray, IntArray, blocks_of
from seqconv.training.ridge.directions import EPSILON, Directions


class LeftOut:
    """The errors of rows, from models that were fitted without them.

    They are exact for the means and deviations of all rows: for single rows by their leverage (Allen 1974), for groups
    by the block of the hat matrix that is theirs (An, Liu and Venkatesh 2007), or, where a group has more than half as
    many rows as there are directions, by the equations without it.

    Args:
        directions: of the rows; those of a group follow each other.
        wanted: targets without their mean, times the roots of the weights, `(rows, outputs)`.
        edges: first row of each group, and the number of rows; None: each row by itself.
    """

    def __init__(self, directions: Directions, wanted: FloatArray, edges: IntArray | None = None) -> None:
        self.directions, self.wanted = directions, wanted
        self.groups = None if edges is None else list(map(slice, edges[:-1].tolist(), edges[1:].tolist()))
        self.projected = directions.project(wanted)

    def coefficients(self, strength: float) -> FloatArray:
        """Return the coefficients of the directions `(directions, outputs)`, of all rows."""
        return np.asarray(self.projected / self.directions.penalized(strength)[:, None])

    def errors(self, strengths: Sequence[float]) -> Iterator[tuple[slice, FloatArray]]:
        """Yield some rows, and their errors `(strengths, rows, outputs)` times the roots of their weights."""
        penalized = np.stack([self.directions.penalized(strength) for strength in strengths])
        everything = slice(0, len(self.wanted))
        step = next(self._blocks(everything, len(strengths))).stop
        if self.groups is None:
            for part in self._blocks(everything, len(strengths)):
                yield part, self._errors_of_rows(part, penalized)
            return
        for groups in self._batches(self.groups, step):
            if len(groups) == 1 and self._is_large(groups[0]):
                yield from self._errors_of_rest(groups[0], penalized)
            else:
                yield slice(groups[0].start, groups[-1].stop), self._errors_of_groups(groups, penalized)

    def _errors_of_rows(self, part: slice, penalized: FloatArray) -> FloatArray:
        rows = self.directions[part]
        leverage = (rows**2 @ (1 / penalized).T).T[:, :, None]
        return np.asarray(self._residuals(part, rows, self._fitted(penalized)) / np.maximum(1 - leverage, EPSILON))

    def _errors_of_groups(self, groups: Sequence[slice], penalized: FloatArray) -> FloatArray:
        part = slice(groups[0].start, groups[-1].stop)
        rows = self.directions[part]
        errors = self._residuals(part, rows, self._fitted(penalized))
        for group in groups:
            here = slice(group.start - part.start, group.stop - part.start)
            for errors_of_strength, lengths in zip(errors, penalized, strict=True):
                scaled = rows[here] / np.sqrt(lengths)
                rest = (1 + EPSILON) * np.eye(len(scaled)) - scaled @ scaled.T
                errors_of_strength[here] = _solve(rest, errors_of_strength[here])
        return errors

    def _errors_of_rest(self, group: slice, penalized: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Yield the errors of a large group in blocks, from the equations of all other rows."""
        products, projected = np.zeros((penalized.shape[1],) * 2), self.projected.copy()
        for part in self._blocks(group, len(penalized)):
            rows = self.directions[part]
            products += rows.T @ rows
            projected -= rows.T @ self.wanted[part]
        fitted = np.stack([_solve(np.diag(lengths) - products, projected) for lengths in penalized])
        for part in self._blocks(group, len(penalized)):
            yield part, self._residuals(part, self.directions[part], fitted)

    def _fitted(self, penalized: FloatArray) -> FloatArray:
        return np.asarray(self.projected / penalized[:, :, None])

    def _residuals(self, part: slice, rows: FloatArray, fitted: FloatArray) -> FloatArray:
        """Return what several fits `(fits, directions, outputs)` leave of the targets, `(fits, rows, outputs)`."""
        fits, size, outputs = fitted.shape
        found = rows @ fitted.transpose(1, 0, 2).reshape(size, fits * outputs)
        return self.wanted[part] - found.reshape(len(rows), fits, outputs).transpose(1, 0, 2)

    def _batches(self, groups: Sequence[slice], most: int) -> Iterator[list[slice]]:
        """Yield groups that are computed at once: as many as have so many rows, or one."""
        batch: list[slice] = []
        for group in groups:
            is_full = batch and (group.stop - batch[0].start > most or self._is_large(group))
            if is_full or (batch and self._is_large(batch[-1])):
                yield batch
                batch = []
            batch.append(group)
        yield batch

    def _is_large(self, group: slice) -> bool:
        return bool(2 * (group.stop - group.start) > len(self.directions.lengths))

    def _blocks(self, rows: slice, num_strengths: int) -> Iterator[slice]:
        width = max(len(self.directions.lengths), num_strengths * self.wanted.shape[1])
        for part in blocks_of(rows.stop - rows.start, width, self.directions.rows.block_bytes):
            yield slice(rows.start + part.start, rows.start + part.stop)


def _solve(symmetric: FloatArray, wanted: FloatArray) -> FloatArray:
    from scipy.linalg import solve

    found: FloatArray = solve(symmetric, wanted, assume_a="sym", overwrite_a=True, check_finite=False)
    return found
