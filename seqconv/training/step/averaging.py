"""Averaged weights: validated and saved, while training goes on with those of the moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from seqconv.batching import make_batch, make_plan
from seqconv.config import Config
from seqconv.config.averaging import MovingAverage, TailAverage
from seqconv.models import SequenceModel
from seqconv.models.statistics import Moments, adapting_layers, batch_moments, unpackable_before
from seqconv.sources import Source
from seqconv.training.run.setup import RunSetup

STATISTICS_FRAMES = 1 << 15
"""Frames of a batch over which normalization is measured again: small data is one batch."""


class WeightAverage:
    """The average of the weights of a run (`training.averaging`), if it has one.

    Its numbers are variables of the optimizer, so that checkpoints hold them. The moving average is Keras's own
    (`use_ema`), step by step; Keras's callback for it (`SwapEMAWeights`) is not used: on TensorFlow it adds and
    subtracts, which rounds the weights each time, and it leaves normalization the statistics of other weights.

    >>> from seqconv.config import load_config
    >>> first_averaged_epoch(load_config({"training": {"epochs": 20, "averaging": "swa"}}))
    15
    """

    def __init__(self, experiment: RunSetup) -> None:
        self._experiment, self._model = experiment, experiment.model
        self._settings = experiment.config.training.averaging
        self._next: list[np.ndarray] = []
        self._averages: list[Any] = []
        optimizer: Any = getattr(self._model.optimizer, "inner_optimizer", self._model.optimizer)
        if isinstance(self._settings, MovingAverage):
            self._averages = optimizer._model_variables_moving_average
        elif self._settings is not None:
            self._averages = optimizer.add_optimizer_variables(self._model.trainable_variables, "tail_average")

    @contextmanager
    def away(self) -> Iterator[None]:
        """Restore after the block the weights and statistics that the model is trained on, bit for bit."""
        weights = None if self._settings is None else self._model.get_weights()
        try:
            yield
        finally:
            if weights is not None:
                self._model.set_weights(weights)

    def put(self, epoch: int) -> None:
        """Set the model to the averages at the end of an epoch, and normalize by separate statistics."""
        if self._settings is None or epoch < first_averaged_epoch(self._experiment.config):
            return
        variables = self._model.trainable_variables
        self._next = [self._average(epoch, *pair) for pair in zip(variables, self._averages, strict=True)]
        for variable, average in zip(variables, self._next, strict=True):
            variable.assign(average)
        recompute_statistics(self._model, self._experiment.data.train, seed=self._experiment.config.seed)

    def commit(self) -> None:
        """End the epoch: its weights are part of the average from now on."""
        if isinstance(self._settings, TailAverage):
            for average, value in zip(self._averages, self._next, strict=False):
                average.assign(value)
        self._next = []

    def _average(self, epoch: int, variable: Any, average: Any) -> np.ndarray:
        before: np.ndarray = np.array(keras.ops.convert_to_numpy(average))
        if isinstance(self._settings, MovingAverage):
            return before
        now = np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
        count = epoch - first_averaged_epoch(self._experiment.config)
        mean: np.ndarray = (before + (now - before) / (count + 1)).astype(before.dtype)
        return mean


def first_averaged_epoch(config: Config) -> int:
    """Return the epoch, from 0, from which on averaged weights are validated and saved."""
    averaging = config.training.averaging
    return config.training.epochs - averaging.last_epochs if isinstance(averaging, TailAverage) else 0


def recompute_statistics(model: SequenceModel, source: Source, *, seed: int = 0) -> None:
    """Set batch normalization to the mean and variance of its inputs over all frames of a source, each frame once.

    One pass over packed batches of 32,768 frames, whatever the layout of training. Within a batch, layers normalize by
    what they find in it, as in training; over batches, moments are merged in float64 (Wu and Johnson 2021, "Rethinking
    Batch in BatchNorm", section 3). Where all frames fit one batch, this is exact for every layer. Frozen layers keep
    theirs.

    >>> from seqconv.models import build_model
    >>> from seqconv.data.sequences import Sequences
    >>> model = build_model({"blocks": [{"filters": 1, "kernel_size": 1}]}, num_features=1, num_outputs=2)
    >>> model.stack.layers_of_block(0)[0].set_weights([np.ones((1, 1, 1))])
    >>> recompute_statistics(model, Sequences([np.zeros((2, 1)), np.ones((2, 1))]))
    >>> model.stack.layers_of_block(0)[1].moving_variance.numpy().tolist()
    [0.25]
    """
    layers = adapting_layers(model)
    if not layers:
        return
    strategy = "bucketed" if unpackable_before(model) else "packed"
    plan = make_plan(
        strategy, source.lengths, frames_per_batch=STATISTICS_FRAMES, seed=seed, time_geometry=model.time_geometry
    )
    found: list[Moments] = []
    for layout in plan.epoch(0):
        moments = batch_moments(model, make_batch(layout, source).as_inputs())
        found = [one.merged(two) for one, two in zip(found, moments, strict=True)] if found else moments
    for layer, moment in zip(layers, found, strict=True):
        layer.moving_mean.assign(moment.mean.astype(layer.variable_dtype))
        layer.moving_variance.assign(moment.variance.astype(layer.variable_dtype))
