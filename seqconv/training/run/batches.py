"""The batches of a run: their layout, the shapes that a compiled step may see, and the size of a step if `auto`."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from seqconv.batching import EpochSampler, Plan, make_plan
from seqconv.batching.strategies import STRATEGIES
from seqconv.config import Config
from seqconv.config.batching import planning_options
from seqconv.errors import ConfigError, list_some
from seqconv.models import SequenceModel
from seqconv.prediction.forward import choose_strategy
from seqconv.training.run.runtime import uses_xla
from seqconv.training.run.training_set import TrainingSet
from seqconv.training.step.memory import StepMemory, is_out_of_memory
from seqconv.training.step.optimization import compile_model
from seqconv.training.step.train_step import CompiledStep, commonest_layouts, time_step, variables_kept

Tell = Callable[[str], None]

SMALLEST = 1024
FEWEST_STEPS = 10
MOST_SECONDS = 5.0
GOOD_SPEED = 0.95
MEMORY_SHARE = 0.6


def plan_batches(
    config: Config, model: SequenceModel, lengths: np.ndarray, draw: EpochSampler | None = None
) -> tuple[Plan, list[str]]:
    """Return the plan of the training batches, and the choice that was made if the strategy is `auto`.

    `draw`: the sequences of each epoch, if that is not every sequence once. If the step is, or may later be, compiled
    for each shape, the plan has at most `batching.max_shapes` of them.

    Raises:
        ConfigError: when sequences are to be packed and a layer of the model cannot be; when a compiled step would see
            more shapes.
    """
    batching, is_compiled = config.batching, uses_xla(config)
    if batching.strategy != "auto" and STRATEGIES[batching.strategy].fills_rows and not model.packable:
        raise ConfigError(
            f"batching.strategy is '{batching.strategy}', but these layers of the model cannot take several "
            f"sequences in one row: {list_some(model.unpackable_layers)}. Set batching.strategy to 'bucketed' or "
            "'auto'."
        )
    strategy, reason = choose_strategy(model, batching.strategy, lengths)
    notes = [f"batching.strategy auto: {strategy}, because {reason}"] if batching.strategy == "auto" else []
    options = planning_options(
        batching, strategy, seed=config.seed, time_geometry=model.time_geometry, is_compiled=is_compiled is not False
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


class Trial(NamedTuple):
    """A size that was tried: frames in a step, real frames a second, bytes that the steps needed."""

    frames: int
    speed: float
    memory: int | None

    def __str__(self) -> str:
        memory = "" if self.memory is None else f"{self.memory / 1e6:,.0f} MB"
        return f"{self.frames:>13,}{self.speed:>15,.0f}{memory:>12}"


def find_budget(config: Config, training_set: TrainingSet, model: SequenceModel, tell: Tell | None = None) -> int:
    """Find the largest power of two that fits the device and trains within 5 % of the most real frames a second.

    A few steps of each size are timed, smallest first. It ends where memory would run out, where an epoch would have
    fewer than 10 steps, or where a step takes longer than 5 s. The variables of the model are what they were
    afterwards. `tell` is called with a line for each size, and with what was chosen.
    """
    say = tell or (lambda line: None)
    compile_model(config, model, [FEWEST_STEPS] * config.training.epochs)
    # One trace for all sizes.
    CompiledStep(model)
    say("batching.frames_per_batch auto: a few steps of each size")
    say("  frames/step  real frames/s      memory")
    memory, trials, end = StepMemory(config.training.device), list[Trial](), ""
    with variables_kept(model):
        for frames, plan in _plans(config, training_set, model):
            if end := _reason_to_end(trials, memory, plan):
                break
            try:
                trials.append(_try_size(frames, plan, training_set, model, memory))
            except Exception as error:
                if not (trials and is_out_of_memory(error)):
                    raise
                end = f"{frames:,} does not fit the memory"
                break
            say(str(trials[-1]))
    chosen = choose_trial(trials).frames
    say(f"chosen {chosen:,}: the largest within {1 - GOOD_SPEED:.0%} of the fastest; {end}\n")
    return chosen


def choose_trial(trials: list[Trial]) -> Trial:
    """Choose the largest among those that are nearly as fast as the fastest.

    >>> choose_trial([Trial(1024, 80.0, None), Trial(2048, 100.0, None), Trial(4096, 96.0, None)]).frames
    4096
    """
    best = max(trial.speed for trial in trials)
    return max(trial for trial in trials if trial.speed >= GOOD_SPEED * best)


def _plans(config: Config, training_set: TrainingSet, model: SequenceModel) -> Iterator[tuple[int, Plan]]:
    """Yield plans for ascending powers of two; the first one has enough steps if any has."""
    lengths = training_set.sequences.lengths
    most = max(1, int(lengths.sum()) // FEWEST_STEPS)
    frames = min(SMALLEST, 1 << (most.bit_length() - 1))
    while True:
        sized = config.with_(batching={"frames_per_batch": frames})
        yield frames, plan_batches(sized, model, lengths, training_set.draw)[0]
        frames *= 2


def _try_size(frames: int, plan: Plan, training_set: TrainingSet, model: SequenceModel, memory: StepMemory) -> Trial:
    layouts = commonest_layouts(plan)
    memory.restart()
    batches = list(training_set.steps(0, layouts, loss_scale=plan.mean_sequences))
    seconds = time_step(model, batches).warm
    real = float(np.mean([layout.num_frames for layout in layouts]))
    return Trial(frames, real / seconds, memory.peak_bytes())


def _reason_to_end(trials: list[Trial], memory: StepMemory, plan: Plan) -> str:
    """Return why the plan of the next size, twice the last, is not tried; empty if it is."""
    if not trials:
        return ""
    last = trials[-1]
    if len(plan) < FEWEST_STEPS:
        return f"{2 * last.frames:,} would leave {len(plan)} steps in an epoch"
    if last.memory is not None and memory.available is not None and 2 * last.memory > MEMORY_SHARE * memory.available:
        return f"{2 * last.frames:,} may not fit the {memory.available / 1e9:.1f} GB of memory that are free"
    if last.frames > MOST_SECONDS * last.speed:
        return f"steps of {2 * last.frames:,} would take longer than {2 * MOST_SECONDS:.0f} s"
    return ""
