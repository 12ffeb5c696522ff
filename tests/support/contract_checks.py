"""The contract: one sequence has one answer and one gradient in every layout."""

import math
from typing import NamedTuple

import keras
import numpy as np
import pytest

from seqconv.batching import Batch, FrameTargets, Layout, TokenTargets, make_batch
from seqconv.geometry import output_length
from seqconv.models import LayoutModel, SequenceModel, load_model
from seqconv.tasks import find_task
from seqconv.testing.layouts import by_sequence
from support.random_models import NUM_OUTPUTS

BACKEND = keras.backend.backend()
to_numpy = keras.ops.convert_to_numpy


class Tolerance(NamedTuple):
    """Relative to the values, and to the largest of the array that they stand in."""

    dtype: str
    logits: tuple[float, float]
    gradients: tuple[float, float]


SINGLE = Tolerance("float32", logits=(1e-4, 1e-5), gradients=(1e-4, 1e-4))


def inputs_of(batch: Batch) -> dict:
    return {**batch.as_inputs(), "features": batch.features.astype(keras.config.floatx())}


class RecordingOptimizer(keras.optimizers.Optimizer):
    """Keeps the gradients that training would apply, and changes nothing."""

    def __init__(self):
        super().__init__(learning_rate=1.0)

    def build(self, variables):
        super().build(variables)
        self.recorded = self.add_optimizer_variables(variables, "gradient")

    def update_step(self, gradient, variable, learning_rate):
        self.assign(self.recorded[self._get_variable_index(variable)], keras.ops.cast(gradient, variable.dtype))


def one_step(model: SequenceModel, batch: Batch, task: str = "classification") -> tuple:
    """Loss, gradients and moved statistics of one training step, as `fit` would do it; the model stays as it was."""
    before = model.get_weights()
    if not isinstance(getattr(model, "optimizer", None), RecordingOptimizer):
        loss_fn = find_task(task).make_loss()
        # JAX compiles whole steps faster than their operations one by one.
        model.compile(optimizer=RecordingOptimizer(), loss=loss_fn, run_eagerly=BACKEND != "jax")
    # Keras returns the mean loss of all steps since.
    model.reset_metrics()
    loss = model.train_on_batch(inputs_of(batch), batch.labels, sample_weight=batch.weights)
    after = model.get_weights()
    # A step in inference mode would leave the statistics as they were, alike in every layout.
    for variable, old, new in zip(model.weights, before, after, strict=True):
        is_statistic = isinstance(model, SequenceModel) and "moving_" in variable.path
        assert not is_statistic or (old != new).any(), variable.path
    model.set_weights(before)
    return float(loss), [to_numpy(g.value) for g in model.optimizer.recorded], after


def assert_close(actual, expected, tolerance, name, unit=1.0):
    """`unit`: how large the numbers are of which it was computed; they may cancel to nothing but rounding."""
    relative, of_largest = tolerance
    floor = of_largest * np.abs(expected).max(initial=0) + relative / 100 * unit
    np.testing.assert_allclose(actual, expected, rtol=relative, atol=floor, err_msg=name)


def assert_same_choice(actual, expected, tolerance, name):
    """The same argmax, unless the two best are closer than the tolerance."""
    best, second = np.sort(expected, axis=-1)[..., -1], np.sort(expected, axis=-1)[..., -2]
    is_clear = best - second > 2 * (tolerance[0] * np.abs(best) + tolerance[1] * np.abs(expected).max(initial=0))
    assert (actual.argmax(-1) == expected.argmax(-1))[is_clear].all(), name


def answer(model, inputs):
    """Logits. JAX compiles a whole model faster than its operations one by one."""
    return model.predict_on_batch(inputs) if BACKEND == "jax" else to_numpy(model(inputs))


GARBAGE = (np.nan, 1e6)


def inputs_with_garbage(layout: Layout, arrays) -> dict:
    """The rows of a batch once for each kind of garbage in the padding: what a call costs hangs little on its rows."""
    kinds = [inputs_of(make_batch(layout, arrays, fill=garbage)) for garbage in GARBAGE]
    return {name: np.concatenate([inputs[name] for inputs in kinds]) for name in kinds[0]}


def check_logits(model, arrays, plans, tolerance, tmp_path):
    dtype = keras.config.floatx()
    alone = [answer(model, x[None].astype(dtype))[0] for x in arrays]
    assert all(np.isfinite(logits).all() for logits in alone)
    for name, plan in plans.items():
        layout = plan.epoch(0)[0]
        geometry = model.time_geometry if model.predicts_frames else ()
        inputs = inputs_with_garbage(layout, arrays)
        answers = answer(model, inputs)
        for rows in np.split(answers, len(GARBAGE)):
            logits = by_sequence(rows, layout, geometry, has_frames=model.predicts_frames)
            for ours, expected in zip(logits, alone, strict=True):
                assert_close(ours, expected, tolerance, name)
                assert_same_choice(ours, expected, tolerance, name)
    model.save(tmp_path / "model.keras")
    # Ours are loaded as users load them; that refuses what other packages register, as the stock model of a test.
    load = load_model if isinstance(model, LayoutModel) else keras.saving.load_model
    np.testing.assert_array_equal(answer(load(tmp_path / "model.keras"), inputs), answers)


def labels_for(model, arrays, rng):
    """One-hot labels of the sequences, or of their frames, some of them missing."""
    if not model.predicts_frames:
        return np.eye(NUM_OUTPUTS, dtype="float32")[np.arange(len(arrays)) % NUM_OUTPUTS]
    if rng.random() < 0.5:
        return tokens_for(model, arrays, rng)
    labels = [np.eye(NUM_OUTPUTS)[rng.integers(NUM_OUTPUTS, size=len(x))] for x in arrays]
    for array in labels:
        array[rng.random(len(array)) < 0.2] = np.nan
    return FrameTargets(labels, NUM_OUTPUTS, model.total_stride)


def tokens_for(model, arrays, rng):
    """Random tokens, with repeats, as many as the output frames of the sequence allow, but at most six."""
    rows = np.zeros((len(arrays), 14), np.int32)
    for row, x in zip(rows, arrays, strict=True):
        most = output_length(len(x), model.time_geometry)
        tokens = rng.integers(1, NUM_OUTPUTS, size=min(6, (most + 1) // 2))
        row[0], row[2 : 2 + 2 * len(tokens) : 2] = 1 + 2 * len(tokens), tokens
    return TokenTargets(rows, model.time_geometry)


def check_training(model, arrays, plans, tolerance, rng, labels=None):
    """Return the task that was trained."""
    labels, weights = labels_for(model, arrays, rng) if labels is None else labels, rng.uniform(0.5, 2, len(arrays))
    task = "tokens" if isinstance(labels, TokenTargets) else "classification"
    steps = {}
    for name, plan in plans.items():
        batch = make_batch(plan.epoch(0)[0], arrays, labels=labels, weights=weights, fill=np.nan)
        steps[name] = one_step(model, batch, task)
    loss, gradients, statistics = steps.pop("padded")
    assert math.isfinite(loss)
    assert all(np.isfinite(g).all() for g in gradients)
    # The gradient of a bias before batch normalization is 0: what is left is rounding, of numbers as large as this.
    unit = max(1.0, *(np.abs(gradient).max() for gradient in gradients))
    for name, (other_loss, other_gradients, other_statistics) in steps.items():
        assert other_loss == pytest.approx(loss, rel=tolerance[0]), name
        for ours, theirs in zip(gradients, other_gradients, strict=True):
            assert_close(theirs, ours, tolerance, name, unit)
        for ours, theirs in zip(statistics, other_statistics, strict=True):
            assert_close(theirs, ours, tolerance, name)
    return task
