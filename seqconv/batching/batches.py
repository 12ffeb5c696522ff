"""Conversion from a layout to arrays, and from a model's output back to sequences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqconv.batching.layouts import Layout
from seqconv.errors import ManifestError, ShapeError, list_some
from seqconv.geometry import TimeLayer, output_length, total_stride

Array = NDArray[Any]


class SequenceSource(Protocol):
    """Any object that gives the features of sequence `i`, `(time, d)`."""

    def __getitem__(self, index: int, /) -> Array: ...


@runtime_checkable
class PlacedTargets(Protocol):
    """Targets that are more than one encoded label for each slot: of frames, or of what frames say together."""

    def place(self, layout: Layout, weights: Array, /) -> tuple[Array, Array]:
        """Return labels (rows, ...) and their weights of a layout, from the weights of the placed sequences."""


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch in the format that every layer reads.

    `features` float32 (rows, width, d); `segments` int32 (rows, width): slot within its own row, -1 for padding;
    `lengths` int32 (rows, K): frames in each slot, 0 for an unused one; `labels` (rows, K, ...) or None; `weights`
    float32 (rows, K), 0 for an unused slot; `layout`: which sequence is where. With labels of frames, `labels` are
    (rows, width / total stride, C) and `weights` (rows, width / total stride), 0 where a frame has no label.
    """

    features: NDArray[np.float32]
    segments: NDArray[np.int32]
    lengths: NDArray[np.int32]
    labels: Array | None
    weights: NDArray[np.float32]
    layout: Layout

    def as_inputs(self) -> dict[str, Array]:
        """Return the arguments of a model: features, segments and lengths."""
        return {"features": self.features, "segments": self.segments, "lengths": self.lengths}


def make_batch(
    layout: Layout,
    sequences: SequenceSource,
    *,
    labels: ArrayLike | PlacedTargets | None = None,
    weights: ArrayLike | None = None,
    fill: float = 0.0,
) -> Batch:
    """Copy the features of a layout's sequences into one batch, each once.

    Args:
        layout: from `plan.epoch(...)`.
        sequences: `sequences[i]` is (time, d).
        labels: encoded labels (n, ...), indexed by sequence; or targets such as those of their frames.
        weights: of the sequences, (n,); default 1.
        fill: what padding and gaps hold; tests put NaN there.

    Raises:
        ShapeError: where a sequence is not (time, d), is shorter than planned, or has another d than the first.

    >>> from seqconv.batching import plan_packed
    >>> sequences = [np.ones((3, 2)), np.ones((4, 2))]
    >>> batch = make_batch(plan_packed([3, 4], shuffle=False).epoch(0)[0], sequences)
    >>> batch.segments
    array([[0, 0, 0, 1, 1, 1, 1]], dtype=int32)
    """
    shape = (layout.rows, layout.width, _num_features(layout, sequences))
    features = np.zeros(shape, np.float32) if fill == 0 else np.full(shape, fill, np.float32)
    segments = np.full(shape[:2], -1, np.int32)
    columns = (layout.indices, layout.row, layout.slot, layout.start, layout.length, layout.offset)
    for index, row, slot, start, length, offset in zip(*(column.tolist() for column in columns), strict=True):
        values = sequences[index]
        if values.ndim != 2 or values.shape[1] != shape[2] or len(values) < offset + length:
            raise ShapeError(
                f"sequence {index} has shape {values.shape}; the plan expects at least {offset + length} frames of "
                f"{shape[2]} features, (time, d). Plan with the lengths of these sequences."
            )
        features[row, start : start + length] = values[offset : offset + length]
        segments[row, start : start + length] = slot
    of_sequences = np.ones(len(layout.indices)) if weights is None else _select(weights, layout, "weights")
    lengths = _scatter(layout.length, layout, np.int32)
    if isinstance(labels, PlacedTargets):
        return Batch(features, segments, lengths, *labels.place(layout, of_sequences), layout)
    of_slots = None if labels is None else _scatter(_select(labels, layout, "labels"), layout)
    return Batch(features, segments, lengths, of_slots, _scatter(of_sequences, layout, np.float32), layout)


def _num_features(layout: Layout, sequences: SequenceSource) -> int:
    """Return the number of features, also for a share of a batch that has no sequence."""
    index = int(layout.indices[0]) if len(layout.indices) else 0
    values = sequences[index]
    if values.ndim != 2:
        remedy = " Use x[:, None] for one feature." if values.ndim == 1 else ""
        raise ShapeError(f"sequence {index} has shape {values.shape}; expected (time, d).{remedy}")
    return int(values.shape[1])


def _select(values: ArrayLike, layout: Layout, name: str) -> Array:
    """Return the entries of the placed sequences."""
    array = np.asarray(values)
    needed = int(layout.indices.max(initial=-1)) + 1
    if not array.ndim or len(array) < needed:
        raise ShapeError(
            f"{name} have shape {array.shape}; expected (n, ...) with n at least {needed}, one per sequence"
        )
    return np.asarray(array[layout.indices])


def _scatter(values: Array, layout: Layout, dtype: Any = None) -> Array:
    """Put one value for each placed sequence into its slot, (rows, K, ...); 0 elsewhere."""
    slots = np.zeros((layout.rows, layout.num_slots, *values.shape[1:]), dtype or values.dtype)
    slots[layout.row, layout.slot] = values
    return slots


def unpack(values: ArrayLike, layout: Layout) -> Array:
    """Take the values of the placed sequences (n, ...), in the order of `layout.indices`, from slots (rows, K, ...).

    Raises ShapeError where `values` is not from this layout.

    >>> from seqconv.batching import plan_packed
    >>> layout = plan_packed([3, 4], shuffle=False).epoch(0)[0]
    >>> unpack([[0.25, 0.75, 0, 0]], layout)
    array([0.25, 0.75])
    """
    array = np.asarray(values)
    if array.shape[:2] != (layout.rows, layout.num_slots):
        raise ShapeError(f"values have shape {array.shape}; this layout gives ({layout.rows}, {layout.num_slots}, ...)")
    return np.asarray(array[layout.row, layout.slot])


def unpack_frames(values: ArrayLike, layout: Layout, time_geometry: Sequence[TimeLayer] = ()) -> list[Array]:
    """Return frame-wise values of each placed sequence, views of (time, ...), from (rows, width / total stride, ...).

    >>> from seqconv.batching import pack_sequences
    >>> packed = pack_sequences([np.ones((2, 1)), np.zeros((3, 1))], width=6, gap=1)
    >>> [len(frames) for frames in unpack_frames(packed.features, packed.layout)]
    [2, 3]
    """
    array = np.asarray(values)
    if array.ndim < 2 or array.shape[0] != layout.rows:
        raise ShapeError(f"values have shape {array.shape}; expected ({layout.rows}, time, ...)")
    first = layout.start // total_stride(time_geometry)
    counts = [output_length(length, time_geometry) for length in layout.length.tolist()]
    return [
        array[row, start : start + count]
        for row, start, count in zip(layout.row.tolist(), first.tolist(), counts, strict=True)
    ]


def restore_order(parts: Iterable[tuple[Layout, ArrayLike]], num_sequences: int) -> Array:
    """Put values (num_sequences, ...) into the original order, from each layout's unpacked values (n, ...).

    Raises ManifestError where a sequence is missing or comes twice.

    >>> from seqconv.batching import plan_single
    >>> parts = [(layout, layout.indices * 10) for layout in plan_single([3, 1, 2]).epoch(5)]
    >>> restore_order(parts, 3)
    array([ 0, 10, 20])
    """
    pairs = [(layout.indices, np.asarray(values)) for layout, values in parts]
    for indices, values in pairs:
        if len(indices) != len(values):
            raise ShapeError(f"{len(values)} values for {len(indices)} sequences; pass what `unpack` returned")
    indices = np.concatenate([indices for indices, _ in pairs]) if pairs else np.zeros(0, np.int64)
    counts = np.bincount(indices, minlength=num_sequences)
    if len(counts) > num_sequences or np.any(counts != 1):
        missing, twice = np.flatnonzero(counts[:num_sequences] == 0), np.flatnonzero(counts > 1)
        problem = (
            f"no value for sequences {list_some(missing)}" if len(missing) else f"two values for {list_some(twice)}"
        )
        raise ManifestError(f"{problem}; expected one for each of {num_sequences} sequences, without too_long='drop'")
    restored = np.concatenate([values for _, values in pairs])
    ordered = np.empty_like(restored)
    ordered[indices] = restored
    return ordered
