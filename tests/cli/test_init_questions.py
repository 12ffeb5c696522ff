"""Questions of `init`: asked on a terminal, and without one an error whose commands work."""

import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.miniatures import record, write

from seqconv.cli.commands.init import main as init
from seqconv.config import load_config
from seqconv.data.manifest.loading import read_manifest


def spoken(folder):
    """Who says which word: either may be the label."""
    for number, (who, word, take) in enumerate(
        (who, word, take) for who in ("ann", "bob") for word in ("yes", "no") for take in range(4)
    ):
        record(folder / who / f"{word}_{take}.wav", number)


def noisy(folder):
    for number in range(18):
        record(folder / ("yes", "no", "noise")[number % 3] / f"{number}.wav", number)


def two_tables(folder):
    for number in range(12):
        record(folder / "audio" / f"{number}.wav", number)
    for name, values in (("people", "ab"), ("moods", "xy")):
        write(folder / f"{name}.csv", "file,label", *(f"{number}.wav,{values[number % 2]}" for number in range(12)))
    write(folder / "seconds.csv", "file,seconds", *(f"{number}.wav,{number + 0.5}" for number in range(12)))


def two_columns(folder):
    for number in range(12):
        record(folder / "audio" / f"{number}.wav", number)
    rows = [f"{number}.wav,{'ab'[number % 2]},{'xy'[number // 6]},{number / 7}" for number in range(12)]
    write(folder / "people.csv", "file,sex,accent,meters", *rows)


def two_activities(folder):
    rows = [
        f"u{part},{'ab'[part % 2]},{'xy'[part // 2 % 2]},{step / 50},{step % 7 / 3}"
        for part in range(8)
        for step in range(20)
    ]
    write(folder / "walks.csv", "user,mode,phase,time,x", *rows)


def timed(folder):
    for number in range(8):
        record(folder / f"{number}.wav", number)
    rows = [f"{number}.wav,0.1,{0.25 + number / 100},{'xy'[number % 2]}" for number in range(8)]
    write(folder / "all.csv", "path,start,end,label", *rows)


def walked(folder):
    """People who walk, run, and walk again: a frame in each row."""
    rows = [
        f"{who},{what},{8 * part + step},{step % 3},{step % 5}"
        for who in range(9)
        for part, what in enumerate(("walk", "run", "walk"))
        for step in range(8)
    ]
    write(folder / "frames.csv", "user,activity,time,x,y", *rows)


def barks(folder):
    """Classes as folders, and when something happens beside each recording."""
    for number in range(12):
        record(folder / ("dog", "cat")[number % 2] / f"{number}.wav", number)
        write(folder / ("dog", "cat")[number % 2] / f"{number}.txt", f"0.05\t0.25\t{('bark', 'purr')[number % 2]}")


QUESTIONS = {
    "barks": (barks, "there are tables of events and sub-folders", [{None}, {"dog", "cat"}]),
    "spoken": (spoken, "may stand in several places of the paths", [{"ann", "bob"}, {"yes", "no"}]),
    "noisy": (noisy, "'noise' may be a class, or sounds of no class", [{"yes", "no", "noise"}, {"yes", "no"}]),
    "two_tables": (two_tables, "several tables name its recordings", [{"a", "b"}, {"x", "y"}]),
    "two_columns": (two_columns, "there is no column 'label' with labels", [{"a", "b"}, {"x", "y"}]),
    "walked": (walked, "stand in several runs. What is a sequence?", [{"walk", "run"}, {"walk", "run"}]),
    "two_activities": (two_activities, "several columns may be what is to be learned", [{"a", "b"}, {"x", "y"}]),
    "timed": (timed, "'all.csv' has start, end and label", [{None}, {"x", "y"}]),
}


def classes_in(path):
    config = load_config(path)
    return set(read_manifest(config.data.manifest, collection=config.data).frame[config.target.column])


@pytest.mark.parametrize("name", QUESTIONS)
def test_without_a_terminal_each_reading_has_a_command(name, tmp_path, monkeypatch, capsys):
    build, question, readings = QUESTIONS[name]
    monkeypatch.chdir(tmp_path)
    build(tmp_path / name)
    assert init([name, "--output", "x.yaml"]) == 2
    assert not Path("x.yaml").exists()
    said = capsys.readouterr().err
    assert question in said
    commands = [shlex.split(line) for line in said.splitlines() if line.startswith("    seqconv init ")]
    found = []
    for number, command in enumerate(commands):
        assert init([*command[2:], "--output", f"{number}.yaml"]) == 0, capsys.readouterr().err
        found.append(classes_in(f"{number}.yaml"))
    # As sets have no order of their own, neither has their text.
    in_order = [sorted(each, key=lambda names: sorted(map(str, names))) for each in (found, readings)]
    assert in_order[0] == in_order[1]


def answer(folder, keys, *arguments):
    """Run `init` in a terminal of its own, in which somebody types; return the exit code and the screen."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "seqconv", "init", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder) as process:
        os.close(theirs)
        os.write(ours, keys)
        screen = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:
                # Linux says so when the other end is closed.
                break
            if not part:
                break
            screen += part
    os.close(ours)
    return process.returncode, screen.decode()


def test_on_a_terminal_it_asks(tmp_path):
    spoken(tmp_path / "words")
    code, screen = answer(tmp_path, b"7\n2\n", "words")
    assert code == 0, screen
    assert "what is to be learned may stand in several places of the paths" in screen
    assert "1  '" in screen
    assert "Please select one of the available options" in screen
    assert classes_in(tmp_path / "words.yaml") == {"yes", "no"}
    # Ctrl-D: nothing is chosen.
    code, screen = answer(tmp_path, b"\x04", "words", "--output", "other.yaml")
    assert code == 2, screen
    assert "seqconv init words --set" in screen
    assert not (tmp_path / "other.yaml").exists()


def test_an_answer_counts_more_than_what_was_set_before(tmp_path):
    walked(tmp_path / "walks")
    code, screen = answer(tmp_path, b"1\n", "walks", "--set", "data.rows.by=[user]")
    assert code == 0, screen
    assert "'activity' (2 values such as 'run', 'walk'; in a sequence of 24 rows it changes 2 times)" in screen
    config = load_config(tmp_path / "walks.yaml")
    assert (config.data.rows.by, config.data.rows.sequence) == (("user", "activity"), "run")
    assert classes_in(tmp_path / "walks.yaml") == {"walk", "run"}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.label_from", r"--set data\.label_from: expected SECTION\.KEY=VALUE"),
        ("labels=x", r"--set labels=x: expected SECTION\.KEY=VALUE"),
        ("data.lable_from=x", r"data\.lable_from: unknown key"),
        ("features.n_mel=3", r"features\.n_mel"),
    ],
)
def test_a_setting_that_is_none(setting, message, tmp_path, monkeypatch, capsys):
    noisy(tmp_path / "words")
    monkeypatch.chdir(tmp_path)
    assert init(["words", "--set", "data.ignore=[noise/*]", "--set", setting]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not Path("words.yaml").exists()
