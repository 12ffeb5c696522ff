"""A layer fed piece by piece, as streaming does it."""

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
from keras import ops

from seqconv.geometry import halo, total_stride
from seqconv.layers.reduction import Summary
from seqconv.testing.subject import Array, Subject, as_array

_REMEDY = (
    "Set chunkable = False if the layer needs a whole sequence at once. Otherwise declare all that it reads "
    "(time_layer), or be per_sequence, with summarize, merge and the call argument summary"
)
NUM_PIECES = 3


def check_pieces(subject: Subject, array: Array, alone: Array) -> None:
    """Check that a sequence gives the same outputs in pieces.

    Raises:
        ModelError: it does not.
    """
    layout = "chunkable, in pieces"
    with subject.doing(layout, _REMEDY):
        if subject.contract.values_per_channel:
            context = getattr(subject.layer, "context", None)
            given = {} if context is None else {"context_summary": _summarize(context, array)}
            found = as_array(subject.layer.finish(_summarize(subject.layer, array, **given)))[0]
        else:
            given = {"summary": _summarize(subject.layer, array)} if subject.contract.per_sequence else {}
            found = np.concatenate(list(_outputs_of_windows(subject, array, len(alone), given)))
    subject.compare([found], [alone], [len(array)], layout, _REMEDY)


def _summarize(layer: Any, array: Array, **given: Any) -> Summary:
    """Return statistics of a sequence, from those of its pieces."""
    pieces = [piece for piece in np.array_split(array, NUM_PIECES) if len(piece)]
    summaries = [layer.summarize(piece[None], np.ones((1, len(piece)), bool), **given) for piece in pieces]
    merged: Summary = reduce(layer.merge, summaries)
    return merged


def _outputs_of_windows(subject: Subject, array: Array, num_outputs: int, given: dict[str, Any]) -> Iterator[Array]:
    """Output frames, from windows with as many frames on both sides as the layer reads."""
    stride, (left, right) = total_stride(subject.geometry), halo(subject.geometry)
    left = -(-left // stride) * stride
    for outputs in np.array_split(np.arange(num_outputs), NUM_PIECES):
        if not len(outputs):
            continue
        frames = np.arange(outputs[0] * stride - left, outputs[-1] * stride + right + 1)
        is_real = (frames >= 0) & (frames < len(array))
        features = np.where(is_real[:, None], array[np.clip(frames, 0, len(array) - 1)], np.nan)
        returned = subject.call(features[None].astype(subject.dtype), ops.convert_to_tensor(is_real[None]), **given)
        values = as_array(returned[0] if subject.geometry else returned)[0]
        yield values[left // stride : left // stride + len(outputs)]
