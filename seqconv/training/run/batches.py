"""The batches of a run: their layout, and how many shapes a compiled step may see."""

import numpy as np

from seqconv.batching import EpochSampler, Plan, make_plan
from seqconv.batching.strategies import STRATEGIES
from seqconv.config import Config
from seqconv.config.batching import planning_options
from seqconv.errors import ConfigError, list_some
from seqconv.models import SequenceModel
from seqconv.prediction.forward import choose_strategy
from seqconv.training.run.runtime import uses_xla


def plan_batches(
    config: Config, model: SequenceModel, lengths: np.ndarray, draw: EpochSampler | None = None
) -> tuple[Plan, list[str]]:
    """Return the plan of the training batches, and the choice that was made if the strategy is `auto`.

    `draw`: what each epoch holds, where that is not every sequence once. Where the step is, or may yet be, compiled for
    each shape, the plan has at most `batching.max_shapes` of them.

    Raises:
        ConfigError: when sequences are to be packed and a layer of the model cannot be; when a compiled step would see
            more shapes.
    """
    batching, is_compiled = config.batching, uses_xla(config)
    if batching.strategy != "auto" and STRATEGIES[batching.strategy].fills_rows and not model.packable:
        raise ConfigError(
            f"batching.strategy is '{batching.strategy}', but these layers of the model cannot tell the sequences of a "
            f"row apart: {list_some(model.unpackable_layers)}. Set batching.strategy to 'bucketed' or 'auto'."
        )
    strategy, reason = choose_strategy(model, batching.strategy)
    notes = [f"batching.strategy auto: {strategy}, because {reason}"] if batching.strategy == "auto" else []
    options = planning_options(
        batching,
        strategy,
        seed=config.seed,
        time_geometry=model.time_geometry,
        is_compiled=is_compiled is not False,
    )
    plan = make_plan(strategy, lengths, draw=draw, **options)
    if is_compiled and len(plan.shapes) > batching.max_shapes:
        remedy = "" if strategy != "single" else " set batching.strategy to 'padded' or 'auto',"
        raise ConfigError(
            f"the training step is compiled for each shape (training.jit_compile), and these {strategy} batches have "
            f"{len(plan.shapes)} shapes, but batching.max_shapes is {batching.max_shapes}. Either{remedy} set "
            f"batching.max_shapes to {len(plan.shapes)}, or set training.jit_compile to false."
        )
    return plan, notes
