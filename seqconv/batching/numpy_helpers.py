"""Lists of arrays of different lengths: pad them, pack them, measure their padding."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.batches import Array, Batch, make_batch
from seqconv.batching.boundaries import assign_buckets, check_boundaries
from seqconv.batching.epochs import EpochTable
from seqconv.batching.layouts import IntArray, Shape
from seqconv.batching.lengths import check_lengths, check_positive
from seqconv.batching.vectorized_packing import Packed
from seqconv.errors import ConfigError, ShapeError
from seqconv.geometry import TimeLayer


def padding_ratio(
    lengths: ArrayLike, boundaries: ArrayLike | None = None, *, batches: Iterable[Sequence[int]] | None = None
) -> float:
    """Return padding frames over all frames.

    Args:
        lengths: frames of each sequence, (n,).
        boundaries: pad each sequence to the boundary of its bucket; or
        batches: indices of the sequences in each batch, padded to its longest. Without either, all are padded to the
            longest.

    >>> padding_ratio([10, 20, 60])
    0.5
    >>> padding_ratio([10, 20, 60], boundaries=[20, 60])
    0.1
    >>> padding_ratio([10, 20, 60], batches=[[0, 1], [2]])
    0.1
    """
    checked = check_lengths(lengths)
    if boundaries is not None and batches is not None:
        raise ConfigError("give boundaries or batches to padding_ratio, not both")
    if batches is not None:
        members = [np.asarray(batch, np.int64) for batch in batches]
        total = sum(len(batch) * int(checked[batch].max()) for batch in members)
        return (total - sum(int(checked[batch].sum()) for batch in members)) / total
    bounds = check_boundaries([checked.max()] if boundaries is None else boundaries)
    padded = bounds[assign_buckets(checked, bounds)]
    return float((padded - checked).sum() / padded.sum())


def pad_sequences(
    sequences: Sequence[ArrayLike], *, length: int | None = None, value: float = 0.0
) -> tuple[Array, IntArray]:
    """Return one array (n, length, d) of sequences padded at their end, and their lengths (n,).

    Args:
        sequences: arrays (time, d), or (time,) each.
        length: frames of each row; default: the longest.
        value: what padding holds.

    Raises:
        ShapeError: where d differs, or a sequence is longer than `length`.

    >>> padded, lengths = pad_sequences([[[1.0], [2.0]], [[3.0]]])
    >>> padded[..., 0]
    array([[1., 2.],
           [3., 0.]])
    >>> lengths
    array([2, 1])
    """
    arrays, lengths = _check_sequences(sequences)
    longest = int(lengths.max())
    if length is not None and longest > length:
        index = int(lengths.argmax())
        raise ShapeError(f"sequence {index} has {longest} frames, more than length={length}. Cut it, or raise length.")
    shape = (len(arrays), length or longest, *arrays[0].shape[1:])
    padded = np.full(shape, value, np.result_type(*arrays))
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded, lengths


def pack_sequences(sequences: Sequence[ArrayLike], *, width: int, gap: int = 0) -> Batch:
    """Pack sequences into as few rows as needed, with at least `gap` zero frames between two in a row.

    Args:
        sequences: arrays (time, d).
        width: frames of each row.
        gap: frames between two sequences.

    Returns:
        A batch; `unpack` and `unpack_frames` with its `layout` give back what belongs to each sequence, in the order
        of `layout.indices`.

    Raises:
        ShapeError: where d differs, or a sequence is longer than `width`.

    >>> batch = pack_sequences([np.ones((3, 1)), np.ones((2, 1)), np.ones((4, 1))], width=7, gap=1)
    >>> batch.segments
    array([[ 0,  0,  0, -1,  1,  1, -1],
           [ 0,  0,  0,  0, -1, -1, -1]], dtype=int32)
    """
    check_positive(width=width)
    if gap < 0:
        raise ConfigError(f"gap={gap}: expected 0 frames or more")
    arrays, lengths = _check_sequences(sequences)
    longest = int(lengths.argmax())
    if lengths[longest] > width:
        raise ShapeError(f"sequence {longest} has {lengths[longest]} frames, more than width={width}. Raise width.")
    geometry = (TimeLayer(2 * gap + 1),)
    one_row = Packed((Shape(1, width, len(arrays)),), geometry, lookahead=len(arrays))
    rows = one_row.assemble(np.arange(len(arrays)), lengths, None)
    shape = Shape(len(rows.row_counts), width, int(rows.row_counts.max()))
    one_batch = rows._replace(shape_ids=np.zeros(1, np.int64))
    return make_batch(EpochTable(one_batch, (shape,), lengths, None, geometry).layout(0), arrays)


def _check_sequences(sequences: Sequence[ArrayLike]) -> tuple[list[Array], IntArray]:
    arrays = [np.asarray(sequence) for sequence in sequences]
    for index, array in enumerate(arrays):
        if not array.ndim or array.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(
                f"sequence {index} has shape {array.shape}, sequence 0 {arrays[0].shape}; only time may differ"
            )
    return arrays, check_lengths([len(array) for array in arrays])
