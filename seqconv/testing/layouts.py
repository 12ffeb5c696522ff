"""All sequences in a single batch, in each layout; and one sequence in pieces, as streaming feeds them."""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
from keras import ops

from seqconv.batching import Layout, Plan, plan_bucketed, plan_packed, plan_padded, unpack, unpack_frames
from seqconv.geometry import TimeLayer, halo, next_start, total_stride
from seqconv.layers.reduction import Summary
from seqconv.testing.subject import Array, Subject, as_array

_REMEDY = (
    "Set chunkable = False if the layer needs a whole sequence at once. Otherwise declare all that it reads "
    "(time_layer), or be per_sequence, with summarize, merge and the call argument summary"
)
NUM_PIECES = 3


def plans_in_one_step(lengths: Sequence[int], geometry: Sequence[TimeLayer], *, packable: bool) -> dict[str, Plan]:
    """Return plans of one batch by the name of their layout: padded, bucketed, and packed where that is possible.

    Rows of the bucketed one are longer than those of the padded one.

    >>> {name: plan.epoch(0)[0].rows for name, plan in plans_in_one_step([3, 4], (), packable=True).items()}
    {'padded': 2, 'bucketed': 2, 'packed': 1}
    """
    options: dict[str, Any] = {"time_geometry": geometry, "shuffle": False}
    width = next_start(max(lengths), geometry) + 9 + total_stride(geometry)
    frames = 2 * len(lengths) * width
    plans: dict[str, Plan] = {
        "padded": plan_padded(lengths, batch_size=len(lengths), **options),
        "bucketed": plan_bucketed(lengths, boundaries=[width], frames_per_batch=frames, **options),
    }
    if packable:
        plans["packed"] = plan_packed(lengths, frames_per_batch=frames, **options)
    return plans


def by_sequence(values: Array, layout: Layout, geometry: Sequence[TimeLayer], *, has_frames: bool) -> list[Array]:
    """Return the values of each sequence, in order, from those of a batch: of its frames, or of its slot."""
    parts = unpack_frames(values, layout, geometry) if has_frames else list(unpack(values, layout))
    return [parts[position] for position in np.argsort(layout.indices)]


def check_pieces(subject: Subject, array: Array, alone: Array) -> None:
    """Check that a sequence gives the same outputs in pieces.

    Raises:
        ModelError: it does not.
    """
    layout = "chunkable, in pieces"
    with subject.doing(layout, _REMEDY):
        if subject.contract.values_per_channel:
            context = getattr(subject.layer, "context", None)
            given = {} if context is None else {"context_summary": _summarize(subject, context, array)}
            found = as_array(subject.layer.finish(_summarize(subject, subject.layer, array, **given)))[0]
        else:
            given = {"summary": _summarize(subject, subject.layer, array)} if subject.contract.per_sequence else {}
            found = np.concatenate(list(_outputs_of_windows(subject, array, len(alone), given)))
    subject.compare([found], [alone], [len(array)], layout, _REMEDY)


def _summarize(subject: Subject, layer: Any, array: Array, **given: Any) -> Summary:
    """Return statistics of a sequence, from those of its pieces."""
    pieces = [piece for piece in np.array_split(array, NUM_PIECES) if len(piece)]
    rows = [(subject.inputs(piece[None]), np.ones((1, len(piece)), bool)) for piece in pieces]
    summaries = [layer.summarize(*row, **given) for row in rows]
    merged: Summary = reduce(layer.merge, summaries)
    return merged


def _outputs_of_windows(subject: Subject, array: Array, num_outputs: int, given: dict[str, Any]) -> Iterator[Array]:
    """Output frames, from windows with as many frames on both sides as the layer reads."""
    stride, (left, right) = total_stride(subject.geometry), halo(subject.geometry)
    left = -(-left // stride) * stride
    for outputs in filter(len, np.array_split(np.arange(num_outputs), NUM_PIECES)):
        frames = np.arange(outputs[0] * stride - left, outputs[-1] * stride + right + 1)
        is_real = (frames >= 0) & (frames < len(array))
        features = np.where(is_real[:, None], array[np.clip(frames, 0, len(array) - 1)], np.nan)
        returned = subject.call(features[None].astype(subject.dtype), ops.convert_to_tensor(is_real[None]), **given)
        values = as_array(returned[0] if subject.geometry else returned)[0]
        yield values[left // stride : left // stride + len(outputs)]
