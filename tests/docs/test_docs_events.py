"""The commands of docs/guides/events.md run as they stand there, and find events."""

import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
from support.docs_blocks import blocks

from seqconv.cli.main import main
from seqconv.data.events.label_tracks import read_label_track

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guides" / "events.md").read_text(encoding="utf-8")


def test_from_prompts_to_a_label_track(tmp_path, monkeypatch, capsys):
    (tmp_path / "data").symlink_to(ROOT / "data", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "scripts")
    Path("forest.yaml").write_text(blocks(PAGE, "yaml")[0], encoding="utf-8")
    commands = "".join(blocks(PAGE, "bash")).splitlines()
    for command in commands:
        is_script = command.startswith("python scripts/make_prompts.py ")
        # In this process: starting TensorFlow once for each would take longer than all that it does.
        run = import_module("make_prompts").main if is_script else main
        assert run(command.split()[2 if is_script else 1 :]) == 0, command
    printed = capsys.readouterr().out
    assert len(pd.read_csv("composed/manifest.csv")) == 18
    assert "events: " in printed
    assert "false alarms per hour" in printed
    assert "id,start,end,label,score\ncomposed/test00.flac," in printed
    track = read_label_track(Path("test00.txt"))
    assert set(track["label"]) <= {"en", "es", "fr", "it", "ru"}
    assert len(track) > 2
    for module in ("make_prompts", "prompts", "prompts.composition"):
        sys.modules.pop(module, None)
