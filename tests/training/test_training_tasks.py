"""Every task end to end, from arrays and from manifests; and what is refused before the first step."""

import numpy as np
import pandas as pd
import pytest
from support.training_data import NUM_FEATURES, classified, quick, toned

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError, ShapeError
from seqconv.evaluation import evaluate
from seqconv.training import train

LEVELS = [i % 3 for i in range(30)]
VALUES = np.array(LEVELS) * 100.0 + 1000.0


def write_manifest(folder, labels, *, count=30, **columns):
    """A manifest over `.npy` files; `labels` are further columns."""
    arrays = toned(LEVELS[:count])
    for index, array in enumerate(arrays):
        np.save(folder / f"{index}.npy", array)
    frame = pd.DataFrame({"path": [f"{index}.npy" for index in range(count)], **labels, **columns})
    frame.to_csv(folder / "manifest.csv", index=False)
    return {"manifest": str(folder / "manifest.csv"), "num_workers": 0}


def splits(count=30):
    """Every class in every split."""
    return (["train"] * 18 + ["valid"] * 6 + ["test"] * 6)[:count]


def trained(tmp_path, data, **sections):
    config = quick(data=data, features={"kind": "precomputed"}, **sections)
    return train(config, tmp_path / "run")


SETS = ["a", "a;b", ""]
MULTILABEL = {
    "separator": ({"label": [SETS[level] for level in LEVELS]}, {"column": "label"}),
    "columns": (
        {"a": [int(level < 2) for level in LEVELS], "b": [int(level == 1) for level in LEVELS]},
        {"columns": ["a", "b"]},
    ),
}


@pytest.mark.parametrize("form", MULTILABEL)
def test_multilabel_from_a_manifest(tmp_path, form):
    labels, target = MULTILABEL[form]
    data = write_manifest(tmp_path, labels, split=splits())
    training = {"epochs": 8, "learning_rate": 0.05, "monitor": "val_micro_map"}
    finished = trained(tmp_path, data, target={"task": "multilabel", **target}, training=training)
    assert finished.model.card.target.names == ("a", "b")
    assert finished.metrics["test"]["micro_auc"] > 0.7
    assert finished.history["loss"].iloc[-1] < finished.history["loss"].iloc[0]


@pytest.mark.parametrize("form", ["lists", "rows"])
def test_multilabel_from_arrays(tmp_path, form):
    sets = [[name for name in SETS[level].split(";") if name] for level in LEVELS]
    labels = sets if form == "lists" else np.array([["a" in row, "b" in row] for row in sets], int)
    data = Sequences(toned(LEVELS), labels)
    valid = Sequences(toned(LEVELS, seed=1), labels)
    finished = train(quick(target={"task": "multilabel"}), tmp_path / "run", train_data=data, valid_data=valid)
    assert finished.model.num_outputs == 2
    assert set(finished.metrics) == {"valid"}


def test_regression_learns_standardized_values_and_answers_in_their_unit(tmp_path):
    data = write_manifest(tmp_path, {"age": VALUES, "dose": -VALUES / 1000}, split=splits())
    training = {"epochs": 12, "learning_rate": 0.05}
    target = {"task": "regression", "columns": ["age", "dose"]}
    finished = trained(tmp_path, data, target=target, training=training)
    assert finished.history["loss"][0] < 10
    assert finished.metrics["test"]["r2"] > 0.5
    predictions = finished.evaluation.predictions
    assert predictions["prediction_age"].between(900, 1300).all()
    assert predictions["prediction_dose"].between(-1.3, -0.9).all()


def test_regression_on_one_column_of_arrays(tmp_path):
    data, valid = Sequences(toned(LEVELS), VALUES), Sequences(toned(LEVELS, seed=1), VALUES)
    training = {"epochs": 8, "learning_rate": 0.05, "monitor": "val_mae"}
    finished = train(
        quick(target={"task": "regression"}, training=training), tmp_path / "run", train_data=data, valid_data=valid
    )
    assert finished.metrics["valid"]["mae"] == pytest.approx(finished.history["val_mae"].min(), rel=1e-6)
    assert finished.metrics["valid"]["mae"] < np.abs(VALUES - VALUES.mean()).mean()


def test_splits_that_a_manifest_lacks_are_made_said_and_kept(tmp_path, capsys):
    data = write_manifest(tmp_path, {"label": [f"c{level}" for level in LEVELS]})
    finished = trained(tmp_path, data)
    assert "note     no splits: made train, valid and test, stratified by 'label'" in capsys.readouterr().out
    kept = pd.read_csv(finished.path / "splits.csv")
    assert len(kept) == 30
    assert kept["split"].value_counts()["test"] == finished.metrics["test"]["num_sequences"]


def test_a_manifests_weights_weigh_the_loss(tmp_path):
    labels = {"label": [f"c{level}" for level in LEVELS]}
    still = {"learning_rate": 1e-30, "optimizer": "sgd", "weight_decay": None, "epochs": 1}
    weight = [5.0 if level == 2 else 0.0 for level in LEVELS]
    data = write_manifest(tmp_path, labels, split=splits(), weight=weight)
    finished = trained(tmp_path, data, training=still)
    heavy = Sequences.from_manifest(data["manifest"], {"kind": "precomputed"}, split="train").where("label", "c2")
    assert finished.history["loss"][0] == pytest.approx(evaluate(finished.model, heavy).metrics["loss"], rel=1e-5)


def refuse(tmp_path, match, *, error=ManifestError, train_data=None, **options):
    sections = {key: options.pop(key) for key in list(options) if key not in ("valid_data", "test_data")}
    data = classified() if train_data is None else train_data
    with pytest.raises(error, match=match):
        train(quick(**sections), tmp_path / "run", train_data=data, **options)
    assert not (tmp_path / "run").exists()


def test_labels_that_training_lacks_are_listed_for_all_splits(tmp_path):
    strange = Sequences(toned([0, 1, 2]), ["low", "deep", "high"], ids=["x", "y", "z"])
    match = r"2 problems\n  valid: unknown labels 'deep', 'high' of .*'y', 'z'.*Known: 'low', 'mid', 'top'\n  test: "
    refuse(tmp_path, match, valid_data=strange, test_data=strange, data={"on_leak": "warn"})


def test_sequences_too_short_are_named_with_the_length_that_works(tmp_path):
    short = Sequences([*toned([0, 1, 2], shortest=9), np.zeros((2, 3))], ["low", "mid", "top", "low"], ids=list("abcd"))
    model = {"blocks": [{"filters": 4, "kernel_size": 5, "padding": "valid"}]}
    match = r"test: 1 sequences are shorter than the 5 frames that the model needs: 'd \(2 frames\)'.*padding 'same'"
    names = [f"{level}" for level in LEVELS]
    long_enough, valid = (Sequences(toned(LEVELS, seed=seed, shortest=5), names) for seed in (0, 1))
    renamed = Sequences([short[i] for i in range(4)], ["0", "1", "2", "0"], ids=short.ids)
    refuse(tmp_path, match, train_data=long_enough, valid_data=valid, test_data=renamed, model=model)


def test_splits_with_different_features_are_refused(tmp_path):
    other = Sequences([np.zeros((5, 2))] * 3, ["low", "mid", "top"])
    refuse(tmp_path, "different numbers of features: train 3, valid 2", valid_data=other)


def test_features_that_the_config_cannot_have_made_are_refused(tmp_path):
    refuse(tmp_path, r"'log_mel', which has 64 features.* the sequences have 3", features={"kind": "log_mel"})
    recording = {"kind": "precomputed", "normalize": "recording"}
    refuse(tmp_path, r"'recording', which happens when features are extracted", features=recording)


def test_a_monitor_that_valid_cannot_have_is_refused_before_training(tmp_path):
    data = Sequences(toned(LEVELS), [SETS[level] for level in LEVELS])
    one_sided = Sequences(toned([0, 0, 0]), ["a", "a", "a"])
    options = {"target": {"task": "multilabel"}, "training": {"monitor": "val_macro_auc"}}
    match = r"monitor is 'val_macro_auc', but the 3 sequences of valid have no such score: .*Set training.monitor to"
    refuse(tmp_path, match, train_data=data, valid_data=one_sided, **options)


@pytest.mark.parametrize(
    ("train_data", "error", "match"),
    [
        (
            lambda: Sequences(toned(LEVELS)),
            ConfigError,
            r"train_data has no labels. Pass Sequences\(features, labels\)",
        ),
        (lambda: Sequences(toned(LEVELS), ["a"] * 30), ManifestError, "the label 'a': there is nothing to tell apart"),
        (lambda: Sequences(toned([0, 1]), ["a", "b"]), ManifestError, "would leave none of '.' to learn from"),
        (lambda: Sequences([], []), ShapeError, "no sequences: the list is empty"),
        (lambda: Sequences([np.full((4, 3), np.nan)] * 4, list("abab")), ManifestError, "NaN"),
        (lambda: Sequences([np.zeros(4)] * 4, list("abab")), ShapeError, r"\(time, d\)"),
    ],
)
def test_training_data_that_cannot_be_learned_from(tmp_path, train_data, error, match):
    with pytest.raises(error, match=match):
        train(quick(), tmp_path / "run", train_data=train_data())
    assert not (tmp_path / "run").exists()


def test_training_on_nothing_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing to train on: data\.manifest is not set"):
        train({}, tmp_path / "run")
    with pytest.raises(ConfigError, match="given without train_data"):
        train({}, tmp_path / "run", test_data=classified())
    data = write_manifest(tmp_path, {"label": [f"c{level}" for level in LEVELS]}, split=["valid"] * 15 + ["test"] * 15)
    with pytest.raises(ManifestError, match="no 'train' to learn from"):
        trained(tmp_path, data)


def test_a_lone_class_and_files_of_nan_are_refused_by_id(tmp_path):
    data = write_manifest(tmp_path, {"label": ["one"] * 30}, split=splits())
    with pytest.raises(ManifestError, match="'one'"):
        trained(tmp_path, data)
    data = write_manifest(tmp_path, {"label": [f"c{level}" for level in LEVELS]}, split=splits())
    np.save(tmp_path / "4.npy", np.full((6, NUM_FEATURES), np.nan))
    with pytest.raises(ManifestError, match=r"4\.npy.*NaN"):
        trained(tmp_path, data)
    assert not (tmp_path / "run").exists()


def test_packing_layers_that_cannot_be_packed_is_refused_by_name(tmp_path):
    from seqconv.config import load_config
    from seqconv.models import build_model
    from seqconv.training.run.setup import plan_batches

    model = build_model({"blocks": [{"type": "lstm", "units": 3}]}, num_features=3, num_outputs=2)
    config = load_config({"batching": {"strategy": "packed"}})
    with pytest.raises(ConfigError, match=r"cannot take several sequences in one row: 'block0_lstm'. Set batching"):
        plan_batches(config, model, np.array([4, 5]))
    plan, notes = plan_batches(load_config({}), model, np.array([4, 5]))
    assert plan.strategy == "bucketed"
    assert notes == ["batching.strategy auto: bucketed, because these layers cannot be packed: 'block0_lstm'"]


def test_what_is_too_long_is_counted(tmp_path, capsys):
    long = Sequences([*toned(LEVELS), np.zeros((500, 3))], [*(f"{level}" for level in LEVELS), "0"])
    valid = Sequences(toned(LEVELS, seed=1), [f"{level}" for level in LEVELS])
    sections = {"batching": {"strategy": "padded", "too_long": "drop", "frames_per_batch": 160, "batch_size": None}}
    train(quick(**sections, training={"epochs": 1}), tmp_path / "run", train_data=long, valid_data=valid)
    assert "1 dropped" in capsys.readouterr().out
