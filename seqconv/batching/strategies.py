"""Strategies by name: the four of seqconv, and those that users register."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.bucketing import plan_bucketed
from seqconv.batching.packing import plan_packed
from seqconv.batching.padding import plan_padded, plan_single
from seqconv.batching.plans import Plan
from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry, next_start
from seqconv.parts.registry import Registry, register
from seqconv.text import nearest

MOST_GAP = 0.25
"""Part of a mean sequence; wider gaps cost more than buckets, whose padding is about that."""

STRATEGIES: "Registry[Strategy]" = Registry("batching strategy", tag="strategy")


@dataclass(frozen=True)
class Strategy:
    """A way to put sequences into batches.

    Args:
        name: value of `batching.strategy`.
        plan: planner, called as `plan(lengths, *, batch_size, frames_per_batch, seed, too_long, time_geometry, draw)`
            and, if the order is kept for evaluation, with `shuffle=False`; returns a `Plan`. Its other arguments are
            keys of `batching.options`.
        takes: other keys of the section `batching` that the planner takes.
        limits_shapes: whether it takes `max_shapes` for steps that are compiled for each shape.
        fills_rows: whether a row holds several sequences, which some layers cannot tell apart.
        version: raise it when the planner gives other plans for the same lengths and seed.
    """

    registry: ClassVar = STRATEGIES

    name: str
    plan: Callable[..., Plan]
    takes: tuple[str, ...] = ()
    limits_shapes: bool = False
    fills_rows: bool = False
    version: int = 1

    @property
    def function(self) -> Callable[..., Plan]:
        """The planner, by which a strategy is known as ours or a user's own."""
        return self.plan

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Refuse options that the planner does not take.

        Raises:
            ConfigError: names the option and those that the planner takes.
        """
        known = [name for name in inspect.signature(self.plan).parameters if name not in _COMMON + self.takes]
        for name in options:
            if name not in known:
                takes = f"Known: {', '.join(known)}" if known else f"strategy '{self.name}' takes none"
                raise ConfigError(f"batching.options.{name}: unknown option{nearest(name, known)} {takes}")


_COMMON = (
    "lengths", "batch_size", "frames_per_batch", "seed", "shuffle", "too_long", "time_geometry", "draw", "max_frames",
    "max_shapes",
)  # fmt: skip

register(Strategy("packed", plan_packed, takes=("max_shapes", "lookahead"), fills_rows=True))
register(Strategy("bucketed", plan_bucketed, takes=("num_buckets",), limits_shapes=True))
register(Strategy("padded", plan_padded, limits_shapes=True))
register(Strategy("single", plan_single))


def make_plan(strategy: str, lengths: ArrayLike, **options: Any) -> Plan:
    """Call the planner of that name; `options` are its keyword arguments.

    Raises:
        ConfigError: there is no such strategy.

    >>> make_plan("single", [4, 5]).shapes
    (Shape(rows=1, width=4, num_slots=1), Shape(rows=1, width=5, num_slots=1))
    """
    return STRATEGIES[strategy].plan(lengths, **options)


def auto_strategy(lengths: ArrayLike, geometry: TimeGeometry, *, is_packable: bool) -> str:
    """Choose packed, unless rows must hold one sequence each, or gaps between sequences would take much of them.

    >>> from seqconv.geometry import TimeLayer
    >>> auto_strategy([100, 300], [TimeLayer(5)], is_packable=True)
    'packed'
    >>> auto_strategy([100, 300], [TimeLayer(9, dilation=32)], is_packable=True)
    'bucketed'
    """
    mean = float(np.mean(np.asarray(lengths))) if len(np.asarray(lengths)) else 0.0
    return "packed" if is_packable and next_start(0, geometry) <= MOST_GAP * mean else "bucketed"
