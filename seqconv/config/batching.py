"""The `batching` section: how sequences of different length share a batch; its keys as options of a planner."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from seqconv.batching.strategies import STRATEGIES
from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry
from seqconv.parts import NameOf, PositiveInt, Section

Strategy = Annotated[str, NameOf(STRATEGIES, "auto")]
TooLong = Literal["error", "drop", "crop", "own_batch"]
DEFAULT_BATCH_SIZE = 32


class BatchingConfig(Section):
    """Strategy and size of batches. The strategy changes the cost of a run, never the answer of the model."""

    strategy: Strategy = Field(
        default="auto",
        description="packed: several sequences in a row; bucketed: neighbors in length; auto: packed, unless a layer "
        "forbids it, or gaps between sequences would be more than a quarter of them.",
    )
    batch_size: PositiveInt | None = Field(
        default=None, description=f"Sequences per step, on average; {DEFAULT_BATCH_SIZE} if nothing is given."
    )
    frames_per_batch: PositiveInt | Literal["auto"] | None = Field(
        default=None,
        description="Most frames per step, instead of batch_size; packed steps may have a tenth fewer. auto: the "
        "largest power of two that fits the device and is nearly as fast as any, measured on a few steps.",
    )
    too_long: TooLong = Field(
        default="own_batch", description="What happens to sequences longer than a row; own_batch: a longer row."
    )
    max_shapes: PositiveInt = Field(default=4, description="Most different (rows, width), each compiled once.")
    lookahead: PositiveInt = Field(default=200, description="Sequences that a packed plan looks ahead to fill a row.")
    num_buckets: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=16, description="Buckets of bucketed plans; fewer if there are few sequences."
    )

    options: dict[str, Any] = Field(default={}, description="Keys of a strategy of your own.")

    @model_validator(mode="after")
    def _keys_agree(self) -> "BatchingConfig":
        if self.strategy != "auto":
            STRATEGIES[self.strategy].check_options(self.options)
        elif self.options:
            raise ConfigError("batching.options are keys of a strategy of your own, but strategy is 'auto'. Name it")
        if self.batch_size is not None and self.frames_per_batch is not None:
            raise ValueError(
                f"batch_size={self.batch_size} and frames_per_batch={self.frames_per_batch} both size a batch; keep one"
            )
        return self

    @property
    def sequences_per_step(self) -> int | None:
        """`batch_size`, or its default; None if `frames_per_batch` sets the size of the batch."""
        return self.batch_size or (None if self.frames_per_batch else DEFAULT_BATCH_SIZE)


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
    chosen = STRATEGIES[strategy]
    keys = ["frames_per_batch", "too_long", *chosen.takes]
    keys += ["max_shapes"] if chosen.limits_shapes and is_compiled else []
    options = {"batch_size": batching.sequences_per_step, "seed": seed, "time_geometry": time_geometry}
    own = batching.options if strategy == batching.strategy else {}
    return {**options, **{key: getattr(batching, key) for key in keys}, **own}
