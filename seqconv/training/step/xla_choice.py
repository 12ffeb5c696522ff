"""The choice of XLA by timing the first steps."""

from dataclasses import replace

from seqconv.batching.strategies import STRATEGIES
from seqconv.text import amount
from seqconv.training.run.runtime import is_determinism_on, uses_xla
from seqconv.training.run.setup import RunSetup, equip
from seqconv.training.step.train_step import CompiledStep, StepTime, commonest_layouts, time_step, variables_kept


def choose_compilation(experiment: RunSetup) -> RunSetup:
    """Return the setup with `training.jit_compile` decided, and the decision in its notes.

    Where the config leaves it to measurement (`uses_xla` is None), a few steps are timed without XLA and with it, and
    XLA is used where that pays within this run. Afterwards, the variables of the model are what they were before, so
    that the run does not depend on the measurement.
    """
    # A head in closed form takes no step.
    if uses_xla(experiment.config) is not None or experiment.config.training.is_closed_form:
        return experiment
    model = experiment.model
    if obstacle := _find_obstacle(experiment):
        return _decide(experiment, f"XLA: not tried, {obstacle}", None)
    layouts = commonest_layouts(experiment.plan)
    batches = list(experiment.training_set.steps(0, layouts, loss_scale=experiment.loss_scale))
    with variables_kept(model):
        plain = time_step(model, batches)
        rest = sum(experiment.steps) * plain.warm
        if rest < 2 * plain.first:
            # Compiling takes longer than tracing, which is most of the first step.
            return _decide(experiment, f"XLA: not tried, the steps of this run take about {rest:.0f} s without", None)
        model.jit_compile = True
        compiled = CompiledStep(model, experiment.plan.shapes)
        import tensorflow as tf

        try:
            xla = time_step(model, batches)
        except tf.errors.OpError as error:
            reason = str(error).strip().splitlines()[0]
            return _decide(experiment, f"XLA: not used, it cannot compile this model: {reason}", None)
    pays, found = weigh(plain, xla, num_steps=sum(experiment.steps), num_shapes=len(experiment.plan.shapes))
    return _decide(experiment, f"XLA: {found}", compiled if pays else None)


def _find_obstacle(experiment: RunSetup) -> str:
    shapes, limit = len(experiment.plan.shapes), experiment.config.batching.max_shapes
    if shapes > limit:
        return f"{shapes} shapes are more than batching.max_shapes {limit}"
    if is_determinism_on():
        return "an earlier run of this process has switched on TensorFlow's op determinism, which excludes it"
    return ""


def weigh(plain: StepTime, xla: StepTime, *, num_steps: int, num_shapes: int) -> tuple[bool, str]:
    """Return whether XLA saves more in `num_steps` than compiling `num_shapes` shapes costs, and a note on it.

    >>> weigh(StepTime(2.0, 0.1), StepTime(9.0, 0.05), num_steps=1000, num_shapes=2)
    (True, '2.0x faster, compiles 2 shapes in about 18 s')
    """
    cost = num_shapes * (xla.first - xla.warm)
    shapes = amount(num_shapes, "shape")
    if xla.warm >= plain.warm:
        return False, f"not used, {xla.warm / plain.warm:.1f}x slower"
    if num_steps * (plain.warm - xla.warm) <= cost:
        speed = f"{plain.warm / xla.warm:.1f}x faster"
        return False, f"not used, {speed}, but compiling {shapes} takes about {cost:.0f} s, longer than this run gains"
    return True, f"{plain.warm / xla.warm:.1f}x faster, compiles {shapes} in about {cost:.0f} s"


def _decide(experiment: RunSetup, note: str, compiled: CompiledStep | None) -> RunSetup:
    """Return the setup with the chosen step: `compiled`, or without XLA."""
    model, notes = experiment.model, [*experiment.notes, note]
    config = experiment.config.with_(training={"jit_compile": compiled is not None})
    if compiled is None and STRATEGIES[experiment.plan.strategy].limits_shapes:
        # Without a limit on its shapes another plan is better, and it is the one that this config makes.
        other = equip(config, experiment.data, model, experiment.training_set)
        return replace(other, notes=notes, transfer=experiment.transfer)
    if compiled is None:
        model.jit_compile = False
        experiment.step.install()
    return replace(experiment, config=config, step=compiled or experiment.step, notes=notes)
