"""The made-up data set of machines, and the config that learns how fast they turn: trained, evaluated, used."""

import csv
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqconv.cli.commands import evaluate, predict
from seqconv.config import load_config
from seqconv.features import load_features
from seqconv.training import train

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data" / "vibration"
SHORT = [
    *("training.epochs=15", "training.learning_rate=4e-3", "model.blocks.0.strides=4", "model.blocks.3.filters=64"),
    *("evaluation.bootstrap=20", "evaluation.report=false"),
]


@pytest.fixture(scope="module")
def rows():
    with (DATA / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The config, with a fifth of its epochs."""
    return train(load_config("vibration.yaml", SHORT), tmp_path_factory.mktemp("runs") / "vibration")


def test_the_script_makes_the_data_again(tmp_path, monkeypatch, rows):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    monkeypatch.delitem(sys.modules, "make_vibration", raising=False)
    assert import_module("make_vibration").main(["--output", str(tmp_path / "again")]) == 0
    again = (tmp_path / "again" / "manifest.csv").read_text(encoding="utf-8")
    assert again == (DATA / "manifest.csv").read_text(encoding="utf-8")
    for row in rows[::12]:
        folders = (DATA, tmp_path / "again")
        one, two = (load_features(folder / row["path"], {"kind": "precomputed"}) for folder in folders)
        # Sines differ in their last digit from one library to another.
        np.testing.assert_allclose(one, two, atol=1)


def test_it_is_what_its_description_says(rows):
    assert len(rows) == 252
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 1_000_000
    machines = pd.DataFrame(rows).groupby("machine")["split"].agg(["nunique", "first"])
    assert (machines["nunique"] == 1).all()
    assert machines["first"].value_counts().to_dict() == {"train": 24, "valid": 6, "test": 6}
    for row in rows[::20]:
        signal = load_features(DATA / row["path"], {"kind": "precomputed"})
        assert signal.shape == (round(400 * float(row["seconds"])), 2)
    assert {Path(row["path"]).suffix for row in rows} == {".npy", ".csv"}


def test_there_is_a_line_at_the_speed_of_the_shaft(rows):
    """Not always the strongest, but far above what lies beside it."""
    found = []
    for row in rows[::5]:
        signal = load_features(DATA / row["path"], {"kind": "precomputed"})
        window = np.hanning(len(signal))[:, None]
        power = (np.abs(np.fft.rfft((signal - signal.mean(axis=0)) * window, 8192, axis=0)) ** 2).sum(axis=1)
        place = float(row["rpm"]) / 60 * 8192 / 400
        near = power[round(place) - 8 : round(place) + 9].max()
        found.append(near / np.median(power[round(0.75 * place) : round(1.25 * place)]))
    assert np.quantile(found, 0.1) > 3


def test_it_learns_the_speed_of_machines_that_it_has_not_seen(run):
    assert run.metrics["test"]["r2"] > 0.5
    assert run.metrics["test"]["mae"] < 450


def test_it_is_evaluated_by_site_and_load(run, capsys):
    arguments = ["--model", str(run.path / "model.keras"), "--slice", "site", "--slice", "load"]
    assert evaluate.main(arguments) == 0
    out = capsys.readouterr().out
    assert "workshop" in out
    assert "paper mill" in out


def test_it_predicts_in_revolutions_a_minute(run, rows, capsys, tmp_path):
    chosen = [row for row in rows if row["split"] == "test"][::8]
    files = [str(DATA / row["path"]) for row in chosen]
    assert predict.main(["--model", str(run.path / "model.keras"), "--output", str(tmp_path / "p.csv"), *files]) == 0
    table = pd.read_csv(tmp_path / "p.csv")
    assert len(table) == len(files)
    assert table["prediction"].between(0, 4000).all()
