"""`seqconv extract`: what it prints, and that a mistake is one message."""

import subprocess
import sys
from pathlib import Path

import pytest

from seqconv.cli.commands.extract import main
from seqconv.features.store import FeatureStore

ROOT = Path(__file__).parents[2]
VOWELS = ROOT / "data" / "japanese_vowels" / "JapaneseVowels_TRAIN.ts"
PROMPTS = ROOT / "data" / "prompts" / "manifest.csv"


def few_prompts(folder: Path) -> Path:
    lines = PROMPTS.read_text().splitlines()[:4]
    for line in lines[1:]:
        name = line.split(",")[1]
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((PROMPTS.parent / name).read_bytes())
    (folder / "few.csv").write_text("\n".join(lines) + "\n")
    return folder / "few.csv"


def test_a_manifest_becomes_a_store_and_a_summary(tmp_path, capsys):
    flags = ["--manifest", str(few_prompts(tmp_path)), "--kind", "mfcc", "--set", "features.sample_rate=8000"]
    flags += ["--set", "features.n_mfcc=13", "--set", "features.delta=1", "--output", str(tmp_path / "store")]
    assert main(flags) == 0
    printed = capsys.readouterr().out
    store = FeatureStore(tmp_path / "store")
    assert (len(store), store.num_features) == (3, 26)
    assert "3 (3 extracted now, 0 cached)" in printed
    assert f"{int(store.lengths.sum())}, " in printed
    assert "26 per frame (mfcc)" in printed
    assert "times real time" in printed
    assert str(tmp_path / "store") in printed
    assert main([*flags, "--workers", "0"]) == 0
    assert "3 (0 extracted now, 3 cached)" in capsys.readouterr().out


def test_sequences_without_a_duration_have_no_hours(tmp_path, capsys):
    assert main(["--manifest", str(VOWELS), "--kind", "precomputed", "--cache-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "270 (270 extracted now" in printed
    assert "hours" not in printed
    assert len(list((tmp_path / "features").iterdir())) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "there is nothing to extract: give --manifest"),
        (["--config", "no_such.yaml"], "no_such.yaml"),
        (["--manifest", str(PROMPTS), "--set", "features.n_mel=3"], "did you mean 'n_mels'?"),
        (["--manifest", str(VOWELS), "--kind", "log_mel"], "Set features.kind to precomputed"),
        (["--manifest", str(VOWELS), "--workers", "-1"], "data.num_workers"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(flags, message, capsys):
    assert main(flags) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors


def test_help_imports_nothing_heavy():
    code = (
        "import sys, seqconv.cli.commands.extract as command\n"
        "try: command.main(['--help'])\nexcept SystemExit: pass\n"
        "print({'pandas', 'pyarrow', 'librosa', 'tensorflow', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
