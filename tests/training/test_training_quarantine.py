"""Recordings that cannot be read, in training: an error that lists them, or a run without them that says so."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.training_data import quick

from seqconv.errors import AudioError, ManifestError
from seqconv.training import train

RATE = 8000


@pytest.fixture
def corpus(tmp_path):
    """Forty tones in two classes as a folder, one of them not a recording."""
    rng = np.random.default_rng(0)
    for index in range(40):
        label = ("high", "low")[index % 2]
        (tmp_path / "tones" / label).mkdir(parents=True, exist_ok=True)
        times = np.arange(rng.integers(1200, 4000)) / RATE
        tone = 0.3 * np.sin(2 * np.pi * (1500 if label == "high" else 300) * times)
        soundfile.write(tmp_path / "tones" / label / f"{index}.wav", tone, RATE)
    (tmp_path / "tones" / "low" / "7.wav").write_text("not a recording")
    return tmp_path


def config_for(corpus, **data):
    return {
        **quick(),
        "data": {"manifest": str(corpus / "tones"), "cache_dir": str(corpus / "cache"), **data},
        "features": {"kind": "log_mel", "sample_rate": RATE, "n_fft": 256, "hop_length": 80, "n_mels": 16},
    }


def test_a_bad_recording_stops_before_training_and_is_named(corpus):
    with pytest.raises(AudioError, match=r"low/7.*\(.*7\.wav\)"):
        train(config_for(corpus), corpus / "run")
    assert not (corpus / "run").exists()


def test_a_run_without_it_lists_it(corpus, capsys):
    run = train(config_for(corpus, on_bad_file="skip", max_bad_fraction=0.05), corpus / "run")
    table = pd.read_csv(run.path / "quarantine.csv")
    assert table["id"].tolist() == ["low/7"]
    assert table["path"].item().endswith("7.wav")
    assert table["reason"].notna().all()
    assert "1 of 40 recordings cannot be read and were left out: 'low/7'" in capsys.readouterr().out
    assert len(pd.read_csv(run.path / "splits.csv")) == 39


def test_more_than_the_limit_stops(corpus):
    with pytest.raises(AudioError, match=r"more than the part of 0\.01 that may be left out"):
        train(config_for(corpus, on_bad_file="skip"), corpus / "run")


def test_a_split_of_which_nothing_can_be_read_is_named(corpus):
    paths = sorted((corpus / "tones").rglob("*.wav"))
    splits = ["valid" if path.stem == "7" else "train" for path in paths]
    table = pd.DataFrame({"path": paths, "label": [path.parent.name for path in paths], "split": splits})
    table.to_csv(corpus / "manifest.csv", index=False)
    with pytest.raises(ManifestError, match="of split 'valid' no recording can be read"):
        train(
            config_for(corpus, manifest=str(corpus / "manifest.csv"), on_bad_file="skip", max_bad_fraction=0.1),
            corpus / "run",
        )
