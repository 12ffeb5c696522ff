"""All sequences in a single batch, in each layout."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.batching import Layout, Plan, plan_bucketed, plan_packed, plan_padded, unpack, unpack_frames
from seqconv.geometry import TimeLayer, next_start, total_stride

Array = npt.NDArray[Any]


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
