"""`seqconv compare`: means over seeds, paired differences on shared sequences, what differs in the configs."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support.pages import read_page
from support.training_data import classified, quick

from seqconv.cli.commands.compare import describe
from seqconv.cli.main import main
from seqconv.errors import ConfigError
from seqconv.experiments import train_sweep, write_comparison
from seqconv.experiments.run_groups import difference_table, expand, group_runs, spread_table
from seqconv.reports.folder import read_run
from seqconv.reports.pooling import paired_differences, pool_runs
from seqconv.reports.terminal_table import table_lines
from seqconv.training import train

PARTS = {"train_data": classified(40), "valid_data": classified(12, seed=1), "test_data": classified(60, seed=2)}
SMALL = {"bootstrap": 200}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two learning rates, three seeds each."""
    path = tmp_path_factory.mktemp("sweep") / "rates"
    sweeps = {"training.learning_rate": [1e-3, 3e-2]}
    train_sweep(quick(evaluation=SMALL), path, seeds=[0, 1, 2], sweeps=sweeps, data=PARTS)
    return path


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "wide"
    model = {"blocks": [{"filters": 12, "kernel_size": 5}]}
    train(quick(evaluation=SMALL, model=model, training={"learning_rate": 3e-2}), path, **PARTS)
    return path


def answers_of(run):
    table = read_run(run).predictions.set_index("id")
    return (table["label"] == table["prediction"]).astype(float)


def test_runs_that_differ_in_seed_alone_are_one(sweep, wide):
    contenders = group_runs(expand([sweep, wide]))
    assert [(each.name, len(each.runs)) for each in contenders] == [
        ("rates: training.learning_rate 0.001", 3),
        ("rates: training.learning_rate 0.03", 3),
        ("wide", 1),
    ]
    alone = group_runs(expand([sweep]))
    assert [each.name for each in alone] == ["training.learning_rate 0.001", "training.learning_rate 0.03"]
    assert len(group_runs(expand([sweep, wide]), each=True)) == 7


def test_means_and_differences_are_those_of_the_predictions(sweep, wide):
    contenders = group_runs(expand([sweep, wide]))
    table = {(row[1], row[0]): row[2:] for row in spread_table(contenders).rows}
    slow = [answers_of(sweep / f"learning_rate=0.001-seed{seed}") for seed in range(3)]
    runs, mean, deviation, _, pooled, interval = table["accuracy", "rates: training.learning_rate 0.001"]
    assert runs == 3
    assert mean == pooled == pytest.approx(np.mean(slow))
    assert deviation == pytest.approx(np.std([each.mean() for each in slow], ddof=1))
    assert re.fullmatch(r"0\.\d{4} to [01]\.\d{4}", interval)
    assert table["accuracy", "wide"][0] == 1
    assert table["accuracy", "wide"][2] is None
    differences = {(row[1], row[0]): row[2:] for row in difference_table(contenders).rows}
    count, difference, _, _ = differences["accuracy", "wide"]
    assert count == 60
    assert difference == pytest.approx(answers_of(wide).mean() - np.mean(slow))


def test_a_difference_is_surer_than_its_parts(sweep, wide):
    """Two runs that mostly agree: drawn together, what both get right falls out."""
    fast = sweep / "learning_rate=0.03-seed0"
    first, second = ([each] for each in (pool_runs([read_run(fast)])[0], pool_runs([read_run(wide)])[0]))
    value, (low, high) = paired_differences(first, second, repeats=500, confidence=0.95)["accuracy"]
    pairs = answers_of(wide) - answers_of(fast)
    assert value == pytest.approx(pairs.mean())
    expected = 1.96 * pairs.std(ddof=1) / np.sqrt(60)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.25)
    assert low <= value <= high
    none, interval = paired_differences(first, first, repeats=100, confidence=0.95)["accuracy"]
    assert (none, interval) == (0, [0, 0])


def test_groups_are_drawn_whole(sweep, wide):
    from dataclasses import replace

    fast = sweep / "learning_rate=0.03-seed0"
    first, second = (pool_runs([read_run(run)])[0] for run in (fast, wide))
    groups = {name: str(place // 15) for place, name in enumerate(first.ids)}
    options = {"repeats": 300, "confidence": 0.95}
    _, (low, high) = paired_differences([replace(first, groups=groups)], [second], **options)["accuracy"]
    means = (answers_of(wide) - answers_of(fast)).to_numpy().reshape(4, 15).mean(axis=1)
    assert means.min() <= low <= high <= means.max()


def test_the_command_tells_it(sweep, wide, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["compare", str(wide), str(sweep), "--output", str(tmp_path / "page.html")]) == 0
    printed = capsys.readouterr().out
    assert "differences from wide" in printed
    assert re.search(r"rates: training\.learning_rate 0\.001 +accuracy +60 +-0\.\d{4} +-0\.\d{4} to", printed)
    assert "rates: training.learning_rate 0.001 (3 runs)  accuracy" in printed
    differing = printed.split("what differs in the configs")[1]
    assert "training.learning_rate" in differing
    assert "model.blocks.0.filters" in differing
    assert "seed" not in differing
    page = read_page(tmp_path / "page.html")
    shown = page.find("table", id="paired-table").table()
    assert {row["run"] for row in shown} == {
        "rates: training.learning_rate 0.001",
        "rates: training.learning_rate 0.03",
    }
    assert len(page.find("table", id="spread-table").table()) >= 3
    # The report of a folder of several runs is that page, too.
    assert main(["report", str(sweep), "--output", str(tmp_path / "sweep.html")]) == 0
    shown = read_page(tmp_path / "sweep.html").find("table", id="paired-table").table()
    assert {row["run"] for row in shown} == {"training.learning_rate 0.03"}


def test_a_page_of_two_single_runs_has_differences_and_no_means(sweep, wide, tmp_path):
    page = read_page(write_comparison([wide, sweep / "learning_rate=0.03-seed0"], tmp_path / "page.html"))
    assert page.find("table", id="paired-table").table()
    assert not page.find_all("table", id="spread-table")


def test_what_cannot_be_compared_is_said(sweep, wide, tmp_path, capsys):
    assert main(["compare", str(wide)]) == 2
    assert "there is only one run" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="was given twice"):
        expand([wide, wide])
    with pytest.raises(ConfigError, match="holds no run"):
        expand([tmp_path])
    relabeled = shutil.copytree(wide, tmp_path / "relabeled")
    table = pd.read_csv(relabeled / "predictions.csv", dtype=str)
    table.loc[0, "label"] = "top" if table.loc[0, "label"] != "top" else "low"
    table.to_csv(relabeled / "predictions.csv", index=False)
    pools = [pool_runs([read_run(run)]) for run in (wide, relabeled)]
    with pytest.raises(ConfigError, match="1 of 60 shared sequences have another label"):
        paired_differences(*pools, repeats=0, confidence=0.95)


def test_runs_without_a_shared_sequence_are_not_subtracted(wide, tmp_path):
    other = shutil.copytree(wide, tmp_path / "other")
    table = pd.read_csv(other / "predictions.csv", dtype=str)
    table["id"] = "x" + table["id"]
    table.to_csv(other / "predictions.csv", index=False)
    config = (other / "config.yaml").read_text().replace("learning_rate: 0.03", "learning_rate: 0.02")
    (other / "config.yaml").write_text(config)
    rows = difference_table(group_runs(expand([wide, other]))).rows
    assert rows == (("other", "", 0, None, "", "no sequence was tested by both"),)


def test_an_unfinished_sweep_is_named(tmp_path, sweep):
    copy = shutil.copytree(sweep, tmp_path / "rates")
    for folder in copy.glob("learning*"):
        shutil.rmtree(folder)
    with pytest.raises(ConfigError, match=r"no run of the sweep .* has finished"):
        expand([copy])
    assert pd.read_csv(sweep / "runs.csv")["state"].tolist() == ["finished"] * 6


def test_windows_are_drawn_as_their_recordings(wide, tmp_path):
    windowed = shutil.copytree(wide, tmp_path / "windowed")
    table = pd.read_csv(windowed / "predictions.csv", dtype=str)
    table["id"] = [f"tape{place // 20}@{place % 20}" for place in range(len(table))]
    table.to_csv(windowed / "predictions.csv", index=False)
    (windowed / "splits.csv").write_text("id,split\n" + "".join(f"tape{number},test\n" for number in range(3)))
    (pool,) = pool_runs([read_run(windowed)])
    assert [pool.groups[f"tape{number}@3"] for number in range(3)] == ["tape0", "tape1", "tape2"]


def test_no_name_and_no_digit_is_cut_off_on_a_terminal(sweep, wide):
    contenders = group_runs(expand([wide, sweep]))
    for title, table in describe(contenders, 80):
        lines = table_lines(table, 80)
        told = "\n".join(lines)
        assert max(map(len, lines)) <= 80, title
        for cell in {cell for row in table.texts for cell in row}:
            assert cell in told, title
    differing = dict(describe(contenders, 80))["what differs in the configs"]
    assert differing.columns == ("setting", "run", "value")
    assert ("model.blocks.0.filters", "wide", "12") in differing.rows
    assert dict(describe(contenders))["what differs in the configs"].columns[1:] == tuple(
        each.name for each in contenders
    )


def test_some_runs_of_a_sweep_do_not_have_its_name(sweep, wide):
    some = [sweep / f"learning_rate=0.03-seed{seed}" for seed in (0, 2)]
    assert [each.name for each in group_runs(expand([wide, some[0]]))] == ["wide", "learning_rate=0.03-seed0"]
    assert group_runs(expand([wide, *some]))[1].name == "learning_rate=0.03-seed0 and 1 more"


def test_predictions_that_were_not_scored_are_named(wide, tmp_path):
    part = shutil.copytree(wide, tmp_path / "part")
    pd.read_csv(part / "predictions.csv", dtype=str).head(20).to_csv(part / "predictions.csv", index=False)
    ((*_, why),) = difference_table(group_runs(expand([wide, part]), each=True)).rows
    assert why == "the predictions of part are missing, or not those that were scored"


def test_runs_are_compared_without_keras(sweep, wide):
    """It is loaded in seconds, and says things that nobody who compares runs wants to read."""
    code = "import sys; from seqconv.cli.main import main; main(sys.argv[1:]); assert 'keras' not in sys.modules"
    command = [sys.executable, "-c", code, "compare", str(wide), str(sweep)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "undecided" in done.stdout or "lower" in done.stdout
