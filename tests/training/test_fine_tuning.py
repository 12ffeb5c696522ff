"""A run that begins with a trained model: what it takes over, what stays as it is, and what is refused."""

import json
import os
import shutil
import signal

import keras
import numpy as np
import pytest
from support.training_data import NUM_FEATURES, classified, quick, toned

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ModelError
from seqconv.models import build_model, load_model
from seqconv.prediction import predict
from seqconv.prediction.forward import forward
from seqconv.training import resume, train
from seqconv.training.run.loop import run_steps
from seqconv.training.run.setup import prepare
from seqconv.training.state.interrupts import RunStopped

BLOCKS = [
    {"filters": 6, "kernel_size": 5, "dropout": 0.2},
    {"type": "residual", "filters": 8, "kernel_sizes": [3, 3]},
    {"filters": 5, "kernel_size": 3, "strides": 2},
]
MODEL = {"defaults": {"norm": "batch"}, "blocks": BLOCKS, "pooling": ["mean", "max"], "dense_units": [7]}
FEATURES = {"kind": "precomputed"}


def other_labels(count=30, seed=5):
    data = classified(count, seed=seed)
    return Sequences(data.features, [{"low": "down", "mid": "up", "top": "up"}[label] for label in data.labels])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The file of a trained model of three classes."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    config = quick(model=MODEL, features=FEATURES, training={"epochs": 3, "learning_rate": 3e-3})
    train(config, folder, train_data=classified(), valid_data=classified(20, seed=1))
    return folder / "model.keras"


def tuned(path, init, *, data=None, callbacks=(), **sections):
    training = {"epochs": 2, "learning_rate": 1e-2, "init": str(init), **sections.pop("training", {})}
    config = quick(training=training, **sections)
    if "model" not in sections:
        del config["model"]
    parts = {"train_data": other_labels() if data is None else data, "valid_data": other_labels(20, seed=6)}
    if data is not None:
        parts["valid_data"] = classified(20, seed=6)
    return train(config, path, callbacks=callbacks, **parts)


def prepared(init, data=None, **sections):
    training = {"init": str(init), **sections.pop("training", {})}
    config = quick(features=FEATURES, training=training, **{"model": MODEL, **sections})
    data = classified() if data is None else data
    return prepare(load_config(config), load_datasets(load_config(config).data_spec, data))


def states(experiment):
    return {part.name: part.state for part in experiment.transfer.parts}


def test_the_same_labels_begin_with_the_very_answers_of_the_file(trained):
    experiment = prepared(trained)
    np.testing.assert_array_equal(forward(experiment.model, classified()), forward(load_model(trained), classified()))
    assert set(states(experiment).values()) == {"reused"}


def test_other_labels_have_a_head_of_their_own(tmp_path, trained, capsys):
    finished = tuned(tmp_path / "run", trained)
    assert finished.model.num_outputs == 2
    assert finished.model.config == load_model(trained).config
    out = capsys.readouterr().out
    assert (
        f"init     {trained}. Reused: normalization of the features, block 0, block 1, block 2, dense layer 0;" in out
    )
    assert "New: logits (the file has the labels 'low', 'mid', 'top', here 'down', 'up'); 16 weights" in out
    told = json.loads((tmp_path / "run" / "transfer.json").read_text())
    assert told["init"] == str(trained)
    assert [part["state"] for part in told["parts"]] == ["reused"] * 5 + ["new"]
    weights = sum(part["weights"] for part in told["parts"])
    assert weights == finished.model.count_params()
    # Whoever predicts needs nothing of the file.
    model = load_model(tmp_path / "run" / "model.keras")
    assert set(predict(model, [classified()[0]])["prediction"]) <= {"down", "up"}


def test_features_are_normalized_as_they_were(tmp_path, trained):
    shifted = Sequences([10 + 3 * array for array in toned([0, 1] * 15, seed=3)], ["a", "b"] * 15)
    config = quick(training={"init": str(trained)}, features=FEATURES)
    del config["model"]
    experiment = prepare(load_config(config), load_datasets(load_config(config).data_spec, shifted))
    before = load_model(trained).feature_normalization
    np.testing.assert_array_equal(experiment.model.feature_normalization.mean, before.mean)
    np.testing.assert_array_equal(experiment.model.feature_normalization.variance, before.variance)


@pytest.mark.parametrize("strategy", ["packed", "bucketed", "padded", "single"])
def test_frozen_blocks_keep_weights_and_statistics_in_every_layout(trained, strategy):
    batching = {"strategy": strategy, "batch_size": None if strategy == "single" else 8}
    experiment = prepared(trained, training={"freeze": [0, 1]}, batching=batching)
    run_steps(experiment, experiment.plan.epoch(0)[:3])
    before = {layer.name: layer.get_weights() for layer in load_model(trained).stack.layers()}
    kept, moved = set(), set()
    for layer in experiment.model.stack.layers():
        if layer.weights and layer.name != "logits":
            pairs = zip(layer.get_weights(), before[layer.name], strict=True)
            (kept if all(np.array_equal(*pair) for pair in pairs) else moved).add(layer.name.split("_")[0])
    assert kept == {"features", "block0", "block1"}
    assert moved == {"block2", "dense0"}


def test_frozen_normalization_uses_its_own_statistics_in_training_too(trained):
    """Frozen blocks give the same in training as in inference, whatever shares the batch."""
    experiment = prepared(trained, training={"freeze": [0, 1, 2]}, model={**MODEL, "blocks": without_dropout(BLOCKS)})
    model = experiment.model
    x = np.stack([classified()[index][:4] for index in range(6)])
    alone = np.concatenate([model(x[i : i + 1], training=True) for i in range(6)])
    np.testing.assert_allclose(model(x, training=True), alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(x, training=True), model(x, training=False), rtol=1e-4, atol=1e-5)
    free = prepared(trained, model={**MODEL, "blocks": without_dropout(BLOCKS)}).model
    assert not np.allclose(free(x, training=True), free(x, training=False), rtol=1e-2)


def without_dropout(blocks):
    return [{name: value for name, value in block.items() if name != "dropout"} for block in blocks]


def test_the_optimizer_knows_no_frozen_weight(trained):
    model = prepared(trained, training={"freeze": [0]}).model
    frozen = [weight for layer in model.stack.layers_of_block(0) for weight in layer.weights]
    assert frozen
    assert not {id(weight) for weight in frozen} & {id(variable) for variable in model.trainable_variables}
    everything = prepared(trained).model
    assert len(model.optimizer.variables) < len(everything.optimizer.variables)


def test_only_the_first_blocks_are_taken_where_it_says_so(trained):
    blocks = [*BLOCKS[:2], {"filters": 9, "kernel_size": 1}, {"type": "gru", "units": 4}]
    model = {**MODEL, "dense_units": [], "blocks": blocks}
    experiment = prepared(trained, model=model, training={"init_blocks": 2, "freeze": [1]})
    assert states(experiment) == {
        "normalization of the features": "reused",
        "block 0": "reused",
        "block 1": "frozen",
        "block 2": "new",
        "block 3": "new",
        "logits": "new",
    }
    ours = experiment.model.stack.layers_of_block(1)[0].get_weights()
    theirs = load_model(trained).stack.layers_of_block(1)[0].get_weights()
    np.testing.assert_array_equal(ours[0], theirs[0])


@pytest.mark.parametrize(
    ("head", "new"),
    [
        ({"pooling": "mean"}, {"dense layer 0", "logits"}),
        ({"dense_units": [7, 4]}, {"dense layer 1", "logits"}),
        ({"dense_units": [4]}, {"dense layer 0", "logits"}),
        ({"dense_units": []}, {"logits"}),
    ],
)
def test_of_another_head_what_follows_the_difference_is_new(trained, head, new):
    found = states(prepared(trained, model={**MODEL, **head}))
    assert {name for name, state in found.items() if state == "new"} == new


def test_dropout_may_differ(trained):
    model = {**MODEL, "blocks": [{**block, "dropout": 0.5} for block in BLOCKS], "dense_dropout": 0.1}
    assert set(states(prepared(trained, model=model)).values()) == {"reused"}


@pytest.mark.parametrize(
    ("blocks", "match"),
    [
        (
            [BLOCKS[0], {**BLOCKS[1], "kernel_sizes": [3, 5]}, BLOCKS[2]],
            r"blocks\.1\.kernel_sizes: \(3, 5\) here, \(3, 3\) in the file\n.*training\.init_blocks to 1 to begin",
        ),
        (BLOCKS[:2], r"blocks\.2: no such block here, a conv in the file\n"),
        ([*BLOCKS, {"filters": 4}], r"blocks\.3: a conv here, no such block in the file\n.*init_blocks to 3"),
        ([{"type": "lstm", "units": 4}], r"blocks\.0\.type: 'lstm' here, 'conv' in the file\n"),
    ],
)
def test_other_blocks_are_refused_by_name(trained, blocks, match):
    with pytest.raises(ConfigError, match=match):
        prepared(trained, model={**MODEL, "blocks": blocks})


def test_other_features_are_refused_before_any_work(tmp_path):
    model = build_model(MODEL, num_features=64, num_outputs=2, card={"features": {"kind": "log_mel"}})
    model.save(tmp_path / "mel.keras")
    config = {
        "data": {"manifest": str(tmp_path / "there_is_none.csv")},
        "features": {"kind": "log_mel", "n_mels": 40, "hop_length": 80, "normalize": "none"},
        "model": {"blocks": [{"filters": 3}]},
        "training": {"init": str(tmp_path / "mel.keras")},
    }
    with pytest.raises(ConfigError, match=r"hop_length: 80 here, 160 in the file(.|\n)*n_mels: 40 here, 64") as caught:
        train(config, tmp_path / "run")
    assert "features.normalize: 'none' here, 'train' in the file" in str(caught.value)
    assert "model.blocks.0.filters: 3 here, 6 in the file" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_sections_that_are_left_out_are_those_of_the_file(tmp_path):
    card = {"features": {"kind": "log_mel", "n_mels": 40, "sample_rate": 8000}}
    build_model(MODEL, num_features=40, num_outputs=2, card=card).save(tmp_path / "mel.keras")
    (tmp_path / "tune.yaml").write_text("training: {init: mel.keras}\n")
    config = load_config(tmp_path / "tune.yaml")
    assert config.training.init == str(tmp_path / "mel.keras")
    assert (config.features.n_mels, config.features.sample_rate) == (40, 8000)
    assert [block.filters for block in config.model.blocks] == [6, 8, 5]
    # What is written counts, and a resolved config needs the file no more.
    (tmp_path / "tune.yaml").write_text("training: {init: mel.keras}\nfeatures: {n_mels: 64}\n")
    assert load_config(tmp_path / "tune.yaml").features.n_mels == 64
    resolved = config.to_dict()
    (tmp_path / "mel.keras").unlink()
    assert load_config(resolved) == config


def test_paths_of_the_command_line_start_where_it_was_given(tmp_path, monkeypatch, trained):
    shutil.copy(trained, tmp_path / "here.keras")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "own.yaml").write_text("seed: 1\n")
    monkeypatch.chdir(tmp_path)
    config = load_config("configs/own.yaml", ["training.init=here.keras"])
    assert config.training.init == str(tmp_path / "here.keras")
    assert config.features.kind == "precomputed"


def test_a_regression_predicts_what_it_predicted_whatever_the_new_values(tmp_path):
    levels = [index % 4 for index in range(40)]
    data = Sequences(toned(levels), 100.0 + 20 * np.array(levels))
    config = quick(target={"task": "regression"}, features=FEATURES, model=MODEL)
    train(config, tmp_path / "first", train_data=data, valid_data=Sequences(toned(levels[:12], seed=1), levels[:12]))
    moved = Sequences(toned(levels, seed=2), 7.0 + 3 * np.array(levels))
    experiment = prepared(tmp_path / "first" / "model.keras", moved, target={"task": "regression"})
    assert set(states(experiment).values()) == {"reused"}
    ours, theirs = experiment.model, load_model(tmp_path / "first" / "model.keras")
    assert ours.card.target.mean != theirs.card.target.mean
    predictions = [predict(model, data)["prediction"].to_numpy(float) for model in (ours, theirs)]
    np.testing.assert_allclose(*predictions, rtol=1e-5)


class Stop(keras.callbacks.Callback):
    def __init__(self, epoch, step):
        super().__init__()
        self.place, self.epoch = (epoch, step), -1

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, trained):
    shutil.copy(trained, tmp_path / "init.keras")
    options = {"training": {"freeze": [0]}}
    whole = tuned(tmp_path / "whole", trained, **options)
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        tuned(tmp_path / "run", tmp_path / "init.keras", callbacks=[Stop(1, 1)], **options)
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "init.keras", tmp_path / "moved" / "init.keras")
    parts = {"train_data": other_labels(), "valid_data": other_labels(20, seed=6)}
    with pytest.raises(ModelError, match=r"there is no model file at '.*init\.keras'"):
        resume(tmp_path / "run", **parts)
    again = resume(tmp_path / "run", [f"training.init={tmp_path / 'moved' / 'init.keras'}"], **parts)
    for ours, theirs in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert again.history["val_loss"].equals(whole.history["val_loss"])


def test_a_file_that_has_changed_is_another_run(tmp_path, trained):
    shutil.copy(trained, tmp_path / "init.keras")
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        tuned(tmp_path / "run", tmp_path / "init.keras", callbacks=[Stop(1, 1)])
    model = load_model(tmp_path / "init.keras")
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model.save(tmp_path / "init.keras")
    with pytest.raises(ConfigError, match=r"content of training\.init: '\w{16}' then, '\w{16}' now"):
        resume(tmp_path / "run", train_data=other_labels(), valid_data=other_labels(20, seed=6))


def test_another_number_of_features_is_refused(trained):
    wide = Sequences([np.ones((5, NUM_FEATURES + 1)) * index for index in range(40)], classified().labels)
    with pytest.raises(ConfigError, match=r"takes 3 features in a frame, the sequences have 4"):
        prepared(trained, wide)


def test_what_is_no_model_of_seqconv_is_refused(tmp_path):
    stock = keras.Sequential([keras.Input((None, 3)), keras.layers.Conv1D(2, 3), keras.layers.GlobalMaxPooling1D()])
    stock.save(tmp_path / "stock.keras")
    with pytest.raises(ModelError, match=r"holds a Sequential, whose layers are no blocks"):
        prepared(tmp_path / "stock.keras")
    with pytest.raises(ConfigError, match=r"training\.init: '.*stock\.keras' holds no model of seqconv"):
        load_config({"training": {"init": str(tmp_path / "stock.keras")}})
    with pytest.raises(ConfigError, match=r"training\.init: there is no model file at '.*nowhere\.keras'"):
        load_config({"training": {"init": str(tmp_path / "nowhere.keras")}})


@pytest.mark.parametrize(
    ("training", "match"),
    [
        ({"freeze": [0]}, r"training\.freeze: \[0\] is about the blocks of a trained model"),
        ({"init_blocks": 1}, r"training\.init_blocks: 1 is about the blocks"),
        ({"init": "x.keras", "freeze": [0, 3]}, r"\[3\] are no blocks of the model, which are 0 to 2"),
        ({"init": "x.keras", "freeze": [-1]}, r"\[-1\] are no blocks"),
        ({"init": "x.keras", "freeze": [1, 1]}, r"names a block twice"),
        ({"init": "x.keras", "init_blocks": 4}, r"training\.init_blocks: 4, but the model has 3 blocks"),
        ({"init": "x.keras", "init_blocks": 1, "freeze": [2]}, r"blocks \[2\] are not taken from training\.init"),
    ],
)
def test_settings_that_cannot_be_together_are_refused(training, match):
    with pytest.raises(ConfigError, match=match):
        load_config({"training": training, "model": MODEL, "features": FEATURES})
