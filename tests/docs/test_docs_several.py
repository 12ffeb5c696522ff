"""The commands of the guides about several runs and searches run as they stand."""

import re
from pathlib import Path

from support.docs_blocks import blocks
from support.extras import require

from seqconv.cli.main import main

ROOT = Path(__file__).parents[2]


def run_commands(text):
    for command in "".join(blocks(text, "bash")).splitlines():
        # In this process: starting TensorFlow once for each would take longer than all that it does.
        assert main(command.removeprefix("seqconv ").split()) == 0, command


def test_several_runs(checkout, capsys):
    text = (ROOT / "docs" / "guides" / "several_runs.md").read_text(encoding="utf-8")
    run_commands(text)
    printed = capsys.readouterr().out
    assert "4 runs: 2 seeds x 2 values of training.learning_rate" in printed
    assert "3 runs: 3 folds" in printed
    assert re.search(r"differences from training\.learning_rate 0\.0003", printed)
    columns = Path("runs/rates/summary.csv").read_text().splitlines()[0].split(",")
    described = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", text.split("## Folds")[0], flags=re.MULTILINE)
    assert {name for names in described for name in names if name} <= set(columns)


def test_tuning(checkout, capsys):
    require("optuna")
    text = (ROOT / "docs" / "guides" / "tuning.md").read_text(encoding="utf-8")
    Path("space.yaml").write_text(blocks(text, "text")[0], encoding="utf-8")
    run_commands(text)
    assert "4 trials for the smallest val_loss" in capsys.readouterr().out
    assert Path("runs/best/report.html").is_file()
    files = re.findall(r"^\| `([\w.]+)` \|", text, flags=re.MULTILINE)
    assert len(files) == 3
    for name in files:
        assert Path("runs/search", name).exists(), name
