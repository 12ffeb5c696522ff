"""scripts/benchmark.py archive: pairs of files, rows that a stopped run goes on from, means, ranks, published ones."""

import importlib
import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from seqconv.errors import ConfigError
from seqconv.training.state.interrupts import RunStopped

pytestmark = pytest.mark.usefixtures("scripts")
SCRIPTS = Path(__file__).parents[2] / "scripts"
FIVE = ["AllGestureWiimoteX", "AllGestureWiimoteY", "AllGestureWiimoteZ", "PLAID", "ShakeGestureWiimoteZ"]
FIELDS = ["dataset", "recipe", "seed", "accuracy", "seconds"]


def load(name):
    return importlib.import_module(name)


def write_pair(folder, name, rng, num_features=1):
    """Write two files of unequal length, with two classes."""
    folder.mkdir(parents=True, exist_ok=True)
    for end, count in (("TRAIN", 8), ("TEST", 5)):
        lines = [f"@problemName {name}", f"@dimensions {num_features}", "@classLabel true up down", "@data"]
        for number in range(count):
            frames = np.cumsum(rng.standard_normal((num_features, rng.integers(9, 30))) + number % 2, axis=1)
            values = ":".join(",".join(f"{value:.3f}" for value in feature) for feature in frames)
            lines.append(f"{values}:{'down' if number % 2 else 'up'}")
        (folder / f"{name}_{end}.ts").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(*arguments):
    return load("benchmark").main(["archive", *map(str, arguments)])


def row(dataset, recipe="deep", seed=0, accuracy=0.5, seconds=1.0):
    return load("benchmarks.archive.rows").Row(dataset, recipe, seed, accuracy, seconds)


def test_a_run_is_scored_and_what_was_measured_is_not_measured_again(tmp_path, rng, capsys):
    """One set is measured here, a test sequence of which is also in train; one was before; one has a damaged file."""
    folder, path = tmp_path / "sets", tmp_path / "rows.json"
    for name, count in (("Old", 1), ("Broken", 1), ("New", 2)):
        write_pair(folder / name, name, rng, count)
    train, test = (folder / f"New/New_{end}.ts" for end in ("TRAIN", "TEST"))
    lines = test.read_text(encoding="utf-8").splitlines()[:-1]
    test.write_text("\n".join([*lines, train.read_text(encoding="utf-8").splitlines()[-1]]), encoding="utf-8")
    with (folder / "Broken/Broken_TEST.ts").open("a", encoding="utf-8") as file:
        file.write("1,2,three:up\n")
    quick = "deep --quick"
    before = [row("Old", quick, accuracy=0.25, seconds=1234.5), row("Elsewhere", seed=7), row("New", accuracy=0.123)]
    load("benchmarks.archive.rows").write_rows(before, path)
    assert run("--quick", "--json", path, "--seeds", 1, folder, "--recipe", "deep") == 1, "a set failed"
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert [list(each) for each in rows] == [FIELDS] * 4
    assert rows[:3] == [each._asdict() for each in before], "those of other folders, and with more work, stay, too"
    assert (rows[3]["dataset"], rows[3]["recipe"], rows[3]["seed"]) == ("New", quick, 0)
    assert rows[3]["accuracy"] in [correct / 5 for correct in range(6)]
    assert 0 < rows[3]["seconds"] < 1234
    told = capsys.readouterr()
    assert f"1 of 3 runs are in {path}" in told.err
    assert "New: leak: 1 of 5 sequences of test have the content of sequences of train" in told.err
    assert "0.250" in told.out
    assert "1234.5" in told.out
    assert "Elsewhere" not in told.out
    assert "0.123" not in told.out
    assert f"failed: Broken, {quick}: " in told.out
    assert f"'{folder / 'Broken/Broken_TEST.ts'}', line 10" in told.out
    assert "'three' is not a finite number" in told.out


def test_a_stopped_benchmark_says_where_it_goes_on(tmp_path, rng, capsys, monkeypatch):
    recipes, path = load("benchmarks.archive.recipes").RECIPES, tmp_path / "rows.json"
    for name in "AB":
        write_pair(tmp_path, name, rng)
    jobs = []

    def stops_at_the_second(job):
        jobs.append(job)
        if len(jobs) == 2:
            raise RunStopped(15, "go on with a folder that is no longer there")
        return 0.75

    monkeypatch.setitem(recipes, "deep", stops_at_the_second)
    deep = (tmp_path, "--json", path, "--recipe", "deep")
    assert run(*deep) == 143
    assert f"stopped in run 2/2  B, deep, seed 0; the rows before it are in {path}" in capsys.readouterr().err
    assert not jobs[0].folder.exists()
    assert run(*deep) == 0
    assert [job.pair.name for job in jobs] == ["A", "B", "B"]
    assert [each["dataset"] for each in json.loads(path.read_text(encoding="utf-8"))] == ["A", "B"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["archive"], "'archive' needs a folder"),
        (
            ["archive", "{here}/good", "--recipe", "deep", "raket"],
            "--recipe raket: there is no such recipe. There are: ",
        ),
        (["archive", "{here}/good", "--seeds", "0"], "--seeds 0: expected 1 or more"),
        (["archive", "{here}/good", "--budget", "soon"], "--budget soon: no time. Write a number and its unit"),
        (["archive", "{here}/good", "--repeats", "3"], "--repeats is no use to the benchmark 'archive'"),
        (["archive", "{here}/nowhere"], "nowhere' is not a folder"),
        (["archive", "{here}/good/a"], "a' holds no data set"),
        (["archive", "{here}/alone"], "alone/A_TEST.ts' must be there beside the other file of the pair"),
        (["archive", "{here}/twice"], "/twice/two/A_TRAIN.ts' have one name"),
        (
            ["archive", "{here}/good", "--json", "{here}/other.json"],
            "other.json: row 1 has not exactly the fields dataset, ",
        ),
        (
            ["archive", "{here}/good", "--json", "{here}/text.json"],
            'text.json: row 1 has accuracy "0.5", expected a num',
        ),
        (
            ["archive", "{here}/good", "--json", "{here}/twice.json"],
            "twice.json: row 2 is of the same run as one before",
        ),
        (["archive", "{here}/good", "--json", "{here}/none.json"], "none.json: is no JSON (Expecting value"),
        (["archive", "{here}/good", "--json", "{here}/good"], "good: cannot be read (Is a directory)"),
        (["archive", "{here}/good", "--json", "{here}/other.json/new.json"], "/new.json cannot be written: "),
        (["planning", "--seeds", "2"], "--seeds is of the benchmark 'archive'"),
        (["planning", "folder"], "'folder' is of the benchmark 'archive'"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(arguments, message, tmp_path, capsys):
    files = ("good/B_TRAIN.ts", "good/B_TEST.ts", "good/a/notes.txt", "alone/A_TRAIN.ts")
    for name in (*files, *(f"twice/{folder}/A_{end}.ts" for folder in ("one", "two") for end in ("TRAIN", "TEST"))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("garbage")
    (tmp_path / "other.json").write_text('[{"benchmark": "planning"}]')
    (tmp_path / "text.json").write_text(json.dumps([row("A")._asdict() | {"accuracy": "0.5"}]))
    (tmp_path / "twice.json").write_text(json.dumps([row("A")._asdict()] * 2))
    (tmp_path / "none.json").write_text("rows")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert load("benchmark").main([each.format(here=tmp_path) for each in arguments]) == 2
    assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("accuracy", "NaN", "a number from 0 to 1"),
        ("accuracy", "7.0", "a number from 0 to 1"),
        ("accuracy", "true", "a number from 0 to 1"),
        ("seconds", "-1", "a number from 0"),
        ("seconds", "Infinity", "a number from 0"),
        ("seed", "true", "a whole number from 0"),
        ("seed", "0.5", "a whole number from 0"),
        ("recipe", "null", "a text"),
    ],
)
def test_a_row_that_no_run_has_is_refused(tmp_path, name, value, expected):
    fields = {**row("A")._asdict(), name: json.loads(value)}
    (tmp_path / "rows.json").write_text(json.dumps([row("B")._asdict(), fields]))
    with pytest.raises(ConfigError, match=rf"row 2 has {name} {value}, expected {expected}\."):
        load("benchmarks.archive.rows").read_rows(tmp_path / "rows.json")


def test_a_set_that_needs_too_much_memory_stops_no_other(tmp_path, rng, capsys, monkeypatch):
    for name in "AB":
        write_pair(tmp_path, name, rng)

    def needs_too_much_for_the_first(job):
        if job.pair.name == "A":
            np.empty(1 << 60, np.uint8)
        return 0.75

    monkeypatch.setitem(load("benchmarks.archive.recipes").RECIPES, "deep", needs_too_much_for_the_first)
    assert run(tmp_path, "--json", tmp_path / "rows.json", "--recipe", "deep") == 1
    assert "failed: A, deep: not enough memory (Unable to allocate" in capsys.readouterr().out
    assert [each["dataset"] for each in json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))] == ["B"]


def test_recipe_auto_has_the_budget_of_the_command_line(tmp_path, rng, monkeypatch):
    from seqconv.experiments.recipes import auto

    asked = []

    def stops_before_any_work(config, *others):
        asked.append(config)
        raise RunStopped(15, "enough")

    monkeypatch.setattr(auto, "search_and_score", stops_before_any_work)
    write_pair(tmp_path, "A", rng)
    assert run(tmp_path, "--recipe", "auto", "--budget", "3min", "--seeds", "2") == 143
    assert [(config.recipe, config.budget_seconds, config.seed) for config in asked] == [("auto", 180, 0)]
    assert asked[0].features.kind == "precomputed"


def test_each_run_of_random_convolutions_draws_others(tmp_path, rng):
    recipes, pairs = load("benchmarks.archive.recipes"), load("benchmarks.archive.pairs")
    write_pair(tmp_path, "A", rng)
    (pair,) = pairs.find_pairs(tmp_path)
    assert recipes.RECIPES["rocket"].keywords == {"own_seed": recipes.ROCKET_SEED}
    drawn = []
    for seed in range(3):
        job = recipes.Job(pair, seed, tmp_path, Console(), is_quick=True)
        config = recipes.make_config("pickup_rocket.yaml", (), job, recipes.ROCKET_SEED)
        assert config.seed == seed
        block = config.model.blocks[0]
        drawn += [block.seed + index for index in range(len(block.inputs))]
    assert len(set(drawn)) == len(drawn)


def test_published_figures_are_those_that_are_cited():
    published = load("benchmarks.archive.published").read_published()
    mean_over = load("benchmarks.archive.tables").mean_over
    means = {name: mean_over(of, FIVE) for name, of in published.accuracy.items()}
    assert means["InceptionTime"] == pytest.approx(0.856, abs=0.0005)
    assert means["MultiRocket"] == pytest.approx(0.826, abs=0.0005)
    assert means["ROCKET"] == pytest.approx(0.826, abs=0.0005)
    assert statistics.fmean(max(published.of(name).values()) for name in FIVE) == pytest.approx(0.864, abs=0.0005)
    pickup = published.of("PickupGestureWiimoteZ")
    assert pickup["MiniRocket"] == pickup["MultiRocket"] == 0.84
    assert published.accuracy.keys() == published.sources.keys()
    assert all(0 < value <= 1 for of in published.accuracy.values() for value in of.values())
    assert all("GitHub" in source or "T-Loss" in source for source in published.sources.values())


def test_means_and_ranks_are_of_those_with_a_figure_on_each_set(capsys):
    tables = load("benchmarks.archive.tables")
    rows = [row(FIVE[0], seed=seed, accuracy=accuracy) for seed, accuracy in enumerate((0.80, 0.90, 1.0))]
    rows += [row(FIVE[4], accuracy=0.94), row(FIVE[0], "rocket", accuracy=0.5), row("Own", accuracy=0.1)]
    ours = tables.mean_accuracies(rows)
    assert ours["deep"] == pytest.approx({FIVE[0]: 0.9, FIVE[4]: 0.94, "Own": 0.1})
    ranks = tables.mean_ranks({**ours, "best": {FIVE[0]: 1.0, FIVE[4]: 0.94}}, [FIVE[0], FIVE[4]])
    assert ranks == {"deep": (2 + 1.5) / 2, "best": (1 + 1.5) / 2}, "rocket has no figure on one of them"
    tables.print_tables(rows, ["deep", "rocket"], Console(width=160))
    printed = capsys.readouterr().out
    assert "0.900 (0.800-1.000)" in printed
    (means,) = [
        line.split("│")[2:] for line in printed.splitlines() if line.split("│")[1:2] == [" mean                 "]
    ]
    # Others have no figure on the set "Own", so they have no mean over all three.
    assert [cell.strip() for cell in means if cell.strip()] == [f"{(0.9 + 0.94 + 0.1) / 3:.3f}"]
    assert "ROCKET: Dempster et al. 2020" in printed
    tables.print_tables([row("Own", accuracy=0.1), row("Own", "rocket", accuracy=0.2)], ["deep", "rocket"], Console())
    printed = capsys.readouterr().out
    (ranks,) = [line.split("│")[2:4] for line in printed.splitlines() if "mean rank" in line]
    assert [float(rank) for rank in ranks] == [2, 1]
    assert "best published" not in printed
