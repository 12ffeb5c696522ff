"""A head in closed form: left-out errors are those of models that were fitted without, and a run is a run."""

import json
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax
from support.training_data import NUM_FEATURES, classified, quick, toned

import seqconv
from seqconv.config import load_config
from seqconv.config.training import GRADIENT_KEYS
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError
from seqconv.models import load_model
from seqconv.models.pooled_model import PooledModel
from seqconv.prediction.forward import forward
from seqconv.tasks import find_task
from seqconv.training.ridge.solution import fit_ridge
from seqconv.training.run.train import dry_run

VOWELS = Path(__file__).parents[2] / "data" / "japanese_vowels" / "JapaneseVowels_TRAIN.ts"

RANDOM = {"type": "random_convolutions", "num_dilations": 3, "inputs": ["frames", "smoothed", "standardized"]}
ROCKET = {"blocks": [RANDOM, {"type": "length"}], "pooling": ["thresholds", "max"]}


def ridge(**sections):
    config = quick(model=ROCKET, **sections)
    return {**config, "training": {"solver": "ridge", **sections.get("training", {})}}


def fitted_without(x, y, share, is_kept, penalty):
    """Coefficients by the normal equations, from the rows that are kept."""
    rows, targets, weights = x[is_kept], y[is_kept], share[is_kept][:, None]
    mean, center = (weights * rows).sum(0) / weights.sum(), (weights * targets).sum(0) / weights.sum()
    products = (rows - mean).T @ (weights * (rows - mean)) + penalty * np.eye(x.shape[1])
    coefficients = np.linalg.solve(products, (rows - mean).T @ (weights * (targets - center)))
    return lambda values: (values - mean) @ coefficients + center


@pytest.mark.parametrize(("rows", "features"), [(30, 80), (80, 30)])
@pytest.mark.parametrize("is_grouped", [False, True])
def test_left_out_rows_are_predicted_as_by_a_model_without_them(rows, features, is_grouped):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, features)) * rng.uniform(0.1, 10, features) + rng.normal(size=features)
    # A constant feature, which no standardization may blow up.
    x[:, 3] = 7.0
    y, weights = rng.normal(size=(rows, 2)), rng.uniform(0.5, 3, rows)
    groups = rng.integers(0, 8, rows) if is_grouped else None
    found = fit_ridge(x, y, weights, groups, [0.03])
    share = weights / weights.mean()
    mean = (share[:, None] * x).mean(axis=0)
    deviation = np.sqrt((share[:, None] * (x - mean) ** 2).mean(axis=0))
    deviation[3] = 1
    standardized = (x - mean) / deviation
    penalty = 0.03 * (share[:, None] * standardized**2).sum() / rows
    whole = fitted_without(standardized, y, share, np.ones(rows, bool), penalty)
    np.testing.assert_allclose(x @ found.coefficients + found.intercept, whole(standardized), atol=1e-9)
    assert not found.coefficients[3].any()
    for group in np.unique(groups) if is_grouped else range(rows):
        is_out = groups == group if is_grouped else np.arange(rows) == group
        expected = fitted_without(standardized, y, share, ~is_out, penalty)(standardized[is_out])
        np.testing.assert_allclose(found.left_out[is_out], expected, atol=1e-9)


def test_the_largest_strength_with_about_the_least_left_out_error_is_taken():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 20))
    noise, signal = rng.normal(size=(40, 1)), x[:, :1]
    strengths = [1e-3, 1e-1, 1e1, 1e3]
    for y in (noise, signal):
        found = fit_ridge(x, y, strengths=strengths)
        assert found.errors[found.strength] == found.error <= 1.01 * min(found.errors.values())
        assert all(found.errors[more] > found.error for more in strengths if more > found.strength)
    assert fit_ridge(x, noise, strengths=strengths).strength > 1
    assert fit_ridge(x, signal, strengths=strengths).strength < 1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    data = classified(60, seed=1)
    train, valid = data.subset(range(45)), data.subset(range(45, 60))
    return seqconv.train(ridge(), tmp_path_factory.mktemp("ridge") / "run", train_data=train, valid_data=valid)


def test_a_run_is_a_run(run):
    assert (run.path / "model.keras").is_file()
    assert len(run.history) == 1
    row = run.history.iloc[0]
    assert row["accuracy"] > 0.6
    assert row["strength"] > 0
    assert row["val_loss"] > 0
    # What was left to the run stands in its config, and can be read back.
    config = load_config(run.path / "config.yaml")
    assert config.training.epochs == 1
    assert config.model.blocks[0].dilations != "auto"
    assert run.metrics["valid"]["accuracy"] > 0.6
    assert json.loads((run.path / "metrics.json").read_text())["valid"]["loss"] == pytest.approx(row["val_loss"])


def test_it_answers_alike_in_every_layout_and_saved(run):
    data = classified(23, seed=3)
    expected = forward(run.model, data, strategy="single")
    for strategy in ("auto", "packed", "bucketed", "padded"):
        np.testing.assert_allclose(forward(run.model, data, strategy=strategy), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(forward(run.model, data, chunk_frames=40), expected, rtol=1e-4, atol=1e-4)
    again = load_model(run.path / "model.keras")
    np.testing.assert_allclose(forward(again, data, strategy="single"), expected, rtol=1e-6)


def test_thresholds_lie_among_the_values_of_training(run):
    """Quantiles are spread evenly, so that the proportions above them are, too."""
    found = forward(PooledModel(run.model), classified(60, seed=1), strategy="single")
    (pooling,) = [layer for layer in run.model.stack.poolings if hasattr(layer, "levels")]
    proportions = found[:, : pooling.levels.shape[1]].mean(axis=0)
    assert np.quantile(proportions, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.12)


def test_a_finished_run_is_scored_again(run):
    data = classified(60, seed=1)
    train, valid = data.subset(range(45)), data.subset(range(45, 60))
    again = seqconv.resume(run.path, train_data=train, valid_data=valid)
    assert again.metrics["valid"]["loss"] == run.metrics["valid"]["loss"]


def test_groups_are_left_out_together(tmp_path):
    # Copies of a sequence tell nothing of others: left out one by one, each would be known from its copies.
    single = toned([0, 1] * 6, seed=4)
    labels = np.random.default_rng(0).permutation(["a", "b"] * 6)
    arrays = [array for array in single for _ in range(3)]
    names = [f"{number}" for number in range(12) for _ in range(3)]
    data = Sequences(arrays, np.repeat(labels, 3).tolist(), groups=names)
    other = Sequences(toned([0, 1], seed=9), ["a", "b"])
    alone = Sequences(arrays, np.repeat(labels, 3).tolist())
    grouped, plain = (
        seqconv.train(ridge(), tmp_path / name, train_data=train, valid_data=other)
        for name, train in (("grouped", data), ("plain", alone))
    )
    assert plain.history["accuracy"][0] > 0.95
    assert grouped.history["accuracy"][0] < 0.8


def test_numbers_and_labels_with_gaps(tmp_path):
    rng = np.random.default_rng(3)
    levels = rng.integers(0, 3, 60)
    arrays = toned(levels.tolist(), seed=5)
    numbers = Sequences(arrays[:50], (levels[:50] * 100.0 + 7).tolist())
    valid = Sequences(arrays[50:], (levels[50:] * 100.0 + 7).tolist())
    run = seqconv.train(
        ridge(target={"task": "regression"}), tmp_path / "numbers", train_data=numbers, valid_data=valid
    )
    assert run.metrics["valid"]["r2"] > 0.5
    rows = np.stack([levels > 0, levels > 1], axis=1).astype(float)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[0] = np.nan
    many = Sequences(arrays[:50], rows[:50])
    run = seqconv.train(
        ridge(target={"task": "multilabel", "columns": ["some", "much"]}),
        tmp_path / "labels",
        train_data=many,
        valid_data=Sequences(arrays[50:], rows[50:]),
    )
    assert run.metrics["valid"]["map"] > 0.8


def test_weights_count_and_those_of_0_do_not(tmp_path):
    data = classified(40, seed=6)
    garbage = Sequences(
        [*[data[i] for i in range(40)], *(np.full((90, NUM_FEATURES), 50.0, "float32"),) * 3],
        [*data.labels, "low", "mid", "top"],
        weights=[*np.ones(40), 0, 0, 0],
    )
    other = classified(10, seed=7)
    options = {"features": {"kind": "precomputed", "normalize": "none"}, "data": {"on_leak": "warn"}}
    config = ridge(**options)
    first, second = (
        seqconv.train(config, tmp_path / name, train_data=train, valid_data=other)
        for name, train in (("without", data), ("with", garbage))
    )
    np.testing.assert_allclose(
        forward(first.model, other, strategy="single"), forward(second.model, other, strategy="single"), atol=1e-3
    )
    weighted = {**config, "training": {"solver": "ridge", "class_weight": {"low": 0.1}}}
    third = seqconv.train(weighted, tmp_path / "weighted", train_data=data, valid_data=other)
    low = third.evaluation.predictions["p_low"].mean()
    assert low < first.evaluation.predictions["p_low"].mean()


OTHER_VALUES = {
    "learning_rate": 0.1, "optimizer": "sgd", "weight_decay": None, "gradient_clip": 1.0, "schedule": "cosine",
    "warmup_epochs": 1.0, "sampling": "balanced", "loss": "focal", "label_smoothing": 0.1, "loss_scale": 4.0,
    "averaging": "ema",
    "early_stopping": {"patience": 3}, "mixed_precision": True,
}  # fmt: skip


@pytest.mark.parametrize("key", GRADIENT_KEYS)
def test_what_only_gradients_use_is_refused_by_name(key):
    with pytest.raises(
        ConfigError, match=rf"solver 'ridge' has no use for {key}\. Remove it, or set solver to gradient"
    ):
        load_config(ridge(training={key: OTHER_VALUES[key]}))


def test_what_is_named_twice_is_refused():
    twice = {**ROCKET, "blocks": [{**RANDOM, "inputs": ["frames", "frames"]}]}
    with pytest.raises(ConfigError, match=r"model\.blocks\.0\.inputs: .*name each once"):
        load_config({**ridge(), "model": twice})
    with pytest.raises(ConfigError, match=r"model\.pooling: .*'max'. names a pooling twice"):
        load_config({**ridge(), "model": {**ROCKET, "pooling": ["max", "max"]}})


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"training": {"epochs": 3}}, "training.epochs: 3, but training.solver 'ridge'"),
        ({"augment": {"mixup": {"probability": 0.2}}}, "augment: mixup, but training.solver 'ridge'"),
        ({"batching": {"too_long": "crop"}}, "batching.too_long: crop, but training.solver 'ridge'"),
        ({"batching": {"too_long": "drop"}}, "batching.too_long: drop, but training.solver 'ridge'"),
        ({"training": {"jit_compile": True}}, "training.jit_compile: true, but training.solver 'ridge'"),
        ({"model": {**ROCKET, "dense_units": [4]}}, r"model.dense_units: \[4\], but training.solver 'ridge'"),
        ({"model": {**ROCKET, "dense_dropout": 0.1}}, "model.dense_dropout: 0.1, but training.solver 'ridge'"),
    ],
)
def test_what_a_closed_form_cannot_have_is_refused_by_name(sections, message):
    with pytest.raises(ConfigError, match=message):
        load_config({**ridge(), **sections, "training": {"solver": "ridge", **sections.get("training", {})}})


def test_a_strength_belongs_to_a_ridge():
    with pytest.raises(
        ConfigError, match=r"solver 'gradient' has no use for strength\. Remove it, or set solver to ridge"
    ):
        load_config(quick(training={"strength": 0.1}))


def test_a_dilation_that_stands_twice_has_other_features_and_thresholds(tmp_path):
    twice = {
        "blocks": [{**RANDOM, "dilations": [2, 2], "inputs": ["frames"], "keep_inputs": False}],
        "pooling": ["thresholds"],
    }
    model = seqconv.train({**ridge(), "model": twice}, tmp_path / "run", train_data=classified(30)).model
    kernels, levels = (
        np.array(each) for each in (model.stack.trunk[1].branches[0][-1].kernel, model.stack.poolings[0].levels)
    )
    assert (kernels[0] != kernels[1]).any()
    assert (levels[0, :84] != levels[0, 84:]).mean() > 0.9


@pytest.mark.parametrize("num_outputs", [2, 3, 20])
@pytest.mark.parametrize(
    ("task", "to_probabilities"), [("classification", partial(softmax, axis=1)), ("multilabel", expit)]
)
def test_outputs_without_a_mistake_leave_the_doubt_of_one(task, to_probabilities, num_outputs):
    encoded = np.eye(num_outputs)[np.arange(60) % num_outputs]
    outputs = 2 * encoded - 1
    logits = outputs * find_task(task).linear_scale(encoded, outputs)
    found = to_probabilities(logits)
    np.testing.assert_allclose(found[encoded == 1], 1 - 1 / 62, rtol=1e-4)


def test_blocks_that_would_stay_as_they_were_drawn_are_refused(tmp_path):
    config = {**ridge(), "model": {"blocks": [{"filters": 4}, RANDOM], "pooling": "mean"}}
    with pytest.raises(ConfigError, match="'block0_conv', 'block0_norm' have weights to learn"):
        seqconv.train(config, tmp_path / "run", train_data=classified(20))
    assert not (tmp_path / "run").exists()


def test_blocks_that_init_leaves_new_are_refused(tmp_path):
    data = classified(40, seed=8)
    deep = seqconv.train(quick(), tmp_path / "deep", train_data=data)
    blocks = deep.model.config.model_dump(mode="json")["blocks"]
    model = {"blocks": [*blocks, {"filters": 4, "kernel_size": 3}], "pooling": "mean"}
    training = {"solver": "ridge", "init": str(deep.path / "model.keras"), "init_blocks": 1}
    config = {**quick(), "model": model, "training": training}
    with pytest.raises(ConfigError, match="'block1_conv', 'block1_norm' have weights to learn"):
        seqconv.train(config, tmp_path / "run", train_data=data)


def test_counts_alone_cannot_be_learned_from(tmp_path):
    config = quick(model={"blocks": [{"filters": 4}], "pooling": "thresholds"})
    with pytest.raises(ConfigError, match=r"model\.pooling counts frames above thresholds, which has no gradient"):
        seqconv.train(config, tmp_path / "run", train_data=classified(20))


def test_one_group_or_one_label_leaves_nothing_to_learn_from(tmp_path):
    data, names = classified(20, groups=["same"] * 20), {"task": "multilabel", "columns": ["a", "b"]}
    valid = classified(8, seed=5)
    with pytest.raises(ConfigError, match="all 20 training sequences are of the group 'same'"):
        seqconv.train(ridge(), tmp_path / "group", train_data=data, valid_data=valid)
    rows = np.stack([np.arange(20) % 2, np.full(20, np.nan)], axis=1).astype(float)
    rows[3, 1] = 1
    data = Sequences(toned([0, 1] * 10), rows)
    valid = Sequences(toned([0, 1], seed=5), [[0, 1], [1, 0]])
    with pytest.raises(ManifestError, match="'1' is known for 1 of 20 training sequences"):
        seqconv.train(ridge(target=names), tmp_path / "label", train_data=data, valid_data=valid)


@pytest.mark.parametrize("change", [lambda x: 1000 + x, lambda x: x * 1e-4])
def test_features_that_are_far_from_standardized_are_refused(change, tmp_path):
    data = classified(20)
    arrays = Sequences([change(data[i]) for i in range(20)], data.labels)
    features = {"kind": "precomputed", "normalize": "none"}
    with pytest.raises(ConfigError, match=r"Set features\.normalize to 'train', or standardize the arrays"):
        seqconv.train(ridge(features=features), tmp_path / "none", train_data=arrays)
    assert seqconv.train(ridge(), tmp_path / "train", train_data=arrays).metrics["valid"]["accuracy"] > 0.3


def test_callbacks_hear_of_a_run_in_order(tmp_path):
    heard = []

    class Listener(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            heard.append("train begins")

        def on_epoch_begin(self, epoch, logs=None):
            heard.append(f"epoch {epoch} begins")

        def on_epoch_end(self, epoch, logs=None):
            heard.append(f"epoch {epoch} ends")

        def on_train_end(self, logs=None):
            heard.append("train ends")

    seqconv.train(ridge(), tmp_path / "run", train_data=classified(20), callbacks=[Listener()])
    assert heard == ["train begins", "epoch 0 begins", "epoch 0 ends", "train ends"]


def test_a_head_on_a_trained_model(tmp_path):
    data = classified(40, seed=8)
    deep = seqconv.train(quick(), tmp_path / "deep", train_data=data)
    config = {**quick(), "model": {**deep.model.config.model_dump(mode="json")}}
    config["training"] = {"solver": "ridge", "init": str(deep.path / "model.keras")}
    run = seqconv.train(config, tmp_path / "ridge", train_data=data)
    for ours, theirs in zip(run.model.stack.trunk[1:], deep.model.stack.trunk[1:], strict=True):
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert run.metrics["valid"]["loss"] != deep.metrics["valid"]["loss"]


def test_random_convolutions_before_blocks_that_learn(tmp_path):
    blocks = [{"type": "random_convolutions", "num_dilations": 2, "inputs": ["frames"]}, {"filters": 4}]
    run = seqconv.train(quick(model={"blocks": blocks}), tmp_path / "run", train_data=classified(40))
    kernels = run.model.stack.layers_of_block(0)[-1].get_weights()[0]
    assert set(np.unique(kernels)) == {-1.0, 0.0, 2.0}
    assert len(run.history) == 2


def test_dilations_wait_for_the_lengths():
    with pytest.raises(ConfigError, match=r"model.blocks.0.dilations: 'auto' follows from the lengths"):
        seqconv.build_model({"blocks": [RANDOM]}, num_features=1, num_outputs=2)
    config = load_config(ridge()).model
    fitted = config.fitted_to(np.array([9, 17, 33, 33]))
    assert fitted.blocks[0].dilations == (1, 2, 4)
    assert fitted.fitted_to(np.array([1000])) == fitted
    # As many kernels for short sequences, and dilations that one long recording does not change.
    assert config.fitted_to(np.array([1, 2])).blocks[0].dilations == (1, 1, 1)
    assert config.fitted_to(np.array([33] * 99 + [100_000])).blocks[0].dilations == (1, 2, 4)
    # In the frames that arrive at the block.
    strided = load_config({**ridge(), "model": {"blocks": [{"filters": 2, "strides": 4}, RANDOM]}}).model
    assert strided.fitted_to(np.array([33 * 4] * 4)).blocks[1].dilations == (1, 2, 4)


def test_it_is_the_same_again(tmp_path):
    data = classified(30, seed=2)
    one, two = (seqconv.train(ridge(), tmp_path / name, train_data=data).model.get_weights() for name in ("a", "b"))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_dry_run_says_what_features_take(capsys):
    dry_run({**ridge(), "data": {"manifest": str(VOWELS)}, "features": {"kind": "precomputed"}})
    assert "dry run: features of all 270 sequences take about" in capsys.readouterr().out
