"""Several runs in one folder: each as if alone, resumable, and one summary that is right."""

import io
import json
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats
from support.forking import Child
from support.killing import Process, result
from support.training_data import classified, quick, toned

from seqconv.cli.main import main
from seqconv.errors import ConfigError
from seqconv.experiments import resume_sweep, train_sweep
from seqconv.experiments import sweep as sweep_module
from seqconv.experiments.folder import read_sweep
from seqconv.models import load_model
from seqconv.reports.folder import read_run
from seqconv.training import train

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
RATES = {"training.learning_rate": [1e-2, 1e-3]}
PARTS = ("train_data", "valid_data", "test_data")
DROPOUT = {"defaults": {"norm": "batch", "dropout": 0.3}, "blocks": [{"filters": 6, "kernel_size": 3}]}


def in_memory():
    counts = (40, 16, 24)
    return {name: classified(count, seed=place) for place, (name, count) in enumerate(zip(PARTS, counts, strict=True))}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """60 arrays of two classes by 20 speakers."""
    folder = tmp_path_factory.mktemp("data")
    levels = [0, 1] * 30
    for number, array in enumerate(toned(levels)):
        np.save(folder / f"{number:02}.npy", array)
    rows = {"path": [f"{i:02}.npy" for i in range(60)], "label": [("low", "top")[level] for level in levels]}
    pd.DataFrame({**rows, "group": [f"s{i // 3}" for i in range(60)]}).to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def config_file(manifest, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "folded.yaml"
    values = quick(
        data={"manifest": str(manifest), "num_workers": 0},
        features={"kind": "precomputed"},
        split={"folds": 2},
        model=DROPOUT,
        evaluation={"bootstrap": 50},
        training={"checkpoint": {"steps": 2, "minutes": None}},
    )
    path.write_text(json.dumps(values))
    return path


@pytest.fixture(scope="module")
def sweep(config_file, tmp_path_factory):
    """2 folds x 2 seeds, by the command line."""
    path = tmp_path_factory.mktemp("sweep") / "all"
    assert main(["train", "--config", str(config_file), "--folds", "all", "--seeds", "2", "--run-dir", str(path)]) == 0
    return path


def test_a_member_is_the_run_that_it_would_be_alone(sweep, config_file, tmp_path):
    run = tmp_path / "alone"
    overrides = [part for text in ("seed=1", "split.seed=0", "split.fold=1") for part in ("--set", text)]
    command = ["train", "--config", str(config_file), *overrides, "--run-dir", str(run)]
    assert Child(tmp_path / "log", "-m", "seqconv", *command).wait() == 0, (tmp_path / "log").read_text()
    assert result(run) == result(sweep / "fold1-seed1")
    assert (run / "config.yaml").read_text() == (sweep / "fold1-seed1" / "config.yaml").read_text()
    names = [[layer.name for layer in load_model(path / "model.keras").layers] for path in (run, sweep / "fold1-seed1")]
    assert names[0] == names[1]


def test_folds_test_every_sequence_once(sweep):
    for seed in (0, 1):
        ids = [name for fold in range(2) for name in read_run(sweep / f"fold{fold}-seed{seed}").predictions["id"]]
        assert len(ids) == 60
        assert len(set(ids)) == 60


def test_the_summary_is_what_its_runs_say(sweep):
    summary = pd.read_csv(sweep / "summary.csv").set_index("score")
    members = pd.read_csv(sweep / "runs.csv")
    assert members["state"].tolist() == ["finished"] * 4
    scores = np.array([read_run(sweep / name).metrics["test"]["accuracy"] for name in members["run"]])
    row = summary.loc["accuracy"]
    assert row["runs"] == 4
    assert row["mean"] == pytest.approx(scores.mean())
    assert row["deviation"] == pytest.approx(scores.std(ddof=1))
    folds = scores.reshape(2, 2).mean(axis=1)
    low, high = stats.t.interval(0.95, 1, folds.mean(), stats.sem(folds))
    assert [row["low"], row["high"]] == pytest.approx([low, high])


def test_the_pooled_score_is_that_of_all_predictions(sweep):
    summary = pd.read_csv(sweep / "summary.csv").set_index("score")
    by_seed = []
    for seed in (0, 1):
        tables = [read_run(sweep / f"fold{fold}-seed{seed}").predictions for fold in range(2)]
        everything = pd.concat(tables)
        by_seed.append((everything["label"] == everything["prediction"]).mean())
    assert summary.loc["accuracy", "pooled"] == pytest.approx(np.mean(by_seed))
    assert summary.loc["accuracy", "pooled_low"] < summary.loc["accuracy", "pooled"]


def copied(sweep, tmp_path):
    return shutil.copytree(sweep, tmp_path / "copy")


def files_of(path):
    return {name: (path / name).read_bytes() for name in ("summary.csv", "runs.csv")}


def test_missing_runs_are_made_good(sweep, tmp_path, capsys):
    path = copied(sweep, tmp_path)
    shutil.rmtree(path / "fold1-seed0")
    shutil.rmtree(path / "fold1-seed1")
    # As a process leaves it that was killed when this run had just been scored.
    (path / "fold0-seed0" / "checkpoints").mkdir()
    for name in files_of(path):
        (path / name).unlink()
    kept = (path / "fold0-seed0" / "model.keras").stat().st_mtime_ns
    assert main(["train", "--resume", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "2 of 4 runs have finished" in printed
    assert "3/4  fold1-seed0  accuracy" in printed
    assert not (path / "fold0-seed0" / "checkpoints").exists()
    assert files_of(path) == files_of(sweep)
    assert result(path / "fold1-seed0") == result(sweep / "fold1-seed0")
    assert (path / "fold0-seed0" / "model.keras").stat().st_mtime_ns == kept


def test_a_sweep_that_is_stopped_and_killed_goes_on_and_is_equal(sweep, config_file, tmp_path):
    path = tmp_path / "stopped"
    process = Process(tmp_path / "log", "--config", config_file, "--folds", "all", "--seeds", "2", "--run-dir", path)
    assert process.wait_for(lambda: (path / "fold0-seed1" / "history.csv").is_file())
    assert process.end(signal.SIGTERM) == 128 + signal.SIGTERM
    told = process.log.read_text()
    assert "SIGTERM stopped the sweep in run" in told
    assert f"train --resume {path}" in told
    again = Process(tmp_path / "log2", "--resume", path)
    assert again.wait_for(lambda: (path / "fold1-seed0" / "history.csv").is_file())
    assert again.end(signal.SIGKILL) == -signal.SIGKILL
    assert not (path / "summary.csv").exists()
    done = resume_sweep(path)
    assert not done.failures
    assert files_of(path) == files_of(sweep)
    for spec in read_sweep(path).specs:
        assert result(path / spec.name) == result(sweep / spec.name)


def test_a_run_that_fails_is_named_and_the_others_go_on(config_file, tmp_path, capsys):
    path = tmp_path / "sweep"
    options = ["--sweep", "training.learning_rate=1e30,1e-2", "--set", "training.epochs=1"]
    assert main(["train", "--config", str(config_file), *options, "--run-dir", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "1/2  learning_rate=1e+30  failed: training diverged in epoch 1" in printed
    assert "2/2  learning_rate=0.01   accuracy" in printed
    assert "runs     1 finished, 1 failed" in printed
    assert "diverged" in (path / "logs" / "learning_rate=1e+30.txt").read_text()
    runs = pd.read_csv(path / "runs.csv", keep_default_na=False)
    assert "set training.gradient_clip" in runs["reason"][0]
    assert set(pd.read_csv(path / "summary.csv")["training.learning_rate"]) == {1e-2}
    assert runs["state"].tolist() == ["failed", "finished"]
    assert runs["reason"][1] == ""
    assert main(["train", "--resume", str(path)]) == 1
    assert "1 of 2 runs have finished" in capsys.readouterr().out


def test_what_is_wrong_with_all_runs_is_said_before_there_is_a_folder(config_file, tmp_path, capsys):
    gone = tmp_path / "gone.csv"
    command = ["train", "--config", str(config_file), "--seeds", "2", "--run-dir", str(tmp_path / "sweep")]
    assert main([*command, "--set", f"data.manifest={gone}"]) == 2
    assert "gone.csv" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


def test_features_are_extracted_once(tmp_path, monkeypatch):
    prompts = pd.read_csv(PROMPTS / "manifest.csv", keep_default_na=False)
    chosen = prompts[prompts["label"].isin(["it", "ru"])].groupby("label").head(12).drop(columns="split")
    chosen = chosen.assign(path=[str(PROMPTS / path) for path in chosen["path"]])
    chosen.to_csv(tmp_path / "manifest.csv", index=False)
    monkeypatch.setenv("SEQCONV_CACHE", str(tmp_path / "cache"))
    values = quick(
        data={"manifest": str(tmp_path / "manifest.csv"), "num_workers": 0},
        features={"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 16},
        split={"folds": 2},
        training={"epochs": 1},
    )
    train_sweep(values, tmp_path / "sweep", folds=[0, 1])
    shards = list((tmp_path / "cache").rglob("shard-*"))
    assert shards
    newest = max(shard.stat().st_mtime_ns for shard in shards)
    first = (tmp_path / "sweep" / "fold0" / "config.yaml").stat().st_mtime_ns
    assert newest < first, "nothing is extracted once the first run has begun"


def test_a_terminal_has_one_line_a_run(tmp_path, monkeypatch):
    text = io.StringIO()
    monkeypatch.setattr(
        sweep_module, "make_console", lambda: Console(file=text, force_terminal=True, width=80, soft_wrap=True)
    )
    train_sweep(quick(evaluation={"bootstrap": 20}), tmp_path / "s", sweeps=RATES, data=in_memory())
    from support.train_checks import screen

    lines = [line.rstrip() for line in screen(text.getvalue())]
    runs = [line for line in lines if line[:2] in ("1/", "2/")]
    assert len(runs) == 2
    assert all("accuracy" in line and "2 epochs" in line for line in runs)
    # The path of the folder is as long as it is.
    told = lines[: lines.index(runs[-1]) + 1]
    assert max(len(line) for line in told if not line.startswith("folder")) <= 80
    table = lines[lines.index(runs[-1]) + 1 :]
    assert max(len(line) for line in table if not line.startswith("summary")) <= 80
    # No digit is cut off, and it is said whose the scores are.
    told = "\n".join(table)
    assert re.search(r"learning_rate 0\.001\naccuracy +[01]\.\d{4} ", told)
    for said in ("balanced accuracy", "mean", "deviation", "95% interval", "over sequences"):
        assert said in told
    assert text.getvalue().count("\x1b[?25l") == text.getvalue().count("\x1b[?25h") == 1


def test_in_memory_seeds_leave_valid_the_same(tmp_path):
    data = {"train_data": classified(40), "test_data": classified(20, seed=1)}
    sweep = train_sweep(quick(), tmp_path / "s", seeds=[0, 1], data=data)
    configs = [read_run(sweep.path / name).config for name in sweep.runs["run"]]
    assert [config.split.seed for config in configs] == [0, 0]
    again = train(configs[1], tmp_path / "alone", **data)
    assert again.metrics["test"] == read_run(sweep.path / "seed1").metrics["test"]
    assert repr(sweep) == f"<sweep in {sweep.path}: 2 finished>"
    shutil.rmtree(sweep.path / "seed1")
    resumed = resume_sweep(sweep.path, data=data)
    assert resumed.summary.equals(sweep.summary)


def test_what_a_sweep_is_cannot_be_changed_when_it_goes_on(sweep, tmp_path):
    with pytest.raises(ConfigError, match="the runs of a sweep share their config"):
        resume_sweep(sweep, ["training.epochs=9"])
    path = copied(sweep, tmp_path)
    before = {model: model.stat().st_mtime_ns for model in path.rglob("model.keras")}
    done = resume_sweep(path, ["data.num_workers=0"])
    assert len(done.runs) == len(before) == 4
    assert {model: model.stat().st_mtime_ns for model in path.rglob("model.keras")} == before, "none is trained again"


def test_what_was_decided_counts_in_the_pooled_score(manifest, tmp_path):
    """With thresholds of their own, the models of the folds give labels that 0.5 would not."""
    rng = np.random.default_rng(0)
    table = pd.read_csv(manifest)
    table["path"] = [str(manifest.parent / path) for path in table["path"]]
    table["label"] = [";".join(name for name in "ab" if rng.random() < 0.3) for _ in range(len(table))]
    table.to_csv(tmp_path / "marks.csv", index=False)
    values = quick(
        data={"manifest": str(tmp_path / "marks.csv"), "num_workers": 0},
        features={"kind": "precomputed"},
        target={"task": "multilabel"},
        split={"folds": 2},
        evaluation={"thresholds": "f1", "bootstrap": 0},
    )
    sweep = train_sweep(values, tmp_path / "sweep", folds=[0, 1])
    tables = pd.concat([read_run(sweep.path / name).predictions for name in sweep.runs["run"]])
    truth, said = (
        [set(str(cell).split(";")) - {"", "nan"} for cell in tables[column]] for column in ("label", "prediction")
    )
    hits = sum(len(one & other) for one, other in zip(truth, said, strict=True))
    expected = 2 * hits / (sum(map(len, truth)) + sum(map(len, said)))
    pooled = sweep.summary.set_index("score").loc["micro_f1", "pooled"]
    assert pooled == pytest.approx(expected)
