"""`seqconv train`: what it says, on a terminal and in a pipe, and that the commands it prints work."""

import io
import itertools
import json
import re
import shlex
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console
from support.train_checks import screen
from support.training_data import classified, quick

from seqconv.cli.main import main
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.sequences import Sequences
from seqconv.training import train
from seqconv.training.run import train as run
from seqconv.training.run.loop import time_steps
from seqconv.training.run.setup import prepare
from seqconv.training.step import train_step

QUICK = ["--set", "model.blocks=[{filters: 16, kernel_size: 3}]", "--set", "data.num_workers=0"]
VOWELS = ["train", "--config", "japanese_vowels.yaml", *QUICK]


def test_train_prints_scores_and_commands_that_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: name)
    folder = tmp_path / "my runs" / "first"
    assert main([*VOWELS, "--set", "training.epochs=2", "--run-dir", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"^epoch \d/2  loss [\d.]+  val_loss [\d.]+  [\d.]+ s", printed, re.MULTILINE)) == 2
    assert "\x1b" not in printed
    for fact in ("train 236 (3,707 frames), valid 34", "14 steps an epoch", "receptive field 3 frames"):
        assert fact in printed
    assert re.search(r"rows x frames 4x\d+, padding \d+\.\d%", printed)
    assert "note     no split valid: cut from train" in printed
    assert re.search(r"^model +[\d,]+ parameters, [\d.]+ MB, [\d.]+ ms for one sequence of 15 frames", printed, re.M)
    assert f"run      {folder}" in printed
    evaluate, predict = [shlex.split(line) for line in printed.splitlines() if line.startswith("  seqconv ")]
    # The table of scores: what evaluation prints, training has printed.
    scores = printed[printed.index("test: 370") : printed.index("\nmodel  ")].strip()
    metrics = (folder / "metrics.json").read_text()
    assert evaluate[:2] == ["seqconv", "evaluate"]
    assert main(evaluate[1:]) == 0
    assert scores in capsys.readouterr().out
    assert json.loads((folder / "metrics.json").read_text()) == json.loads(metrics)
    assert main(predict[1:]) == 0
    assert capsys.readouterr().out.count("\n") == 371


def test_commands_run_where_seqconv_is_not_on_the_path(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    train(quick(training={"epochs": 1}), tmp_path / "run", train_data=classified(), valid_data=classified(20))
    assert re.search(r"^  \S*python\S* -m seqconv\.cli\.main predict", capsys.readouterr().out, re.MULTILINE)


def test_dry_run_stops_after_two_steps_and_writes_no_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*VOWELS, "--dry-run", "--set", "batching.strategy=auto"]) == 0
    printed = capsys.readouterr().out
    assert "note     batching.strategy auto: packed, because every layer" in printed
    assert re.search(r"a step takes \d+ ms, so 60 epochs \(\d+ steps and validation\) take about [\d.]+ \w+", printed)
    assert "epoch 1/" not in printed
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_times_two_steps_without_what_only_the_first_one_costs(monkeypatch):
    config = load_config(quick(features={"kind": "precomputed"}))
    experiment = prepare(config, load_datasets(config.data_spec, classified(), classified(20)))
    # The first two steps trace and prepare, 100 and 50 seconds by this clock; then the same two take 3 and 4.
    ticks = itertools.accumulate([0.0, 100.0, 1.0, 50.0, 1.0, 3.0, 1.0, 4.0])
    monkeypatch.setattr(train_step, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    assert time_steps(experiment, 2) == [3.0, 4.0]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--config", "japanese_vowels.yaml", "--set", "training.epochz=3"], "did you mean 'epochs'"),
        (["--config", "japanese_vowels.yaml", "--set", "training.device=GPU:9"], "TensorFlow sees CPU:0"),
    ],
)
def test_what_is_wrong_is_one_message_and_exit_code_2(tmp_path, capsys, monkeypatch, arguments, match):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert match in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_without_a_traceback(capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("seqconv.training.run.train.train_manifest", interrupt)
    assert main(["train", "--config", "japanese_vowels.yaml"]) == 130
    expected = "stopped by SIGINT: no run was begun; features that were extracted are kept\n"
    assert capsys.readouterr().err == expected


def on_a_terminal(tmp_path, monkeypatch, **sections):
    """Return the output of a run on a terminal of 80 columns."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80, soft_wrap=True)
    monkeypatch.setattr(run, "make_console", lambda: console)
    data = Sequences([classified()[i] for i in range(40)], classified().labels)
    train(quick(**sections), tmp_path / "run", train_data=data, valid_data=classified(20))
    return text.getvalue()


def test_on_a_terminal_a_bar_gives_way_to_one_line_an_epoch(tmp_path, monkeypatch):
    text = on_a_terminal(tmp_path, monkeypatch, training={"epochs": 2})
    assert "5/5" in text
    assert "validating" in text
    assert "nan" not in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 2
    lines = screen(text)
    epochs = [index for index, line in enumerate(lines) if line.startswith("epoch ")]
    assert len(epochs) == 2
    assert epochs[1] == epochs[0] + 1
    assert lines[epochs[1] + 1].startswith("kept epoch")
    # On a busy machine an epoch also says how long its steps waited for data.
    shown = [re.sub(r"  data wait \d+%$", "", line.rstrip()) for line in lines[epochs[0] : epochs[1] + 2]]
    assert all(len(line) <= 80 for line in shown)


def test_help_is_there_without_tensorflow(capsys, monkeypatch):
    for name in ("tensorflow", "keras"):
        # Importing it, or anything of it, is an error now.
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    assert "--dry-run" in capsys.readouterr().out
