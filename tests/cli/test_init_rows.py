"""What `init` finds in a table with a frame in each row: its clock, the pace of its rows, and columns of labels."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqconv.cli.commands.init import main as init
from seqconv.config import load_config
from seqconv.data.manifest.loading import read_manifest
from seqconv.features import load_features
from seqconv.training import train

BEGIN = pd.Timestamp("2024-03-01T10:00:00")
ROWS = 24


def as_date(row):
    return (BEGIN + pd.Timedelta(milliseconds=20 * row)).isoformat()


def frames(clock, name, activities=("walk", "run")):
    """Make a table: eight people, each of whom does one thing after the other, 50 rows a second."""
    rng = np.random.default_rng(0)
    keys = [(f"u{who}", what) for who in range(8) for what in activities for _ in range(ROWS)]
    table = pd.DataFrame(keys, columns=["user", "activity"])
    values = rng.normal(size=(len(table), 2)).round(3)
    return table.assign(**{name: [clock(row) for row in range(len(table))]}, x=values[:, 0], y=values[:, 1])


@pytest.fixture
def draft(tmp_path, monkeypatch, capsys):
    """Write a table and run `init`; return the config, the rows of its manifest and what was printed."""
    # `init` also looks beside the folder, where other tests have recordings.
    here = tmp_path / "project" / "data"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)

    def run(table, *arguments, source="frames.csv"):
        if source.endswith(".parquet"):
            table.to_parquet(source)
        else:
            table.to_csv(source, index=False)
        Path("drafted.yaml").unlink(missing_ok=True)
        code = init([source, *arguments, "--output", "drafted.yaml"])
        printed = capsys.readouterr()
        if code:
            return None, None, printed.err
        config = load_config("drafted.yaml")
        frame = read_manifest(config.data.manifest, collection=config.data).frame
        return config, frame, printed.out

    return run


def commands(said):
    """Return the arguments of each command that is printed on a line of its own."""
    return [shlex.split(line)[3:] for line in said.splitlines() if line.startswith("    seqconv init ")]


@pytest.mark.parametrize(
    ("clock", "name"),
    [
        (as_date, "recorded"),
        (as_date, "time"),
        (lambda row: f"{as_date(row)}+02:00", "when"),
        (lambda row: 20 * row, "time_ms"),
        (lambda row: 20 * row, "elapsed_ms"),
        (lambda row: 20 * row, "Time (ms)"),
        (lambda row: 1_700_000_000_000_000_000 + 20_000_000 * row, "timestampNs"),
        (lambda row: 20_000 * row, "t_us"),
        (lambda row: row / 50, "seconds_elapsed"),
    ],
)
def test_a_clock_that_says_its_unit_gives_windows(clock, name, draft):
    config, frame, said = draft(frames(clock, name))
    assert (config.data.rows.order, config.features.frame_rate) == (name, 50)
    assert config.data.windows.seconds == pytest.approx(ROWS / 50, abs=0.05)
    assert f"# a second: steps of '{name}' are mostly 0.02 s" in Path("drafted.yaml").read_text()
    assert "which unit" not in said
    assert len(frame) == 16
    # Time is no feature.
    assert load_features(frame["path"][0], config.features, case=0, form=frame["case_form"][0]).shape == (ROWS, 2)


def test_dates_in_parquet_are_a_clock(draft):
    table = frames(lambda row: BEGIN + pd.Timedelta(milliseconds=20 * row), "recorded")
    config, _, _ = draft(table, source="frames.parquet")
    assert (config.data.rows.order, config.features.frame_rate) == ("recorded", 50)


@pytest.mark.parametrize(
    ("clock", "name", "rates"),
    [
        (lambda row: 1_700_000_000_000_000_000 + 20_000_000 * row, "timestamp", {5e-5, 0.05, 50}),
        (lambda row: 20 * row, "timestamp", {0.05, 50, 50_000}),
        (lambda row: row, "zeit", {1, 1000}),
        (lambda row: row / 50, "time", {50, 50_000}),
        (lambda row: 20 * row, "elapsed", {0.05, 50, 50_000}),
    ],
)
def test_a_clock_of_unknown_unit_gets_a_command_for_each(clock, name, rates, draft):
    table = frames(clock, name)
    config, _, said = draft(table)
    assert (config.data.rows.order, config.data.windows, config.features.frame_rate) == (name, None, None)
    assert f"'{name}' mostly rises by" in said
    *known, own = commands(said)
    assert own == ["--set", "features.frame_rate=RATE"]
    found = set()
    for command in known:
        config, _, said = draft(table, *command)
        rate = config.features.frame_rate
        found.add(rate)
        assert config.data.windows.seconds == pytest.approx(ROWS / rate, rel=0.2)
        assert "LOOK AT THIS: 'time" not in said
    assert found == rates


def test_without_a_clock_the_user_says_the_rate(draft):
    table = frames(lambda row: row % 5, "z")
    config, _, said = draft(table)
    assert (config.data.rows.order, config.data.windows) == (None, None)
    assert "no column says when a row was measured" in " ".join(said.split())
    assert commands(said) == [["--set", "features.frame_rate=RATE"]]
    config, _, _ = draft(table, "--set", "features.frame_rate=50")
    assert config.data.windows.seconds == pytest.approx(ROWS / 50, abs=0.05)


def test_of_two_clocks_the_second_is_no_feature(draft, tmp_path):
    table = frames(lambda row: 1_700_000_000_000_000_000 + 20_000_000 * row, "timestamp")
    table = table.assign(
        seconds_elapsed=np.arange(len(table)) / 50, written=[as_date(row) for row in range(len(table))]
    )
    config, _, _ = draft(table)
    # Dates and names of units say what a number of nanoseconds does not.
    assert (config.data.rows.order, config.features.frame_rate) == ("timestamp", 50)
    assert config.features.columns == ("x", "y")
    run = train(load_config("drafted.yaml", ["training.epochs=1", "evaluation.report=false"]), tmp_path / "run")
    assert run.model.num_features == 2


def test_what_rises_evenly_and_falls_within_a_sequence_is_no_clock(draft):
    table = frames(lambda row: row % 20, "angle")
    config, frame, _ = draft(table)
    assert config.data.rows.order is None
    assert load_features(frame["path"][0], config.features, case=0, form=frame["case_form"][0]).shape == (ROWS, 3)
    # One that begins again with each sequence may be.
    config, _, _ = draft(frames(lambda row: row % ROWS, "angle"))
    assert config.data.rows.order == "angle"


def test_settings_stay_in_the_commands(draft):
    table = frames(lambda row: 20 * row, "time")
    _, _, said = draft(table, "--set", "data.columns={group: null}", "--set", "seed=1")
    assert "SECTION.KEY" in said
    _, _, said = draft(table, "--label", "activity", "--set", "split.valid=0.2")
    assert commands(said)[0] == ["--label", "activity", "--set", "split.valid=0.2", "--set", "features.frame_rate=0.05"]


@pytest.fixture
def phased():
    """A table in which a second column of words changes every three rows."""
    table = frames(lambda row: row / 50, "seconds")
    return table.assign(phase=["abc"[row // 3 % 3] for row in range(len(table))])


def test_labels_that_change_are_told(draft, phased):
    config, frame, said = draft(phased)
    assert config.data.columns == {"label": "activity", "group": "user"}
    assert "'phase' (3 values such as 'a', 'b'; in a sequence of 24 rows it changes 7 times)" in " ".join(said.split())
    assert commands(said) == [["--label", "phase"]]
    # A sequence may go on where its key occurs again.
    _, _, said = draft(phased, "--label", "phase")
    assert "What is a sequence?" in said
    config, frame, _ = draft(phased, *commands(said)[0])
    assert sorted(frame[config.target.column].unique()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("dropped", "given", "labels"),
    [
        ("activity", [], {"phase": {"a", "b", "c"}}),
        (
            None,
            ["--set", "data.rows={by: [user], order: seconds}"],
            {"activity": {"walk", "run"}, "phase": {"a", "b", "c"}},
        ),
        (None, ["--set", "data.rows.by=[user]", "--label", "activity"], {"activity": {"walk", "run"}}),
    ],
)
def test_labels_that_change_are_asked_about(dropped, given, labels, draft, phased):
    table = phased if dropped is None else phased.drop(columns=dropped)
    config, _, said = draft(table, *given)
    assert config is None
    assert "same in a sequence with equal 'user'" in said
    assert re.search(r"\d values such as '.*; in a sequence of 48 rows it changes (once|15 times)\)", said)
    found = {}
    for command in commands(said):
        config, frame, said = draft(table, *command)
        assert config is not None, said
        assert config.data.rows.order == "seconds"
        assert config.data.windows is not None
        found[config.target.column] = set(frame[config.target.column])
    assert found == labels


def test_a_label_that_stays_the_same_ends_no_sequence(draft, phased):
    table = phased.assign(sex=["FM"[int(user[1]) % 2] for user in phased["user"]])
    config, frame, _ = draft(table, "--set", "data.rows={by: [user], order: seconds}", "--label", "sex")
    assert config.data.rows.by == ("user",)
    assert config.data.windows is None
    assert len(frame) == 8
