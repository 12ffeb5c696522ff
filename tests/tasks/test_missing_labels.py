"""Of several labels, those that are missing count neither way: in loss, weights, scores, in every layout."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score
from support.double_precision import double_precision
from support.training_data import NUM_FEATURES, quick, toned
from support.weighting import MODEL, STRATEGIES, SummingOptimizer

from seqconv.batching import FrameTargets
from seqconv.config import load_config
from seqconv.data.class_weights import class_weights
from seqconv.data.datasets import load_datasets
from seqconv.data.manifest import load_manifest, make_splits
from seqconv.data.sequences import Sequences
from seqconv.errors import ManifestError
from seqconv.evaluation import evaluate
from seqconv.models import build_model
from seqconv.tasks import find_task
from seqconv.tasks.raw_labels import missing_cells
from seqconv.tasks.target import Target, fit_target
from seqconv.training import train
from seqconv.training.run.loop import run_steps
from seqconv.training.run.setup import prepare
from seqconv.training.step.train_step import CompiledStep

NAN = np.nan
TAGS = Target("multilabel", ("a", "b"))


def tagged(count=40, seed=0, missing=0.3, kind="sequence"):
    """Sequences of a level each, whether it is high and whether it is odd; some of these labels are missing."""
    rng = np.random.default_rng(seed + 100)
    levels = rng.integers(0, 4, count)
    features = toned(levels, seed=seed)
    rows = np.stack([levels >= 2, levels % 2], axis=1).astype(float)
    if kind == "frame":
        labels = [np.tile(row, (len(part), 1)) for row, part in zip(rows, features, strict=True)]
        for label in labels:
            label[rng.random(label.shape) < missing] = NAN
        return Sequences(features, labels)
    rows[rng.random(rows.shape) < missing] = NAN
    return Sequences(features, rows)


@pytest.mark.parametrize(
    "raw",
    [
        [[1, 0], [None, 1], [0, NAN]],
        np.array([[1, 0], [NAN, 1], [0, NAN]]),
        pd.DataFrame({"a": ["1", None, "0"], "b": ["0", "1", ""]}),
        pd.DataFrame({"b": [0, 1, NAN], "a": [1, NAN, 0]}),
    ],
    ids=["lists", "array", "text", "other order"],
)
def test_every_form_of_a_missing_label_is_read(raw):
    target = fit_target("multilabel", raw, labels=["a", "b"])
    np.testing.assert_array_equal(target.encode(raw), [[1, 0], [NAN, 1], [0, NAN]])


def test_an_empty_text_or_list_still_means_that_no_label_applies():
    target = fit_target("multilabel", ["a;b", "", "b"])
    assert target.encode(["a;b", "", None]).tolist() == [[1, 1], [0, 0], [0, 0]]
    assert missing_cells(["a;b", None], names=["a", "b"]) is None


def test_a_manifest_may_leave_cells_of_label_columns_empty(tmp_path):
    table = pd.DataFrame({"path": [f"{i}.wav" for i in range(12)], "a": [1, 0, None] * 4, "b": [1, 0, 1, None] * 3})
    for name in table["path"]:
        (tmp_path / name).touch()
    table.to_csv(tmp_path / "m.csv", index=False)
    frame = load_manifest(tmp_path / "m.csv", label=["a", "b"], task="multilabel")
    made = make_splits(frame, label=["a", "b"], task="multilabel")
    assert made["split"].notna().all()
    assert np.isnan(TAGS.encode(frame[["a", "b"]])).sum() == 7
    table.loc[0, "a"] = 3
    table.to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(ManifestError, match="'a' must hold 0 or 1, or nothing, but 1 rows do not"):
        load_manifest(tmp_path / "m.csv", label=["a", "b"], task="multilabel")


def test_class_weights_know_nothing_of_missing_labels():
    rows = np.array([[1, 0], [1, 0], [1, 1], [0, 1]], float)
    with_missing = np.vstack([rows, [[NAN, NAN]] * 3])
    for raw in (with_missing, np.nan_to_num(with_missing, nan=-1)):
        np.testing.assert_allclose(class_weights(TAGS, raw, "balanced")[:4], class_weights(TAGS, rows, "balanced"))
        assert class_weights(TAGS, raw, {"a": 3})[4:].tolist() == [1, 1, 1]


def test_scores_are_those_of_the_known_labels_alone():
    rng = np.random.default_rng(3)
    targets = rng.integers(2, size=(80, 3)).astype(float)
    probabilities = rng.random((80, 3))
    targets[rng.random((80, 3)) < 0.4] = NAN
    found = find_task("multilabel").score(targets, probabilities, ["x", "y", "z"])
    known = ~np.isnan(targets)
    for place, name in enumerate("xyz"):
        wanted, got = targets[known[:, place], place], probabilities[known[:, place], place]
        assert found["per_class"][name]["average_precision"] == pytest.approx(average_precision_score(wanted, got))
        assert found["per_class"][name]["f1"] == pytest.approx(f1_score(wanted, got >= 0.5))
        assert found["per_class"][name]["known"] == known[:, place].sum()
    assert found["micro_f1"] == pytest.approx(f1_score(targets[known], probabilities[known] >= 0.5))
    # What stands where nobody knows changes nothing.
    other = np.where(known, probabilities, 1 - probabilities)
    assert find_task("multilabel").score(targets, other, ["x", "y", "z"]) == found
    everyone = np.arange(80)
    for scorer in (
        find_task("multilabel").headline_scorer(targets, probabilities),
        find_task("multilabel").frame_scorer(targets, probabilities, everyone, 80),
    ):
        headline = scorer(everyone)
        assert headline == pytest.approx({name: found[name] for name in headline})


def test_a_frame_has_a_label_as_long_as_one_is_known():
    rows = [[[1, NAN], [NAN, NAN], [0, 1]]]
    labels, weights = FrameTargets(rows, 2, may_be_partial=True).of_sequence(0)
    assert labels.tolist() == [[1, -1], [0, 0], [0, 1]]
    assert weights.tolist() == [0.5, 0, 0.5]
    labels = Target("multilabel", ("a", "b"), kind="frame").frame_labels([np.array(rows[0])])
    assert labels.is_labeled(0).tolist() == [True, False, True]
    assert labels.num_labeled == 2


def epoch_gradients(strategy, kind, focusing):
    keras.utils.set_random_seed(1)
    model = {**MODEL, "pooling": "frames"} if kind == "frame" else MODEL
    loss = {"loss": "focal", "focal_gamma": focusing} if focusing else {}
    config = load_config(
        quick(
            features={"kind": "precomputed"},
            target={"task": "multilabel"},
            model=model,
            training={"epochs": 1, "label_smoothing": 0.1, **loss},
            batching={"strategy": strategy},
        )
    )
    data = load_datasets(config.data_spec, tagged(kind=kind), tagged(20, seed=1, kind=kind))
    experiment = prepare(config, data)
    network, optimizer = experiment.model, SummingOptimizer(learning_rate=1.0)
    settings = ("multilabel", 0.1, focusing)
    network.compile(
        optimizer,
        find_task(settings[0]).make_loss(*settings[1:]),
        weighted_metrics=find_task(settings[0]).make_metrics(*settings[1:]),
    )
    experiment = replace(experiment, step=CompiledStep(network, experiment.plan.shapes))
    run_steps(experiment, list(experiment.plan.epoch(0)))
    return float(network.get_metrics_result()["mean_loss"]), [
        keras.ops.convert_to_numpy(variable) for variable in optimizer.sums
    ]


@pytest.mark.parametrize(("kind", "focusing"), [("sequence", 0.0), ("frame", 1.5)])
def test_loss_and_gradient_of_an_epoch_are_the_same_in_every_layout(kind, focusing):
    with double_precision():
        found = {strategy: epoch_gradients(strategy, kind, focusing) for strategy in STRATEGIES}
    loss, expected = found.pop("padded")
    assert all(np.abs(gradient).max() > 1e-4 for gradient in expected)
    for strategy, (other, gradients) in found.items():
        assert other == pytest.approx(loss, rel=1e-9)
        for ours, theirs in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9 * np.abs(theirs).max(), err_msg=strategy)


@pytest.mark.parametrize("kind", ["sequence", "frame"])
def test_a_run_with_missing_labels_trains_and_scores(kind, tmp_path):
    pooling = "frames" if kind == "frame" else "mean"
    config = quick(target={"task": "multilabel"}, model={"blocks": [{"filters": 6}], "pooling": pooling})
    parts = {"train_data": tagged(kind=kind), "valid_data": tagged(20, seed=1, kind=kind)}
    run = train({**config, "training": {"epochs": 25, "learning_rate": 2e-2}}, tmp_path / "run", **parts)
    assert run.metrics["valid"]["per_class"]["0"]["auc"] > 0.75
    table = run.evaluation.predictions
    assert set(table["missing"].dropna()) == {"", "0", "1"} | ({"0;1"} if kind == "sequence" else set())
    assert run.metrics["valid"]["loss"] == pytest.approx(table["loss"].mean())
    assert np.isfinite(run.history["val_loss"]).all()


def test_what_is_missing_is_no_error():
    target = Target("multilabel", ("a", "b"), kind="frame")
    model = build_model({"blocks": [{"filters": 2}], "pooling": "frames"}, num_features=NUM_FEATURES, num_outputs=2)
    features = [np.ones((4, NUM_FEATURES), "float32")]
    first = evaluate(model, Sequences(features, [np.ones((4, 2))]), target=target, bootstrap=0)
    given = first.predictions[["p_a", "p_b"]].to_numpy() >= 0.5
    right = np.where(given, 1.0, 0.0)
    right[:, 1] = NAN
    right[0, 1] = 1.0 - given[0, 1]
    second = evaluate(model, Sequences(features, [right]), target=target, bootstrap=0)
    assert second.errors()["error_rate"].tolist() == [0.25]


def test_sequences_of_which_nothing_is_known_weigh_nothing(tmp_path):
    data = tagged(missing=0.0)
    rows = np.vstack([data.labels, [[NAN, NAN]] * 8])
    more = Sequences([*[data[i] for i in range(len(data))], *toned([3] * 8, seed=9)], rows)
    config = load_config(quick(features={"kind": "precomputed"}, target={"task": "multilabel"}))
    experiment = prepare(config, load_datasets(config.data_spec, more, tagged(20, seed=1)))
    assert experiment.training_set.weights[-8:].tolist() == [0] * 8
    assert experiment.training_set.weights[:-8].min() > 0
    assert np.isnan(experiment.training_set.labels).sum() == 16
    with pytest.raises(ManifestError, match="none of the 2 sequences has a label to score against"):
        evaluate(experiment.model, Sequences(toned([1, 2]), np.full((2, 2), NAN)))
