"""`training.averaging`: the mean of the weights of many steps or epochs, instead of those of one moment."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from seqconv.parts import PositiveInt, Section

NOTABLE_SHARE = 0.05


class MovingAverage(Section):
    """Exponential moving average of the weights, step by step (Polyak and Juditsky 1992)."""

    type: Literal["ema"]
    decay: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.99, description="Part of the average that a step keeps: it reaches about 1 / (1 - decay) steps back."
    )


class TailAverage(Section):
    """Plain mean of the weights at the ends of the last epochs: stochastic weight averaging (Izmailov et al. 2018)."""

    type: Literal["swa"]
    last_epochs: PositiveInt = Field(default=5, description="So many epochs at the end of the run are averaged.")


Averaging = Annotated[MovingAverage | TailAverage, Field(discriminator="type")]


def _as_section(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


NamedAveraging = Annotated[
    Averaging | None, BeforeValidator(_as_section, json_schema_input_type=Literal["ema", "swa"] | Averaging | None)
]
"""A section, or its name alone."""


def averaging_problems(averaging: Averaging | None, *, epochs: int, stops_early: bool) -> Iterator[str]:
    """Yield the settings of the run that prevent averaging over the last epochs."""
    if not isinstance(averaging, TailAverage):
        return
    if averaging.last_epochs > epochs:
        yield (
            f"training.averaging.last_epochs: {averaging.last_epochs} is more than training.epochs {epochs}. Lower it."
        )
    if stops_early:
        yield (
            "training.averaging: 'swa' averages the last epochs of the run, and training.early_stopping may end it "
            "before they begin. Set one of them to null, or averaging to {type: ema}."
        )


def describe_reach(averaging: Averaging | None, num_steps: int) -> list[str]:
    """Warn of a moving average that reaches back to the random weights of the beginning.

    >>> describe_reach(MovingAverage(type="ema", decay=0.999), 400)[0][:73]
    'training.averaging: after all 400 steps, 67 % of the average are still th'
    """
    share = averaging.decay**num_steps if isinstance(averaging, MovingAverage) else 0.0
    if share < NOTABLE_SHARE:
        return []
    better = math.floor(100 * 0.01 ** (1 / num_steps)) / 100
    return [
        f"training.averaging: after all {num_steps:,} steps, {100 * share:.0f} % of the average are still the weights "
        f"of the first step. With decay {better:g} it would be less than 1 %"
    ]
