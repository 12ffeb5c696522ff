"""`seqconv inspect`: tables, words, pictures and verdicts of files on disk."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from seqconv.cli.commands.inspect import main
from seqconv.models import build_model

DATA = Path(__file__).parents[2] / "data"
VOWELS = str(DATA / "japanese_vowels" / "JapaneseVowels_TEST.ts")
RECORDING = str(next(iter(sorted((DATA / "prompts" / "en").glob("*.ogg")))))
FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 12}

pytestmark = pytest.mark.filterwarnings("ignore:.*destroy the mask information:UserWarning")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    keras.utils.set_random_seed(0)
    card = {"features": FEATURES, "target": {"task": "classification", "names": ["no", "yes"]}}
    model = build_model({"blocks": [{"filters": 6, "kernel_size": 5}]}, num_features=12, num_outputs=2, card=card)
    path = tmp_path_factory.mktemp("ours") / "model.keras"
    model.save(path)
    return str(path)


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    keras.utils.set_random_seed(0)
    masking = layers.Masking(name="masking")
    stack = [masking, layers.Conv1D(8, 5, name="first"), layers.GlobalAveragePooling1D(), layers.Dense(9)]
    path = tmp_path_factory.mktemp("stock") / "model.keras"
    keras.Sequential([keras.Input((None, 12)), *stack], name="stock").save(path)
    return str(path)


def test_without_options_it_prints_the_table(stock, capsys, tmp_path):
    assert main([stock, "--json", str(tmp_path / "rows.json")]) == 0
    printed = capsys.readouterr().out
    assert "5 x 12 x 8 + 8 = 488" in printed
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert [row["mask"] for row in rows] == ["made", "dropped", "", ""]


def test_a_layer_is_explained(stock, capsys):
    assert main([stock, "--explain", "first"]) == 0
    assert "get_weights()[0] has shape (5, 12, 8)" in " ".join(capsys.readouterr().out.split())
    assert main([stock, "--explain", "second"]) == 2
    assert "has no layer 'second'. It has: masking, first," in capsys.readouterr().err


def test_the_audit_says_by_its_exit_status_what_it_found(stock, ours, tmp_path, capsys):
    path = tmp_path / "findings.json"
    assert main([stock, "--audit", "--manifest", VOWELS, "--json", str(path)]) == 1
    assert "stock fails: " in capsys.readouterr().out
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["passes"] is False
    assert [each["frames"] for each in found["measurements"]] == [1, 2, 7, 64, None]
    assert ("first", "drops_mask") in {(finding["layer"], finding["problem"]) for finding in found["findings"]}
    assert "100 of 370 sequences" in found["data"]
    assert main([ours, "--audit"]) == 0
    assert "passes: one sequence, one answer" in capsys.readouterr().out


def test_pictures_are_written_and_contributions_told(ours, tmp_path, capsys):
    assert main([ours, "--pictures", str(tmp_path), "--recording", RECORDING, "--before", ours]) == 0
    printed = capsys.readouterr()
    assert "logit of '" in printed.out
    names = {path.name for path in tmp_path.glob("*.png")}
    stem = "block0_conv.png"
    assert names == {
        "decided.png",
        "activations.png",
        *(f"{kind}_{stem}" for kind in ("filters", "before_after", "norms")),
    }
    assert all(f"wrote {tmp_path / name}" in printed.err for name in names)


def test_sound_itself_gives_responses(tmp_path, capsys):
    features = {"kind": "waveform", "sample_rate": 8000, "n_fft": 64, "hop_length": 32}
    model = build_model({"blocks": [{"filters": 4}]}, num_features=64, num_outputs=2, card={"features": features})
    model.save(tmp_path / "model.keras")
    assert main([str(tmp_path / "model.keras"), "--pictures", str(tmp_path)]) == 0
    assert (tmp_path / "responses_block0_conv.png").is_file()
    capsys.readouterr()


def test_stock_models_are_told_how_to_read_recordings(stock, capsys, tmp_path):
    assert main([stock, "--recording", RECORDING]) == 2
    assert "Pass --config FILE, or --set features.kind" in " ".join(capsys.readouterr().err.split())
    assert main([stock, "--recording", RECORDING, "--set", "features.n_mels=12", "--output", "3"]) == 0
    assert "logit of '3'" in capsys.readouterr().out
    np.save(tmp_path / "x.npy", np.ones((20, 12)))
    assert main([stock, "--recording", str(tmp_path / "x.npy"), "--set", "features.kind=precomputed"]) == 0
    precomputed = ["--set", "features.kind=precomputed"]
    assert main([stock, "--recording", VOWELS, *precomputed]) == 2
    assert f"Say which: --recording {VOWELS}/0 is the first one" in capsys.readouterr().err
    assert main([stock, "--recording", f"{VOWELS}/3", *precomputed]) == 0
    assert main([stock, "--recording", RECORDING, "--set", "features.n_mels=12", "--output", "yes"]) == 2
    assert "does not name its outputs; pass a number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--manifest", VOWELS], "--manifest needs --audit"),
        (["--before", "x.keras"], "--before needs --pictures"),
        (["--output", "yes"], "--output needs --recording"),
        (["--explain", "first", "--json", "x.json"], "--json needs --audit, or the table alone"),
    ],
)
def test_options_that_would_do_nothing_are_refused(stock, options, reason, capsys):
    assert main([stock, *options]) == 2
    assert reason in capsys.readouterr().err


def test_models_with_foreign_code_are_refused(tmp_path, capsys):
    model = keras.Sequential([keras.Input((None, 3)), layers.Lambda(lambda x: x), layers.Dense(2)])
    model.save(tmp_path / "foreign.keras")
    assert main([str(tmp_path / "foreign.keras"), "--audit"]) == 2
    assert "'Lambda' of module 'keras.layers', which can hold code" in capsys.readouterr().err
