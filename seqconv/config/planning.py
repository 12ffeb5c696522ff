"""The `batching` section as options of a planner."""

from typing import Any

from seqconv.batching.strategies import STRATEGIES
from seqconv.config.batching import BatchingConfig
from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry


def planning_options(
    batching: BatchingConfig, strategy: str, *, seed: int, time_geometry: TimeGeometry, is_compiled: bool = False
) -> dict[str, Any]:
    """Return the keyword arguments of `make_plan(strategy, lengths, ...)`.

    Args:
        batching: the section.
        strategy: name of a strategy.
        seed: of the shuffling.
        time_geometry: the model's.
        is_compiled: steps are compiled for each shape (XLA), so that bucketed and padded plans keep to `max_shapes` as
            packed ones always do.

    Raises:
        ConfigError: `frames_per_batch` is yet to be measured.

    >>> sorted(planning_options(BatchingConfig(batch_size=8), "bucketed", seed=0, time_geometry=()))
    ['batch_size', 'frames_per_batch', 'num_buckets', 'seed', 'time_geometry', 'too_long']
    """
    if batching.frames_per_batch == "auto":
        raise ConfigError(
            "batching.frames_per_batch is 'auto': training measures it, with the model and on the device. To plan "
            "without that, give a number: --frames-per-batch 16384, --batch-size 32, or what the config.yaml of a run "
            "has."
        )
    options: dict[str, Any] = {
        "batch_size": batching.sequences_per_step,
        "frames_per_batch": batching.frames_per_batch,
        "seed": seed,
        "too_long": batching.too_long,
        "time_geometry": time_geometry,
    }
    chosen = STRATEGIES[strategy]
    keys = (*chosen.takes, "max_shapes") if chosen.limits_shapes and is_compiled else chosen.takes
    own = batching.options if strategy == batching.strategy else {}
    return {**options, **{key: getattr(batching, key) for key in keys}, **own}
