"""A run: the same twice, its loss, its best epoch, its schedule, its callbacks."""

import math
import random

import keras
import numpy as np
import pytest
from support.training_data import NUM_FEATURES, classified, quick

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.errors import ConfigError
from seqconv.evaluation import evaluate
from seqconv.models import build_model
from seqconv.prediction.forward import forward
from seqconv.tasks import find_task
from seqconv.training import train
from seqconv.training.run.runtime import machine_for
from seqconv.training.run.setup import prepare
from seqconv.training.step.optimization import make_optimizer

RANDOM = {"model": {"blocks": [{"filters": 6, "kernel_size": 3, "dropout": 0.3}], "dense_dropout": 0.2}}
STILL = {"learning_rate": 1e-30, "optimizer": "sgd", "weight_decay": None, "epochs": 1}


def run(tmp_path, name="run", *, train_data=None, callbacks=(), **sections):
    data = classified() if train_data is None else train_data
    return train(quick(**sections), tmp_path / name, train_data=data, valid_data=classified(20, seed=1),
                 callbacks=callbacks)  # fmt: skip


def prepared(train_data=None, **sections):
    config = load_config(quick(features={"kind": "precomputed"}, **sections))
    return prepare(config, load_datasets(config.data_spec, train_data or classified(), classified(20, seed=1)))


def scores_of(history):
    return history.drop(columns=["seconds", "data_wait", "frames_per_second"])


def test_the_same_seed_gives_the_same_run_within_one_process(tmp_path):
    def one(name, seed):
        return run(tmp_path, name, seed=seed, **RANDOM)

    first = one("first", 3)
    # What happens between two runs must not matter.
    random.random(), np.random.default_rng().normal(), keras.random.normal((2,))
    again, other = one("again", 3), one("other", 4)
    for ours, theirs in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert scores_of(first.history).equals(scores_of(again.history))
    assert first.metrics == again.metrics
    assert not scores_of(first.history).equals(scores_of(other.history))


def test_the_users_random_state_and_precision_come_back(tmp_path):
    random.seed(5)
    np.random.seed(6)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(5)
    np.random.seed(6)  # noqa: NPY002
    keras.config.set_dtype_policy("float64")
    try:
        finished = run(tmp_path, training={"epochs": 1})
        assert keras.config.dtype_policy().name == "float64"
        assert finished.model.get_weights()[0].dtype == np.float32
        with pytest.raises(ConfigError, match="TensorFlow sees CPU:0"):
            run(tmp_path, "refused", training={"device": "GPU:7", "mixed_precision": True})
        assert keras.config.dtype_policy().name == "float64"
    finally:
        keras.config.set_dtype_policy("float32")
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002
    assert not (tmp_path / "refused").exists()


def weighted_loss(finished, data, class_weight, smoothing):
    """By hand: the mean over sequences of weight times smoothed cross entropy."""
    logits = forward(finished.model, data).astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    names = finished.model.card.target.names
    targets = np.array([[label == name for name in names] for label in data.labels])
    targets = targets * (1 - smoothing) + smoothing / len(names)
    weights = data.weights * [class_weight.get(label, 1.0) for label in data.labels]
    return float((weights * -(targets * log_p).sum(axis=1)).sum() / weights.sum())


@pytest.mark.parametrize("strategy", ["packed", "padded", "single"])
def test_the_loss_is_the_weighted_mean_over_sequences(tmp_path, rng, strategy):
    class_weight = {"mid": 3.0, "top": 0.5}
    data = classified(weights=rng.uniform(0.2, 4.0, 40))
    training = {**STILL, "class_weight": class_weight, "label_smoothing": 0.2}
    finished = run(tmp_path, train_data=data, training=training, batching={"strategy": strategy})
    assert finished.history["loss"][0] == pytest.approx(weighted_loss(finished, data, class_weight, 0.2), rel=1e-5)


def test_the_loss_of_a_step_is_a_sum_over_one_constant():
    experiment = prepared(classified(weights=np.full(40, 2.0)))
    assert experiment.loss_scale == experiment.config.training.loss_scale == 8
    np.testing.assert_array_equal(experiment.training_set.weights, 2.0)


def test_class_weights_reach_the_steps():
    weights = prepared(training={"class_weight": "balanced"}).training_set.weights
    labels = np.array(classified().labels)
    assert weights.mean() == pytest.approx(1)
    sums = [weights[labels == name].sum() for name in ("low", "mid", "top")]
    np.testing.assert_allclose(sums, sums[0], rtol=1e-6)
    with pytest.raises(ConfigError, match=r"no class 'hi'; the classes are 'low', 'mid', 'top'"):
        prepared(training={"class_weight": {"hi": 2.0}})
    with pytest.raises(ConfigError, match="all 40 training sequences have weight 0"):
        prepared(training={"class_weight": {"low": 0, "mid": 0, "top": 0}})


@pytest.mark.parametrize(("monitor", "best"), [("val_loss", "min"), ("val_accuracy", "max")])
def test_the_saved_model_is_that_of_the_best_epoch(tmp_path, monitor, best):
    def spoil(epoch, logs):
        """After the second epoch, so high a rate that the third unlearns."""
        spoiler.model.optimizer.learning_rate = 0.1 if epoch < 1 else 20.0

    spoiler = keras.callbacks.LambdaCallback(on_epoch_end=spoil)
    training = {"epochs": 3, "learning_rate": 0.1, "monitor": monitor}
    finished = run(tmp_path, training=training, callbacks=[spoiler])
    values = finished.history[monitor]
    assert values.iloc[-1] != getattr(values, best)()
    name = monitor.removeprefix("val_")
    reloaded = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert finished.metrics["valid"][name] == pytest.approx(getattr(values, best)(), rel=1e-6)
    assert evaluate(reloaded, classified(20, seed=1)).metrics[name] == pytest.approx(getattr(values, best)(), rel=1e-6)


def test_early_stopping_counts_epochs_without_improvement(tmp_path):
    training = {**STILL, "epochs": 9, "early_stopping": {"patience": 2}, "monitor": "val_loss"}
    finished = run(tmp_path, training=training)
    assert len(finished.history) == 3


class Observer(keras.callbacks.Callback):
    """Writes down what it is told, and stops after an epoch if asked to."""

    def __init__(self, stop_after=None):
        super().__init__()
        self.seen, self.rates, self.logs, self.stop_after = [], [], [], stop_after

    def on_train_begin(self, logs=None):
        self.seen.append("begin")

    def on_train_end(self, logs=None):
        self.seen.append("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(-epoch)
        self.logs.append(dict(logs))
        if epoch == self.stop_after:
            self.model.stop_training = True


def test_callbacks_begin_and_end_once_and_may_stop_the_run(tmp_path):
    observer = Observer(stop_after=2)
    finished = run(tmp_path, training={"epochs": 5}, callbacks=[observer])
    assert observer.seen == ["begin", 0, 0, 1, -1, 2, -2, "end"]
    assert len(finished.history) == 3
    assert [logs["val_macro_f1"] for logs in observer.logs] == finished.history["val_macro_f1"].tolist()


class Steps(keras.callbacks.Callback):
    """Writes down the steps it is told of, under Keras's older name."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_batch_end(self, batch, logs=None):
        self.logs.append((batch, logs))


def test_callbacks_hear_of_every_step_in_numbers(tmp_path):
    told = []
    function = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: told.append((batch, logs)))
    steps = Steps()
    finished = run(tmp_path, callbacks=[steps, function], batching={"strategy": "padded"})
    assert [batch for batch, _ in told] == [*range(5), *range(5)]
    assert told == steps.logs
    for _, logs in told:
        assert set(logs) == {"loss", "mean_loss", "accuracy"}
        assert all(type(value) is float for value in logs.values())
    assert told[-1][1]["mean_loss"] == finished.history["loss"].iloc[-1]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_schedules_span_the_steps_of_all_epochs(tmp_path, schedule):
    observer = Observer()
    training = {"epochs": 4, "learning_rate": 0.01, "schedule": schedule, "warmup_epochs": 1.4}
    finished = run(tmp_path, training=training, batching={"strategy": "padded"}, callbacks=[observer])
    steps = len(observer.rates)
    warmup = round(1.4 * steps / 4)
    assert (steps, warmup) == (20, 7)
    assert observer.rates[0] == pytest.approx(0.01 / warmup)
    np.testing.assert_allclose(np.diff(observer.rates[:warmup]), 0.01 / warmup, rtol=1e-4)
    after = np.arange(steps - warmup) / (steps - warmup)
    expected = 0.005 * (1 + np.cos(math.pi * after)) if schedule == "cosine" else np.full(len(after), 0.01)
    np.testing.assert_allclose(observer.rates[warmup:], expected, rtol=1e-4)
    assert finished.history["learning_rate"].iloc[-1] == pytest.approx(0.0 if schedule == "cosine" else 0.01, abs=1e-9)


def test_a_constant_rate_is_one_that_callbacks_may_change(tmp_path):
    reduce = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=1, factor=0.5, min_delta=9.0)
    finished = run(tmp_path, training={"epochs": 3, "learning_rate": 0.01}, callbacks=[reduce])
    assert finished.history["learning_rate"].tolist() == pytest.approx([0.01, 0.01, 0.005])


@pytest.mark.parametrize(
    "name",
    ["adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion", "muon", "nadam", "rmsprop", "sgd"],
)
def test_every_optimizer_takes_a_step_with_every_option(name):
    training = load_config({"training": {"optimizer": name, "learning_rate": 0.1, "gradient_clip": 1.0}}).training
    model = build_model({"blocks": [{"filters": 4}]}, num_features=NUM_FEATURES, num_outputs=2)
    model.compile(
        optimizer=make_optimizer(training, [3]), loss=find_task("classification").make_loss(), run_eagerly=True
    )
    before = model.get_weights()
    x = np.random.default_rng(0).normal(size=(2, 6, NUM_FEATURES)).astype("float32")
    model.train_on_batch(x, np.eye(2, dtype="float32"))
    moved = [np.abs(now - then).max() for now, then in zip(model.get_weights(), before, strict=True)]
    assert type(model.optimizer).__name__.lower() == name
    assert max(moved) > 0
    assert np.isfinite(moved).all()


def test_weight_decay_pulls_kernels_and_leaves_offsets_alone():
    training = load_config({"training": {"optimizer": "sgd", "learning_rate": 0.5, "weight_decay": 0.1}}).training
    model = build_model({"blocks": [{"filters": 4}]}, num_features=NUM_FEATURES, num_outputs=2)
    optimizer = make_optimizer(training, [1])
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer.apply([np.zeros(v.shape, "float32") for v in model.trainable_variables])
    for variable in model.trainable_variables:
        expected = 0.95 if variable.name == "kernel" else 1.0
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), expected, rtol=1e-6, err_msg=variable.path)


def test_gradients_are_clipped_to_a_norm():
    options = {"optimizer": "sgd", "learning_rate": 1.0, "weight_decay": None, "gradient_clip": 0.5}
    optimizer = make_optimizer(load_config({"training": options}).training, [1])
    variable = keras.Variable(np.zeros(4, "float32"))
    optimizer.build([variable])
    optimizer.apply([np.full(4, 100.0, "float32")])
    assert np.linalg.norm(keras.ops.convert_to_numpy(variable)) == pytest.approx(0.5, rel=1e-5)


def test_xla_after_a_deterministic_run_is_refused(tmp_path):
    run(tmp_path, "deterministic", training={"epochs": 1})
    with pytest.raises(ConfigError, match=r"op determinism is on in this process.*Start a new Python"):
        run(tmp_path, "xla", training={"jit_compile": True})


@pytest.mark.parametrize("device", ["CPU", "cpu:0", "/device:CPU:0"])
def test_a_device_can_be_named(device):
    with machine_for(load_config({"training": {"device": device}})) as described:
        assert described.startswith("CPU:0")
        assert str(keras.Variable(1.0).value.device).endswith("CPU:0")


def test_a_run_that_diverges_says_so_and_keeps_no_model(tmp_path):
    with pytest.raises(ConfigError, match=r"diverged in epoch 1.*learning_rate \(1e\+30\), set training\.grad"):
        run(tmp_path, training={"learning_rate": 1e30, "epochs": 2})
    assert not (tmp_path / "run").exists()


def test_tensorboard_logs_are_written_or_asked_for(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    finished = run(tmp_path, training={"tensorboard": True})
    written = {path.parent.name for path in (finished.path / "tensorboard").glob("*/events.*") if path.stat().st_size}
    assert written == {"train", "validation"}
    shown = {}
    for folder in written:
        board = EventAccumulator(str(finished.path / "tensorboard" / folder)).Reload()
        shown[folder] = {tag: [event.step for event in board.Tensors(tag)] for tag in board.Tags()["tensors"]}
    assert {"epoch_loss", "epoch_learning_rate", "epoch_frames_per_second", "epoch_data_wait"} <= {*shown["train"]}
    assert shown["train"]["epoch_padding_ratio"] == shown["train"]["filters of the first convolution"] == [0, 1]
    assert {"epoch_loss", "epoch_macro_f1"} <= {*shown["validation"]}
    assert shown["validation"]["confusion matrix"] == [0, 1]
    monkeypatch.setattr("seqconv.training.run.checks.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"TensorBoard is not installed\. Install it with: pip install tensorboard"):
        run(tmp_path, "without", training={"tensorboard": True})


def test_history_has_a_row_an_epoch_in_the_file_too(tmp_path):
    import pandas as pd

    finished = run(tmp_path)
    columns = finished.history.columns.tolist()
    assert columns[:4] == ["epoch", "loss", "accuracy", "val_loss"]
    assert columns[-4:] == ["learning_rate", "seconds", "data_wait", "frames_per_second"]
    assert {"val_loss", "val_macro_f1", "val_accuracy"} <= {*columns}
    assert (finished.history["data_wait"] < finished.history["seconds"]).all()
    assert finished.history["epoch"].tolist() == [1, 2]
    assert repr(finished) == f"<run in {finished.path}: 2 epochs, {finished.model.count_params():,} parameters>"
    pd.testing.assert_frame_equal(pd.read_csv(finished.path / "history.csv"), finished.history)


def test_valid_is_set_aside_by_group(tmp_path):
    groups = [f"speaker {i // 4}" for i in range(40)]
    finished = train(quick(), tmp_path / "run", train_data=classified(groups=groups))
    assert finished.metrics["valid"]["num_sequences"] % 4 == 0
    assert set(finished.metrics) == {"valid"}


def test_mixed_precision_computes_in_16_bits_and_keeps_32(tmp_path):
    finished = run(tmp_path, training={"mixed_precision": True, "epochs": 3, "monitor": "val_loss"}, **RANDOM)
    assert keras.config.dtype_policy().name == "float32"
    assert finished.model.dtype_policy.name == "mixed_float16"
    assert {weight.dtype.name for weight in finished.model.get_weights()} == {"float32"}
    assert finished.history["loss"].iloc[-1] < finished.history["loss"].iloc[0]
    assert finished.metrics["valid"]["loss"] == pytest.approx(finished.history["val_loss"].min(), rel=1e-3)
