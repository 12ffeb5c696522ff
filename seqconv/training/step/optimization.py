"""Loss, metrics, optimizer and learning-rate schedule."""

import math
from typing import Any

import keras
from keras import ops

from seqconv.config import Config
from seqconv.config.averaging import MovingAverage
from seqconv.config.training import TrainingConfig
from seqconv.models.card import model_target
from seqconv.training.run.runtime import uses_xla

# Of what varies from batch to batch in a label; enough for the counts that it may begin with.
_SOME_SIZE = 8


def compile_model(config: Config, model: keras.Model, steps_per_epoch: list[int]) -> None:
    """Give the model the optimizer, loss and metrics of the config; without XLA if that is measured later.

    All of their variables are there afterwards: a state can be taken before the first step, and put back.
    """
    target, training = model_target(model), config.training
    task = target.definition
    options = training.label_smoothing, training.focusing
    optimizer, loss = make_optimizer(training, steps_per_epoch), task.make_loss(*options)
    model.compile(optimizer, loss, weighted_metrics=task.make_metrics(*options), jit_compile=bool(uses_xla(config)))
    model.optimizer.build(model.trainable_variables)
    label = ops.zeros((1, 1, *(size or _SOME_SIZE for size in task.label_shape(target))), task.label_dtype)
    nothing = {"y": label, "y_pred": ops.zeros((1, 1, model.num_outputs))}
    model.compute_loss(None, **nothing, sample_weight=ops.zeros((1, 1)))
    model.compute_metrics(None, **nothing, sample_weight=ops.zeros((1, 1)))
    model.reset_metrics()


@keras.saving.register_keras_serializable(package="seqconv")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Linear rise over `warmup_steps`, then constant, or a cosine down to 0 at `total_steps`.

    Loshchilov and Hutter 2017 for the cosine (without restarts).
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int = 0, decay: str = "cosine") -> None:
        self.peak, self.total_steps, self.warmup_steps, self.decay = peak, total_steps, warmup_steps, decay

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rate = ops.full_like(step, self.peak)
        if self.decay == "cosine":
            progress = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
            rate = self.peak * 0.5 * (1 + ops.cos(math.pi * ops.clip(progress, 0, 1)))
        if self.warmup_steps:
            rising = self.peak * (step + 1) / self.warmup_steps
            rate = ops.where(step < self.warmup_steps, rising, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("peak", "total_steps", "warmup_steps", "decay")}


def make_optimizer(config: TrainingConfig, steps_per_epoch: list[int]) -> keras.optimizers.Optimizer:
    """Make the optimizer of the config, its schedule sized by the steps of all epochs."""
    rate: Any = config.learning_rate
    if config.schedule != "constant" or config.warmup_epochs:
        whole = int(config.warmup_epochs)
        warmup = sum(steps_per_epoch[:whole])
        if whole < len(steps_per_epoch):
            warmup += round((config.warmup_epochs - whole) * steps_per_epoch[whole])
        rate = WarmupSchedule(config.learning_rate, sum(steps_per_epoch), warmup, config.schedule)
    options: dict[str, Any] = {"learning_rate": rate, "clipnorm": config.gradient_clip}
    if config.weight_decay:
        options["weight_decay"] = config.weight_decay
    if isinstance(config.averaging, MovingAverage):
        options |= {"use_ema": True, "ema_momentum": config.averaging.decay}
    optimizer = keras.optimizers.get({"class_name": config.optimizer, "config": options})
    if isinstance(config.averaging, MovingAverage):
        # Keras puts averages in the place of the weights at the end of each `fit`, and ours lasts an epoch.
        optimizer.finalize_variable_values = _leave
    if config.weight_decay:
        # Decay pulls kernels towards zero; for offsets and scales that would be a bias.
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def _leave(variables: list[Any]) -> None:
    """Leave variables as they are."""
