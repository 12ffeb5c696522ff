"""Several runs on one page: their scores, what differs in their configs, their curves."""

import json
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest
from support.pages import read_page
from support.report_checks import check_alternatives, check_self_contained
from support.training_data import classified, quick

from seqconv.cli.commands import report as report_command
from seqconv.errors import ConfigError
from seqconv.experiments import write_comparison
from seqconv.experiments.comparison import _draw_curves
from seqconv.experiments.run_groups import config_differences
from seqconv.reports.drawings import legend_columns, shorten_all
from seqconv.reports.folder import read_run
from seqconv.reports.tables import number
from seqconv.training import train

NAMES = ["slow", "<b>fast</b>"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    parts = {"train_data": classified(40), "valid_data": classified(12), "test_data": classified(20)}
    for name, epochs, rate in zip(NAMES, (1, 3), (1e-3, 3e-2), strict=True):
        training = {"epochs": epochs, "learning_rate": rate}
        sections = quick(training=training, evaluation={"bootstrap": 20}, batching={"strategy": "padded"})
        train(sections, folder / name.replace("/", "|"), **parts)
    return sorted(path for path in folder.iterdir())


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    return read_page(write_comparison(runs, tmp_path_factory.mktemp("page") / "both.html"))


def test_scores_are_those_of_the_runs(runs, page):
    shown = page.find("table", id="score-table").table()
    assert [row["run"] for row in shown] == [run.name for run in runs]
    for row, run in zip(shown, runs, strict=True):
        scores = json.loads((run / "metrics.json").read_text())["test"]
        low, high = scores["intervals"]["accuracy"]
        assert row["accuracy"] == f"{scores['accuracy']:.4f}"
        assert row["accuracy interval"] == f"{number(low)} to {number(high)}"
        assert row["sequences"] == "20"
    drawn = page.find("figure", id="score-accuracy").find("details").table()
    assert [row["accuracy"] for row in drawn] == [row["accuracy"] for row in shown]


def test_curves_lie_over_each_other(runs, page):
    shown = page.find("figure", id="curve-val_loss").find("details").table()
    assert [row["epoch"] for row in shown] == ["1", "2", "3"]
    for run in runs:
        losses = [f"{loss:.4f}" for loss in read_run(run).history["val_loss"]]
        assert [row[run.name] for row in shown] == losses + ["–"] * (3 - len(losses))
    costs = page.find("table", id="fact-table").table()
    assert [int(row["epochs"]) for row in costs] == [len(read_run(run).history) for run in runs]


def test_only_settings_that_differ_are_listed(runs, page):
    shown = {row["setting"]: row for row in page.find("table", id="difference-table").table()}
    assert set(shown) == {"training.epochs", "training.learning_rate"}
    assert [shown["training.epochs"][run.name] for run in runs] == [
        str(read_run(run).config.training.epochs) for run in runs
    ]
    assert config_differences({"a": {"x": [{"y": 1}]}, "b": {"x": [{"y": 1}, {"y": 2}]}}).rows == (("x.1.y", "–", "2"),)


def test_names_stay_text_and_the_page_needs_nothing_else(page):
    check_alternatives(page)
    check_self_contained(page)
    assert not page.find_all("b")


def test_runs_without_scores_and_of_other_tasks_stand_beside(runs, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(runs[0] / "config.yaml", bare)
    page = read_page(write_comparison([runs[0], bare], tmp_path / "page.html"))
    rows = page.find("table", id="score-table").table()
    assert (rows[1]["run"], rows[1]["accuracy"], rows[1]["accuracy interval"]) == ("bare", "–", "")


def test_what_cannot_be_compared_is_refused(runs, tmp_path, capsys, monkeypatch):
    with pytest.raises(ConfigError, match="2 to 20 different runs, got 2, 1 of them different"):
        write_comparison([runs[0], runs[0]], tmp_path / "page.html")
    with pytest.raises(ConfigError, match="holds no run"):
        write_comparison([runs[0], tmp_path], tmp_path / "page.html")
    monkeypatch.chdir(tmp_path)
    assert report_command.main([str(run) for run in runs]) == 0
    assert "wrote comparison.html" in capsys.readouterr().err
    assert (tmp_path / "comparison.html").is_file()


def test_long_names_leave_room_for_the_curves_and_differ():
    names = [
        f"learning_rate={rate}-fold{fold}-seed{seed}" for rate in (3e-4, 1e-3) for fold in (0, 1) for seed in (0, 1)
    ]
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0]})
    runs = {name: SimpleNamespace(history=history) for name in names}
    drawn = _draw_curves(runs, "loss")
    left, right, top, bottom = drawn.box
    assert right - left > 0.75
    assert bottom - top > 0.5
    assert len(set(shorten_all(names, 22))) == len(names)
    assert legend_columns(["a", "b", "c", "d"]) == 3
    assert legend_columns(["x" * 60]) == 1
