"""The four strategies by name."""

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from seqconv.batching.bucketing import plan_bucketed
from seqconv.batching.packing import plan_packed
from seqconv.batching.padding import plan_padded, plan_single
from seqconv.batching.plans import Plan
from seqconv.errors import ConfigError, list_some

STRATEGIES: dict[str, Callable[..., Plan]] = {
    "packed": plan_packed,
    "bucketed": plan_bucketed,
    "padded": plan_padded,
    "single": plan_single,
}


def make_plan(strategy: str, lengths: ArrayLike, **options: Any) -> Plan:
    """Call the planner of that name; `options` are its keyword arguments.

    Raises ConfigError for an unknown strategy.

    >>> make_plan("single", [4, 5]).shapes
    (Shape(rows=1, width=4, num_slots=1), Shape(rows=1, width=5, num_slots=1))
    """
    if strategy not in STRATEGIES:
        raise ConfigError(f"batching.strategy={strategy!r}: expected one of {list_some(STRATEGIES)}")
    return STRATEGIES[strategy](lengths, **options)
