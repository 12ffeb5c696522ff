"""Features are those of float64, and a frame has them in every block, piece and part, bit for bit."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from seqconv.errors import ConfigError
from seqconv.features import as_settings, extract_features, iterate_features, open_features
from seqconv.features.audio.decoding import decode_audio
from seqconv.features.extraction import extract_recording
from seqconv.features.spectra import SILENCE

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
RATE = 8000
FRAMING = {"sample_rate": RATE, "n_fft": 256, "hop_length": 80}
KINDS = [
    {"kind": "log_mel"},
    {"kind": "log_mel", "mel_scale": "htk", "n_mels": 30, "fmin": 60.0, "win_length": 200, "delta": 1},
    {"kind": "mfcc", "n_mfcc": 13, "delta": 2},
    {"kind": "log_spectrogram", "fmin": 300.0},
    {"kind": "chroma"},
    {"kind": "waveform"},
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))


@pytest.fixture(scope="module")
def prompts() -> list[np.ndarray]:
    """Every twelfth prompt, of all voices."""
    return [decode_audio(path)[0] for path in sorted(PROMPTS.rglob("*.ogg"))[::12]]


def true_log_mel(samples: np.ndarray, n_mels: int, *, htk: bool) -> np.ndarray:
    """The same features, everything in float64."""
    padded = np.pad(samples.astype(np.float64), 128)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 256)[::80] * librosa.filters.get_window("hann", 256)
    filters = librosa.filters.mel(sr=RATE, n_fft=256, n_mels=n_mels, htk=htk, dtype=np.float64)
    return 10 * np.log10(np.maximum(np.abs(np.fft.rfft(frames)) ** 2 @ filters.T, 1e-10))


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("gain", [1.0, 1e-3, 1e4], ids=["as it is", "very quiet", "very loud"])
def test_log_mel_is_that_of_float64(prompts, gain, scale):
    for samples in prompts:
        loud = samples * np.float32(gain)
        expected = true_log_mel(loud, 40, htk=scale == "htk")
        # Also below, where a transform in float32 is off by 1.5 dB if a recording is very loud.
        error = np.abs(extract_features(loud, RATE, {**FRAMING, "n_mels": 40, "mel_scale": scale}) - expected)
        assert error.max() < 1e-3


def test_silence_is_silence_and_no_frame_leaves_anything_to_the_next(prompts):
    quiet = np.zeros(5000, np.float32)
    loud = np.concatenate([quiet, prompts[0] * np.float32(1e6), quiet])
    features = extract_features(loud, RATE, FRAMING)
    assert (features[:60] == SILENCE).all()
    assert (features[-60:] == SILENCE).all()
    np.testing.assert_array_equal(extract_features(quiet, RATE, FRAMING), np.full((63, 64), SILENCE))


@each_kind
def test_no_way_of_cutting_changes_a_bit(prompts, kind):
    settings = {**FRAMING, **kind}
    samples = np.concatenate(prompts[:12])
    whole = extract_features(samples, RATE, settings)
    for piece_frames, block in ((1, 4001), (7, 100), (130, 999_999), (257, 1)):
        part = samples[: 20_000 if block == 1 else None]
        blocks = np.split(part, range(block, len(part), block))
        pieces = list(iterate_features(blocks, RATE, settings, piece_frames=piece_frames))
        expected = whole if len(part) == len(samples) else extract_features(part, RATE, settings)
        np.testing.assert_array_equal(np.concatenate(pieces), expected)


@each_kind
def test_a_frame_inside_a_part_is_that_of_the_whole(prompts, kind):
    settings = as_settings({**FRAMING, **kind})
    samples = np.concatenate(prompts[:6])
    whole = extract_features(samples, RATE, settings)
    first, count = 123, 301
    part = extract_features(samples[first * 80 : (first + count) * 80], RATE, settings)
    # Half a window, and what derivatives look at.
    inner = slice(10, count - 10)
    np.testing.assert_array_equal(part[inner], whole[first:][inner])


@pytest.mark.parametrize("normalize", ["train", "recording"])
@pytest.mark.parametrize("rate", [RATE, 11025])
def test_a_file_gives_the_features_of_its_samples(tmp_path, monkeypatch, prompts, rate, normalize):
    monkeypatch.setattr("seqconv.features.audio.recordings.BLOCK_FRAMES", 5000)
    soundfile.write(tmp_path / "x.wav", np.concatenate(prompts[:4]), rate)
    settings = as_settings({**FRAMING, "normalize": normalize})
    for part in ({}, {"start": 0.3, "end": 1.7}):
        expected = extract_features(*decode_audio(tmp_path / "x.wav", **part), settings)
        np.testing.assert_array_equal(extract_recording(tmp_path / "x.wav", settings, **part), expected)
        pieces = open_features(tmp_path / "x.wav", {**FRAMING, "normalize": "none"}, piece_frames=11, **part)
        if normalize == "train":
            np.testing.assert_array_equal(np.concatenate(list(pieces)), expected)


def test_an_unknown_mel_scale_is_refused():
    with pytest.raises(ConfigError, match=r"features\.mel_scale: expected 'slaney' or 'htk', got 'mel'"):
        as_settings({"mel_scale": "mel"})
    with pytest.raises(ConfigError, match="mel_scale='htk' has no effect on kind 'chroma'"):
        as_settings({"kind": "chroma", "mel_scale": "htk"})
