"""`seqconv plan`: what it measures is what extraction gives, and what it prints is what the plans say."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.plan_cases import prompts_like

from seqconv.batching import plan_packed
from seqconv.cli.commands.plan import compare, describe_lengths, main
from seqconv.cli.lengths import cut_lengths, measure_lengths, read_lengths
from seqconv.data.manifest import load_manifest
from seqconv.data.settings import WindowSettings
from seqconv.data.spec import Segmentation
from seqconv.errors import ConfigError, ManifestError
from seqconv.features import FeatureKind, extract_features
from seqconv.features.audio.decoding import decode_audio
from seqconv.models.settings import ModelConfig

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    "settings",
    [
        {"sample_rate": 8000, "n_fft": 256, "hop_length": 80},
        {"sample_rate": 8000, "n_fft": 257, "hop_length": 100, "kind": "log_spectrogram"},
        {"sample_rate": 16000, "n_fft": 400, "kind": "waveform"},
        {"sample_rate": 11025},
    ],
)
def test_measured_lengths_are_those_of_extraction(settings):
    settings = FeatureKind(**settings)
    frame = load_manifest(DATA / "prompts" / "manifest.csv").iloc[::150].reset_index(drop=True)
    frame.loc[0, ["start", "end"]] = [0.1, 0.3]
    expected = []
    for row in frame.to_dict("records"):
        cut = {name: row[name] for name in ("start", "end") if row[name] == row[name]}
        samples, rate = decode_audio(row["path"], **cut)
        expected.append(len(extract_features(samples, rate, settings)))
    assert measure_lengths(frame, settings) == expected


@pytest.mark.parametrize("num_samples", [1, 255, 256, 257, 1000])
@pytest.mark.parametrize("kind", ["log_mel", "waveform"])
def test_frames_of_samples(kind, num_samples):
    bands = {"n_mels": 20} if kind == "log_mel" else {}
    settings = FeatureKind(kind=kind, sample_rate=8000, n_fft=256, hop_length=80, **bands)
    assert settings.count_frames(num_samples) == len(extract_features(np.zeros(num_samples), 8000, settings))


def test_parts_and_rates_are_rounded_as_extraction_rounds_them(tmp_path):
    """Halves of a sample, and an end that lies a little behind the last sample."""
    soundfile.write(tmp_path / "a.wav", np.zeros(10_001), 8000)
    rows = [(0.00003125 * 7, 0.7500625), (0.0, 1.29), (0.1249375, None)]
    frame = pd.DataFrame(
        {"id": f"a{number}", "path": str(tmp_path / "a.wav"), "start": start, "end": end}
        for number, (start, end) in enumerate(rows)
    )
    for rate, kind in ((16000, "waveform"), (11025, "waveform"), (4000, "log_mel")):
        bands = {"n_mels": 4} if kind == "log_mel" else {}
        settings = FeatureKind(kind=kind, sample_rate=rate, n_fft=32, hop_length=1, **bands)
        expected = [len(extract_features(*decode_audio(tmp_path / "a.wav", start=a, end=b), settings)) for a, b in rows]
        assert measure_lengths(frame, settings) == expected


def test_windows_shorter_than_a_frame_are_refused_as_training_refuses_them():
    settings = FeatureKind(sample_rate=8000, hop_length=80)
    with pytest.raises(ConfigError, match=r"data\.windows\.seconds: 0\.004 is shorter than a frame"):
        cut_lengths([100], Segmentation(windows=WindowSettings(seconds=0.004)), settings)
    assert cut_lengths([100], Segmentation(windows=WindowSettings(seconds=0.3)), settings) == [30, 30, 30, 30]


def test_geometry_is_that_of_the_built_model():
    from seqconv.models import build_model

    blocks = [
        {"filters": 4, "kernel_size": 5, "strides": 2, "repeat": 3, "dilation_rate": 1},
        {"type": "max_pool", "pool_size": 3},
        {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 4},
        {"filters": 4, "kernel_size": 1},
    ]
    config = ModelConfig.model_validate({"blocks": blocks})
    built = build_model(config, num_features=2, num_outputs=2).time_geometry
    assert config.time_geometry == built


def test_a_plan_of_a_manifest_in_the_terminal(capsys):
    code = main(["--manifest", str(DATA / "prompts" / "manifest.csv"), "--split", "test", "--sample-rate", "8000"])
    printed = capsys.readouterr().out
    assert code == 0
    assert re.search(r"^\d+ sequences, [\d,]+ frames; shortest", printed)
    assert [line.split()[0] for line in printed.splitlines() if re.match("packed|bucketed|padded|single", line)][
        :4
    ] == [
        "packed",
        "bucketed",
        "padded",
        "single",
    ]
    assert "receptive field 11 frames, total stride 2" in printed


def test_the_table_holds_what_the_plan_says(tmp_path, capsys):
    lengths = prompts_like(500)
    file = tmp_path / "lengths.txt"
    file.write_text("\n".join(map(str, lengths)))
    assert main(["--lengths", str(file), "--batch-size", "16", "--set", "model.blocks=[{filters: 4}]"]) == 0
    plan = plan_packed(lengths, batch_size=16, time_geometry=ModelConfig(blocks=[{"filters": 4}]).time_geometry)
    assert compare([plan]).splitlines()[1] in capsys.readouterr().out


def test_a_recurrent_model_is_not_packed(tmp_path, capsys):
    (tmp_path / "lengths.txt").write_text("5\n6\n")
    blocks = "model.blocks=[{filters: 4, kernel_size: 1}, {type: lstm, units: 4}]"
    assert main(["--lengths", str(tmp_path / "lengths.txt"), "--set", blocks]) == 0
    printed = capsys.readouterr().out
    assert "without packed: the model has a recurrent layer" in printed
    assert not re.search("^packed ", printed, re.MULTILINE)


def test_the_histogram_counts_every_sequence():
    for lengths in (prompts_like(1000), np.array([7]), np.array([1, 2, 2])):
        lines = describe_lengths(lengths).splitlines()[1:]
        assert sum(int(line.split()[3].replace(",", "")) for line in lines) == len(lengths)


def test_lengths_are_read_from_lines_and_columns(tmp_path):
    file = tmp_path / "lengths.csv"
    file.write_text("id,num_frames\na,12\nb,30\n")
    assert read_lengths(file) == [12, 30]
    file.write_text("12\n\n30\n")
    assert read_lengths(file) == [12, 30]
    file.write_text("id,frames\na,12\n")
    with pytest.raises(ManifestError, match="no column 'num_frames', 'lengths', 'length'; the first line holds 'id'"):
        read_lengths(file)
    file.write_text("12\n3.5\nx\n")
    with pytest.raises(ManifestError, match="a whole number of frames in 'line 2', 'line 3'"):
        read_lengths(file)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to plan: give --manifest FILE, --lengths FILE"),
        (["--lengths", "nowhere.txt"], "nowhere.txt: no such file of lengths"),
        (["--lengths", "x", "--split", "test"], "--split test chooses from a manifest"),
        (["--manifest", str(DATA / "prompts" / "manifest.csv"), "--split", "tset"], "no recording has split 'tset'"),
        (
            ["--manifest", str(DATA / "japanese_vowels" / "JapaneseVowels_TEST.ts")],
            "Add --set features.kind=precomputed",
        ),
    ],
)
def test_errors_are_one_message_and_code_2(arguments, message, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert message in printed.err


def test_ts_files_and_raw_samples_are_measured(tmp_path, capsys):
    file = str(DATA / "japanese_vowels" / "JapaneseVowels_TEST.ts")
    assert main(["--manifest", file, "--set", "features.kind=precomputed"]) == 0
    assert "370 sequences" in capsys.readouterr().out
    np.save(tmp_path / "raw.npy", np.zeros(16000, np.float32))
    soundfile.write(tmp_path / "tone.wav", np.zeros(16000), 8000)
    (tmp_path / "m.csv").write_text("path,label\nraw.npy,a\ntone.wav,b\n")
    assert measure_lengths(load_manifest(tmp_path / "m.csv"), FeatureKind()) == [101, 201]


def test_help_imports_nothing_heavy():
    code = "import sys, seqconv.cli.commands.plan as p\ntry: p.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in ('numpy', 'pandas', 'pydantic', 'tensorflow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_recordings_that_cannot_be_measured_are_listed(tmp_path, capsys):
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    (tmp_path / "broken.npy").write_bytes(b"no array")
    soundfile.write(tmp_path / "short.wav", np.zeros(800), 8000)
    lines = ["path,label,start,end", "broken.wav,a,,", "broken.npy,a,,", "short.wav,b,5,6"]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    assert main(["--manifest", str(tmp_path / "m.csv")]) == 2
    printed = capsys.readouterr().err
    assert "3 of 3 recordings cannot be measured" in printed
    assert "start=5 s is after the end of the recording at 0.1 s" in printed
    assert "not a plain .npy array" in printed


def test_one_size_of_batch_replaces_the_one_of_a_config(tmp_path, capsys):
    (tmp_path / "lengths.txt").write_text("\n".join(["20"] * 50))
    (tmp_path / "c.yaml").write_text("batching: {batch_size: 4}\n")
    arguments = ["--lengths", str(tmp_path / "lengths.txt"), "--config", str(tmp_path / "c.yaml")]
    assert main([*arguments, "--frames-per-batch", "200"]) == 0
    bucketed = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("bucketed"))
    assert bucketed.split()[5] == "200"
