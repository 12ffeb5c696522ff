"""Mel filters and windows are those of librosa and scipy, bit for bit, and a worker imports no more than it needs."""

import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.signal

from seqconv.features.mel_scale import mel_filters
from seqconv.features.spectra import hann_window

SETTINGS = [
    (8000, 256, 64, 0.0, None),
    (16000, 512, 64, 0.0, 8000.0),
    (16000, 400, 80, 20.0, 7600.0),
    (22050, 2048, 128, 0.0, None),
    (44100, 1023, 40, 1000.0, 16000.5),
    (8000, 256, 20, 0.0, 900.0),
    (8000, 2, 1, 0.0, None),
]

EXTRACTS = """
import sys
from seqconv.features.store.entries import Entry
from seqconv.features.store.shards import extract_shard
(row,) = extract_shard([Entry("one", sys.argv[1])], {"kind": "log_mel", "sample_rate": 8000}, sys.argv[2])
heavy = {"librosa", "numba", "scipy.fft", "scipy.signal", "pandas", "sklearn", "tensorflow", "keras"} & set(sys.modules)
print(f"{row.num_features} features, heavy {sorted(heavy)}")
"""


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize(("sample_rate", "n_fft", "n_mels", "fmin", "fmax"), SETTINGS)
@pytest.mark.filterwarnings("ignore:Empty filters:UserWarning")
def test_mel_filters_are_librosas(sample_rate, n_fft, n_mels, fmin, fmax, mel_scale):
    is_htk = mel_scale == "htk"
    expected = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=is_htk)
    ours = mel_filters(sample_rate, n_fft, n_mels, fmin, fmax, mel_scale)
    assert ours.dtype == expected.dtype
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("length", [1, 2, 3, 200, 256, 400, 1023])
def test_the_window_is_scipys(length):
    np.testing.assert_array_equal(hann_window(length), scipy.signal.get_window("hann", length, fftbins=True))


def test_a_worker_imports_nothing_heavy(tmp_path):
    recording = Path(__file__).parents[2] / "data/prompts/en/digits/1.ogg"
    done = subprocess.run(
        [sys.executable, "-c", EXTRACTS, str(recording), str(tmp_path / "shard.arrow")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "64 features, heavy []\n"
