"""Targets of a model that predicts frames: labels and weights of its output frames."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqconv.batching.layouts import Layout
from seqconv.errors import ConfigError, ShapeError

Array = NDArray[Any]
FloatArray = NDArray[np.float32]
MISSING = -1.0
"""Marks an unknown label among known ones: losses leave it out."""


@dataclass(frozen=True, eq=False)
class FrameTargets:
    """Labels of frames, for `make_batch`: output frame p of a sequence has the label of its frame p * total_stride.

    Args:
        labels: `labels[i]` is (time, C), or `labels.encode(i, frames)` gives these frames (a slice) of it. A frame with
            NaN has no label, and weight 0; see `may_be_partial`.
        num_outputs: C.
        total_stride: of the model.
        class_weights: (C,), how much a frame weighs by its class; with several the mean, with none 1.
        frame_weight: None: the labeled output frames of a sequence share its weight, so that every sequence weighs the
            same; a number: each of them has that much of it, so that every frame weighs the same.
        may_be_partial: of several labels, some of a frame may be missing. Those come out as -1, and the frame has a
            label as long as one of them is known.

    >>> labels, weights = FrameTargets([[[1, 0], [0, 1], [np.nan] * 2]], 2).of_sequence(0)
    >>> labels.tolist(), weights.tolist()
    ([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.5, 0.5, 0.0])
    """

    labels: Any
    num_outputs: int
    total_stride: int = 1
    class_weights: ArrayLike | None = None
    frame_weight: float | None = None
    may_be_partial: bool = False

    def of_sequence(self, index: int, offset: int = 0, length: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Return labels (frames, C) and weights (frames,) of a sequence's output frames, or of `length` frames of it.

        Raises ShapeError where the labels are not (time, C), or too few.
        """
        frames = slice(offset, None if length is None else offset + length, self.total_stride)
        encode = getattr(self.labels, "encode", None)
        rows = np.asarray(self.labels[index])[frames] if encode is None else encode(index, frames)
        expected = None if length is None else -(-length // self.total_stride)
        if rows.ndim != 2 or rows.shape[1] != self.num_outputs or expected not in (None, len(rows)):
            raise ShapeError(
                f"the labels of sequence {index} are {rows.shape} for {expected} output frames; expected a label for "
                f"each frame, (time, {self.num_outputs})"
            )
        is_missing = np.isnan(rows)
        is_labeled = ~(is_missing.all(axis=1) if self.may_be_partial else is_missing.any(axis=1))
        rows = np.where(is_labeled[:, None], np.where(is_missing, MISSING, rows), 0)
        share = 1 / max(1, int(np.count_nonzero(is_labeled))) if self.frame_weight is None else self.frame_weight
        weights = np.where(is_labeled, share * self._class_factors(rows), 0)
        return rows.astype(np.float32), weights.astype(np.float32)

    def place(self, layout: Layout, weights: Array) -> tuple[FloatArray, FloatArray]:
        """Return labels (rows, width / total stride, C) and weights (rows, width / total stride), 0 without a label.

        Args:
            layout: positions of the sequences.
            weights: of the placed sequences, in the order of `layout.indices`.
        """
        stride = self.total_stride
        if np.any(layout.start % stride):
            raise ConfigError(
                f"sequences of this layout start between the output frames of a model with total stride {stride}. "
                "Plan with time_geometry=model.time_geometry"
            )
        width = -(-layout.width // stride)
        labels = np.zeros((layout.rows, width, self.num_outputs), np.float32)
        placed = np.zeros((layout.rows, width), np.float32)
        columns = (layout.indices, layout.row, layout.start // stride, layout.offset, layout.length)
        for number, (index, row, start, offset, length) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            of_frames, shares = self.of_sequence(index, offset, length)
            frames = slice(start, start + len(shares))
            labels[row, frames] = of_frames
            placed[row, frames] = shares * weights[number]
        return labels, placed

    def _class_factors(self, rows: Array) -> Array:
        if self.class_weights is None:
            return np.ones(len(rows))
        has = np.maximum(rows, 0)
        counts = has.sum(axis=1)
        return np.where(counts > 0, has @ np.asarray(self.class_weights) / np.maximum(counts, 1), 1.0)
