"""Little, unequal and incomplete data, on real recordings: what is chosen, drawn, averaged, reused and left out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax
from sklearn.metrics import f1_score, precision_score
from support.extras import require

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.evaluation import evaluate
from seqconv.models import load_model
from seqconv.prediction import predict
from seqconv.prediction.forward import forward
from seqconv.training import train

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 160, "n_mels": 16}
MODEL = {"blocks": [{"filters": 12, "kernel_size": 5, "strides": 2}, {"filters": 16, "kernel_size": 3}]}


@pytest.fixture(scope="module")
def corpus():
    """A row for each short prompt; `is_long` says which are longer than half of them."""
    table = pd.read_csv(PROMPTS / "manifest.csv", keep_default_na=False)
    table = table[table["seconds"].between(0.3, 2.5)]
    table["path"] = [str(PROMPTS / path) for path in table["path"]]
    return table.assign(is_long=np.where(table["seconds"] > table["seconds"].median(), "long", "short")).reset_index(
        drop=True
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("practice")


def some(corpus, counts, *, others=40):
    """So many training recordings of each language, and some of the other splits."""
    picked = [
        rows.head(count if split == "train" else others)
        for label, count in counts.items()
        for split, rows in corpus[corpus["label"] == label].groupby("split")
    ]
    return pd.concat(picked, ignore_index=True)


def config(folder, table, name, **sections):
    path = folder / f"{name}.csv"
    table.to_csv(path, index=False)
    base = {
        "data": {"manifest": str(path), "cache_dir": str(folder / "cache"), "num_workers": 0},
        "features": FEATURES,
        "model": MODEL,
        "batching": {"batch_size": 16},
        "training": {"epochs": 5, "learning_rate": 5e-3},
        "evaluation": {"bootstrap": 0, "report": False},
    }
    return {key: {**base.get(key, {}), **sections.get(key, {})} for key in {**base, **sections}}


@pytest.fixture(scope="module")
def unequal(corpus, folder):
    """A run on four Italian prompts for each Russian one, with all that is there for such data."""
    table = some(corpus, {"it": 100, "ru": 25})
    training = {"sampling": "balanced", "loss": "focal", "averaging": {"type": "ema", "decay": 0.9}}
    evaluation = {
        "thresholds": {"precision": 0.9},
        "positive": "ru",
        "calibration": "temperature",
        "slices": ["is_long"],
    }
    return train(config(folder, table, "two", training=training, evaluation=evaluation), folder / "unequal")


def test_what_was_chosen_on_valid_holds_there_and_decides_wherever_the_model_answers(unequal, corpus):
    saved = load_model(unequal.path / "model.keras")
    names, (threshold, temperature) = saved.card.target.names, thresholds_of(saved.card)
    valid = load_datasets(load_config(unequal.path / "config.yaml").data_spec).valid
    labels = np.array([names.index(label) for label in valid.labels])
    logits = forward(saved, valid).astype(float)
    losses = [-log_softmax(logits / t, axis=1)[np.arange(len(labels)), labels].mean() for t in (temperature, 1.0)]
    assert losses[0] <= losses[1] + 1e-6
    decided = evaluate(saved, valid).predictions
    ru = names.index("ru")
    assert precision_score(decided["label"] == "ru", decided["prediction"] == "ru") >= 0.9
    test = corpus[(corpus["split"] == "test") & corpus["label"].isin(names)].head(60)
    told = predict(saved, test["path"].tolist())
    np.testing.assert_array_equal(told["prediction"] == "ru", told[f"p_{names[ru]}"] >= threshold)
    assert {"it", "ru"} == set(told["prediction"])


def thresholds_of(card):
    """The threshold of Russian, the rarer of two classes, and the temperature."""
    (threshold,) = (value for value in card.thresholds if value is not None)
    return threshold, card.temperature


def test_slices_are_the_scores_of_their_recordings(unequal, corpus):
    slices = unequal.metrics["test"]["slices"]["is_long"]
    table = unequal.evaluation.predictions.merge(corpus[["id", "is_long"]], on="id")
    assert set(slices) == {"long", "short"}
    for name, rows in table.groupby("is_long"):
        assert slices[name]["count"] == len(rows)
        right = (rows["label"] == rows["prediction"]).mean()
        assert slices[name]["accuracy"] == pytest.approx(right, abs=1e-9)


def test_a_model_of_three_languages_learns_two_others_with_a_block_that_stays(corpus, folder):
    base = train(config(folder, some(corpus, {"en": 40, "es": 40, "fr": 40}), "base"), folder / "base")
    init = {"init": str(base.path / "model.keras"), "freeze": [0], "epochs": 3}
    settings = config(folder, some(corpus, {"it": 20, "ru": 20}), "other", training=init)
    del settings["model"], settings["features"]
    run = train(settings, folder / "tuned")
    before, after = (load_model(each.path / "model.keras") for each in (base, run))
    assert all(stayed(before, after, 0)), "with the statistics of its normalization"
    assert len(stayed(before, after, 0)) > 2
    assert not any(stayed(before, after, 1))
    states = {part["part"]: part["state"] for part in json.loads((run.path / "transfer.json").read_text())["parts"]}
    assert states["block 0"] == "frozen"
    assert states["logits"] == "new"
    assert run.model.card.target.names == ("it", "ru")


def stayed(before, after, block):
    """Whether each variable of a block is in both models the same, bit for bit."""
    layers = zip(before.stack.layers_of_block(block), after.stack.layers_of_block(block), strict=True)
    pairs = [pair for old, new in layers for pair in zip(old.weights, new.weights, strict=True)]
    return [np.array_equal(old.numpy(), new.numpy()) for old, new in pairs if "seed" not in old.path]


def test_labels_that_nobody_gave_count_neither_way(corpus, folder):
    table = some(corpus, {"it": 80, "ru": 80})
    rng = np.random.default_rng(0)
    table["russian"], table["long"] = (table["label"] == "ru").astype(int), (table["is_long"] == "long").astype(int)
    truth = table.set_index("id")[["russian", "long"]].astype(float)
    for name in ("russian", "long"):
        table[name] = table[name].astype(object).mask(rng.random(len(table)) < 0.3, "")
    target = {"task": "multilabel", "columns": ["russian", "long"]}
    settings = config(folder, table.drop(columns="label"), "tags", target=target, training={"epochs": 20})
    run = train(settings, folder / "tags")
    told = run.evaluation.predictions
    given = table.set_index("id").loc[told["id"], ["russian", "long"]]
    is_known = (given != "").to_numpy()
    assert not is_known.all()
    said = np.stack(
        [told["prediction"].str.split(";").map(lambda sets, n=n: n in sets) for n in ("russian", "long")], 1
    )
    wanted = truth.loc[told["id"]].to_numpy()
    by_hand = [f1_score(wanted[known, c], said[known, c]) for c, known in enumerate(is_known.T)]
    assert run.metrics["test"]["macro_f1"] == pytest.approx(np.mean(by_hand))
    assert run.metrics["test"]["macro_f1"] > 0.6
    missing = ["" if known.all() else ";".join(np.array(["russian", "long"])[~known]) for known in is_known]
    assert told["missing"].fillna("").tolist() == missing


def test_a_run_on_recordings_is_written_to_mlflow(corpus, folder, monkeypatch):
    require("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (folder / "mlruns").as_uri()
    training = {"epochs": 1, "mlflow": {"tracking_uri": uri, "experiment": "prompts"}}
    run = train(config(folder, some(corpus, {"it": 20, "ru": 20}), "logged", training=training), folder / "logged")
    client = MlflowClient(tracking_uri=uri)
    (found,) = client.search_runs([client.get_experiment_by_name("prompts").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.metrics["test/accuracy"] == run.metrics["test"]["accuracy"]
    assert found.data.params["features.n_mels"] == "16"
