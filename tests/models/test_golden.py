"""Files of an earlier version load in this one: `tests/golden/formatN`, written by `tests/golden/regenerate.py`."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqconv.config import load_config
from seqconv.config.loading import dump_config
from seqconv.errors import StoreError
from seqconv.evaluation import Evaluation
from seqconv.features.arrays import load_npz
from seqconv.features.store import FeatureStore
from seqconv.features.store.index import FORMAT_VERSION as STORE_FORMAT
from seqconv.models import load_model
from seqconv.models.safe_loading import FORMAT_VERSION as MODEL_FORMAT
from seqconv.prediction import predict
from seqconv.prediction.forward import Choice
from seqconv.reports.folder import SCORES_VERSION, read_scores

FORMATS = sorted((Path(__file__).parents[1] / "golden").glob("format*"))


def test_each_format_that_is_written_has_its_folder():
    versions = [json.loads((folder / "versions.json").read_text())["format_version"] for folder in FORMATS]
    assert versions[-1] == MODEL_FORMAT
    # Stores are caches: an older one is built anew, and need not be read.
    assert STORE_FORMAT == 1


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("name", ["sequence", "frames"])
def test_a_model_gives_its_logits(folder, name):
    model = load_model(folder / f"{name}.keras")
    assert (model.card.name, model.card.format_version <= MODEL_FORMAT) == (name, True)
    expected = np.load(folder / f"{name}_logits.npy")
    assert np.ptp(expected) > 0.1
    found = model.predict(np.load(folder / "frames.npy"), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("folder", FORMATS[1:], ids=lambda folder: folder.name)
@pytest.mark.parametrize("name", ["sequence", "frames"])
def test_a_model_decides_as_its_card_says(folder, name):
    model = load_model(folder / f"{name}.keras")
    expected = pd.read_csv(folder / f"{name}_predictions.csv", dtype={"id": str}, keep_default_na=False)
    found = predict(model, list(np.load(folder / "frames.npy")))
    assert found["prediction"].tolist() == expected["prediction"].tolist()
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-4)
    model.card = replace(model.card, temperature=1.0, thresholds=None)
    assert not np.allclose(predict(model, list(np.load(folder / "frames.npy"))).iloc[:, -1], expected.iloc[:, -1])


def test_a_store_gives_its_features():
    store = FeatureStore(FORMATS[-1] / "store")
    assert store.ids == ["a", "b", "c"]
    for index, name in enumerate(store.ids):
        np.testing.assert_array_equal(store[index], load_npz(FORMATS[-1] / "store.npz", name))


def test_features_of_an_earlier_version_of_their_kind_are_not_used():
    with pytest.raises(StoreError, match="'log_mel' was changed since this store was built"):
        FeatureStore(FORMATS[0] / "store")


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_a_config_of_a_run_loads_and_keeps_its_values(folder):
    config = load_config(folder / "config.yaml")
    assert (config.name, config.features.n_mels, config.model.predicts_frames) == ("golden", 6, True)
    assert load_config(folder / "config.yaml") == load_config(config.to_dict())
    lines = (folder / "config.yaml").read_text(encoding="utf-8").splitlines()
    # Later versions may have more keys; those that there were mean what they meant. Keys of other kinds of features,
    # which meant nothing, are not written any more.
    of_other_kinds = {"  n_mfcc: 20", "  n_chroma: 12", "  key: null", "  frame_rate: null"}
    assert set(lines) - of_other_kinds <= set(dump_config(config).splitlines())


def test_scores_without_a_version_are_read():
    scores = read_scores(FORMATS[0] / "metrics.json")
    assert "format_version" not in (FORMATS[0] / "metrics.json").read_text()
    assert scores["test"]["confusion_matrix"] == [[1, 0], [1, 1]]
    assert scores["test"]["accuracy"] == pytest.approx(2 / 3)


SCORES = sorted((Path(__file__).parents[1] / "golden").glob("scores*"))


@pytest.mark.parametrize("folder", SCORES, ids=lambda folder: folder.name)
def test_scores_are_read_and_kept(folder, tmp_path):
    version = json.loads((folder / "metrics.json").read_text())["format_version"]
    assert folder.name == f"scores{version}"
    assert int(SCORES[-1].name.removeprefix("scores")) == SCORES_VERSION
    scores = read_scores(folder / "metrics.json")["test"]
    assert np.shape(scores["confusion_matrix"]) == (3, 3)
    table = pd.read_csv(folder / "predictions.csv", dtype={"id": str})
    assert (table["label"] == table["prediction"]).mean() == pytest.approx(scores["accuracy"])
    assert table["loss"].mean() == pytest.approx(scores["loss"])
    # Scores of another split take their place beside them.
    shutil.copy(folder / "metrics.json", tmp_path)
    layout = Choice("padded", "")
    Evaluation({"num_sequences": 1}, table, "classification", "valid", layout).save(tmp_path)
    assert read_scores(tmp_path / "metrics.json") == {"test": scores, "valid": {"num_sequences": 1}}
