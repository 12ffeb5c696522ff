"""Averaged weights: of which steps and epochs, with which statistics, the same in every layout, resumable."""

import os
import signal

import keras
import numpy as np
import pytest
from support.training_data import classified, quick

from seqconv.batching import make_batch, make_plan
from seqconv.config import load_config
from seqconv.config.averaging import describe_reach
from seqconv.config.training import OPTIMIZERS
from seqconv.data.datasets import load_datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.evaluation import evaluate
from seqconv.models import build_model, load_model
from seqconv.models.stack import TrunkState, run
from seqconv.models.statistics import adapting_layers
from seqconv.training import resume, train
from seqconv.training.run.loop import run_steps
from seqconv.training.run.setup import prepare
from seqconv.training.state.interrupts import RunStopped
from seqconv.training.step.averaging import WeightAverage, recompute_statistics
from seqconv.training.step.optimization import make_optimizer

DEEP = {
    "defaults": {"norm": "batch"},
    "blocks": [
        {"filters": 6, "kernel_size": 5, "dropout": 0.3},
        {"type": "residual", "filters": 8, "kernel_sizes": [3], "strides": 2},
    ],
    "pooling": ["mean", "max"],
}
EMA = {"type": "ema", "decay": 0.8}
SWA = {"type": "swa", "last_epochs": 2}
KINDS = {"plain": None, "ema": EMA, "swa": SWA}
RUN = {"epochs": 3, "learning_rate": 1e-2, "monitor": "val_loss"}


class Watch(keras.callbacks.Callback):
    """Keeps the weights after each step, and those that callbacks see at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.steps, self.shown, self.begun = [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(self.model.get_weights())

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append([np.array(variable) for variable in self.model.trainable_variables])

    def on_epoch_end(self, epoch, logs=None):
        self.shown.append([np.array(variable) for variable in self.model.trainable_variables])


def watched(path, averaging, **sections):
    watch = Watch()
    training = {**RUN, "averaging": averaging, **sections.pop("training", {})}
    data = {"train_data": classified(), "valid_data": classified(20, seed=1)}
    finished = train(quick(model=DEEP, training=training, **sections), path, callbacks=[watch], **data)
    return finished, watch


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run without averages and one with each kind, and what was seen of them."""
    folder = tmp_path_factory.mktemp("runs")
    return {name: watched(folder / name, averaging) for name, averaging in KINDS.items()}


def assert_same(ours, theirs):
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, two)


def assert_close(ours, theirs, **tolerance):
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, two, **tolerance)


def population_moments(model, source, layer):
    """Mean and variance of what arrives at a layer, from one sequence at a time, with nothing in training mode."""
    frames = []

    def keep(one, flow):
        if one is layer:
            frames.append(np.asarray(flow.features, np.float64)[0])

    for index in range(len(source)):
        run(
            model.stack.trunk,
            TrunkState(keras.ops.convert_to_tensor(source[index][None]), None, training=False, interceptor=keep),
        )
    joined = np.concatenate(frames)
    return joined.mean(axis=0), joined.var(axis=0)


def test_the_moving_average_is_that_of_all_steps(runs):
    finished, watch = runs["ema"]
    per_epoch = len(watch.steps) // 3
    average = watch.steps[0]
    for step, weights in enumerate(watch.steps):
        average = [0.8 * old + 0.2 * new for old, new in zip(average, weights, strict=True)] if step else average
        if (step + 1) % per_epoch == 0:
            assert_close(watch.shown[step // per_epoch], average, rtol=1e-5, atol=1e-6)
    best = int(finished.history["val_loss"].argmin())
    assert_same(finished.model.trainable_variables, watch.shown[best])


def test_the_tail_average_is_the_mean_of_the_last_epochs(runs):
    finished, watch = runs["swa"]
    per_epoch = len(watch.steps) // 3
    ends = watch.steps[per_epoch - 1 :: per_epoch]
    assert_same(watch.shown[0], ends[0])
    assert_same(watch.shown[1], ends[1])
    mean = [(one.astype(float) + two) / 2 for one, two in zip(ends[1], ends[2], strict=True)]
    assert_close(watch.shown[2], mean, rtol=1e-6, atol=1e-7)
    # Epochs before them were only on the way.
    best = 1 + int(finished.history["val_loss"].iloc[1:].argmin())
    assert_same(finished.model.trainable_variables, watch.shown[best])


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_training_itself_is_not_changed(runs, kind):
    (plain, watch), (averaged, also) = runs["plain"], runs[kind]
    for ours, theirs in zip([*also.steps, *also.begun], [*watch.steps, *watch.begun], strict=True):
        assert_same(ours, theirs)
    assert averaged.history["loss"].equals(plain.history["loss"])
    assert not averaged.history["val_loss"].equals(plain.history["val_loss"])


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_what_was_validated_is_what_is_saved_and_normalizes_by_its_own_statistics(runs, kind):
    finished, _ = runs[kind]
    model, valid = load_model(finished.path / "model.keras"), classified(20, seed=1)
    best = finished.history["val_loss"].iloc[1 if kind == "swa" else 0 :].min()
    assert evaluate(model, valid, bootstrap=0).metrics["loss"] == pytest.approx(best, rel=1e-6)
    layers = adapting_layers(model)
    assert len(layers) == 3
    for layer in layers:
        mean, variance = population_moments(model, classified(), layer)
        np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4, atol=1e-6)


def test_statistics_over_several_batches_are_near_those_over_all_frames(monkeypatch):
    keras.utils.set_random_seed(0)
    model, source = build_model(DEEP, num_features=3, num_outputs=2), classified(400, seed=3)
    recompute_statistics(model, source)
    exact = [np.array(layer.moving_variance) for layer in adapting_layers(model)]
    monkeypatch.setattr("seqconv.training.step.averaging.STATISTICS_FRAMES", 1000)
    recompute_statistics(model, source)
    several = [np.array(layer.moving_variance) for layer in adapting_layers(model)]
    # What the first layer sees depends on no other.
    np.testing.assert_allclose(several[0], exact[0], rtol=1e-5)
    assert not np.array_equal(several[-1], exact[-1])
    assert_close(several, exact, rtol=0.1)


def test_a_recurrent_layer_behind_the_last_statistics_hinders_nothing():
    blocks = [{"filters": 4, "kernel_size": 3}, {"type": "gru", "units": 3}]
    for order in (blocks, blocks[::-1]):
        model = build_model({"blocks": order}, num_features=3, num_outputs=2)
        source = classified(30, seed=4)
        recompute_statistics(model, source)
        (layer,) = adapting_layers(model)
        mean, _ = population_moments(model, source, layer)
        np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-4, atol=1e-5)


def test_a_frozen_layer_keeps_its_statistics():
    model = build_model(DEEP, num_features=3, num_outputs=2)
    first = adapting_layers(model)[0]
    first.trainable = False
    before = np.array(first.moving_mean)
    recompute_statistics(model, classified())
    np.testing.assert_array_equal(first.moving_mean, before)
    assert all(np.abs(layer.moving_mean).max() > 0 for layer in adapting_layers(model))


@pytest.mark.parametrize("averaging", [EMA, SWA], ids=["ema", "swa"])
def test_averages_are_the_same_in_every_layout(averaging):
    """A step holds the whole set, so that all layouts take the same steps."""
    found = {}
    blocks = [{**block, "dropout": 0.0} for block in DEEP["blocks"]]
    training = {**RUN, "epochs": 2, "optimizer": "sgd", "averaging": averaging}
    for strategy, options in {"packed": {}, "bucketed": {"num_buckets": 1}, "padded": {}}.items():
        keras.utils.set_random_seed(1)
        batching = {"strategy": strategy, "batch_size": 40, **options}
        features = {"kind": "precomputed"}
        config = load_config(
            quick(model={**DEEP, "blocks": blocks}, batching=batching, training=training, features=features)
        )
        experiment = prepare(config, load_datasets(config.data_spec, classified(), classified(20, seed=1)))
        average = WeightAverage(experiment)
        for epoch in (0, 1):
            run_steps(experiment, experiment.plan.epoch(epoch))
            with average.away():
                average.put(epoch)
                found[strategy] = experiment.model.get_weights()
            average.commit()
        assert not np.array_equal(found[strategy][-1], experiment.model.get_weights()[-1])
    for strategy in ("bucketed", "padded"):
        assert_close(found[strategy], found["packed"], rtol=1e-3, atol=1e-4)


class Stop(keras.callbacks.Callback):
    """Asks the process to stop, in a step."""

    def __init__(self, epoch, step):
        super().__init__()
        self.place, self.epoch = (epoch, step), -1

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            os.kill(os.getpid(), signal.SIGTERM)


class Interrupting(Sequences):
    """Sends a signal when its first sequence is read for the `countdown`-th time."""

    countdown = -1

    def __getitem__(self, index):
        self.countdown -= index == 0
        if self.countdown == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().__getitem__(index)


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path, runs, kind):
    """Stopped within an epoch, and while the averages of the last one are validated: none is counted twice."""
    whole, _ = runs[kind]
    config = quick(model=DEEP, training={**RUN, "averaging": KINDS[kind]})
    valid = Interrupting(classified(20, seed=1).features, classified(20, seed=1).labels)

    class Arm(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            valid.countdown = 1 if epoch == 2 else -1

    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "run", train_data=classified(), valid_data=valid, callbacks=[Stop(1, 2)])
    with pytest.raises(RunStopped, match="SIGINT stopped the run in epoch 3 of 3"):
        resume(tmp_path / "run", train_data=classified(), valid_data=valid, callbacks=[Arm()])
    valid.countdown = -1
    again = resume(tmp_path / "run", train_data=classified(), valid_data=valid)
    for ours, theirs in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    for column in ("loss", "val_loss", "val_macro_f1"):
        assert again.history[column].equals(whole.history[column])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_a_moving_average(name):
    training = load_config({"training": {"optimizer": name, "averaging": "ema"}}).training
    optimizer = make_optimizer(training, [3])
    variable = keras.Variable(np.ones((2, 2), "float32"))
    optimizer.build([variable])
    optimizer.apply([keras.ops.ones((2, 2))])
    np.testing.assert_array_equal(optimizer._model_variables_moving_average[0], variable)
    moved = np.array(variable)
    optimizer.finalize_variable_values([variable])
    np.testing.assert_array_equal(variable, moved)


def test_mixed_precision_averages_too(tmp_path):
    finished, watch = watched(tmp_path / "run", EMA, training={"mixed_precision": True, "epochs": 1})
    assert all(np.isfinite(value).all() for value in finished.model.get_weights())
    assert not np.array_equal(watch.shown[0][0], watch.steps[-1][0])


def test_a_reach_beyond_the_run_is_told():
    averaging = load_config({"training": {"averaging": {"type": "ema", "decay": 0.999}}}).training.averaging
    (told,) = describe_reach(averaging, 400)
    assert "67 % of the average are still the weights of the first step. With decay 0.98 it" in told


@pytest.mark.parametrize(
    ("training", "match"),
    [
        ({"averaging": {"type": "swa", "last_epochs": 9}, "epochs": 4}, r"last_epochs: 9 is more than training\.epoch"),
        ({"averaging": "swa", "early_stopping": {}}, r"training\.early_stopping may end it before they begin"),
        ({"averaging": {"type": "ema", "decay": 1.0}}, r"training\.averaging\.decay: expected a number below 1"),
        ({"averaging": {"type": "ema", "last_epochs": 2}}, r"training\.averaging\.last_epochs: unknown key"),
        ({"averaging": "mean"}, r"training\.averaging"),
    ],
)  # fmt: skip
def test_what_cannot_be_averaged_is_refused(training, match):
    with pytest.raises(ConfigError, match=match):
        load_config({"training": training})


def test_a_plan_of_statistics_is_one_batch_for_small_data():
    source = classified()
    plan = make_plan("packed", source.lengths, frames_per_batch=1 << 15, time_geometry=())
    assert len(plan) == 1
    assert make_batch(plan.epoch(0)[0], source).features.shape[:2] == (1, source.lengths.sum())
