"""Features: librosa's numbers, and frames that depend on nothing but their window."""

from pathlib import Path

import librosa
import numpy as np
import pytest

from seqconv.errors import AudioError, ConfigError, ManifestError, ShapeError
from seqconv.features import FeatureKind, as_settings, extract_features, feature_statistics, num_features
from seqconv.features.audio.decoding import decode_audio

PROMPT = Path(__file__).parents[2] / "data" / "prompts" / "en" / "added.ogg"
FRAMING = {"sample_rate": 8000, "n_fft": 256, "hop_length": 80}
KINDS = [
    {"kind": "log_mel", "n_mels": 40},
    {"kind": "log_mel", "n_mels": 40, "delta": 1, "fmin": 100.0, "fmax": 3000.0},
    {"kind": "mfcc", "n_mfcc": 13, "n_mels": 40, "delta": 2},
    {"kind": "log_spectrogram"},
    {"kind": "log_spectrogram", "fmin": 300.0, "fmax": 2000.0, "win_length": 200},
    {"kind": "chroma"},
    {"kind": "waveform"},
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))


@pytest.fixture(scope="module")
def prompt() -> np.ndarray:
    return decode_audio(PROMPT)[0]


def test_log_mel_is_librosas(prompt):
    mel = librosa.feature.melspectrogram(y=prompt, sr=8000, n_fft=256, hop_length=80, n_mels=40, fmin=50, fmax=3500)
    expected = librosa.power_to_db(mel, ref=1.0, top_db=None).T
    ours = extract_features(prompt, 8000, {**FRAMING, "n_mels": 40, "fmin": 50.0, "fmax": 3500.0})
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, atol=0.02)


def test_mfcc_with_deltas_is_librosas(prompt):
    mel = librosa.feature.melspectrogram(y=prompt, sr=8000, n_fft=256, hop_length=80, n_mels=40)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=13)
    deltas = [librosa.feature.delta(mfcc, order=order, mode="nearest") for order in (1, 2)]
    ours = extract_features(prompt, 8000, {**FRAMING, **KINDS[2]})
    np.testing.assert_allclose(ours, np.concatenate([mfcc, *deltas]).T, atol=0.02)


def test_log_spectrogram_is_librosas_between_fmin_and_fmax(prompt):
    power = np.abs(librosa.stft(prompt, n_fft=256, hop_length=80, win_length=200)) ** 2
    frequencies = librosa.fft_frequencies(sr=8000, n_fft=256)
    kept = (frequencies >= 300) & (frequencies <= 2000)
    expected = librosa.power_to_db(power, top_db=None)[kept].T
    np.testing.assert_allclose(extract_features(prompt, 8000, {**FRAMING, **KINDS[4]}), expected, atol=0.05)


def test_chroma_is_librosas(prompt):
    expected = librosa.feature.chroma_stft(y=prompt, sr=8000, n_fft=256, hop_length=80, tuning=0.0).T
    np.testing.assert_allclose(extract_features(prompt, 8000, {**FRAMING, "kind": "chroma"}), expected, atol=1e-4)


def test_waveform_is_librosas_framing(prompt):
    ours = extract_features(prompt, 8000, {**FRAMING, "kind": "waveform"})
    expected = librosa.util.frame(prompt, frame_length=256, hop_length=80, axis=0)
    np.testing.assert_array_equal(ours[: len(expected)], expected)
    covered = (len(ours) - 1) * 80 + 256
    assert len(prompt) <= covered < len(prompt) + 80


@each_kind
def test_shape_is_known_before(kind, prompt):
    features = extract_features(prompt, 8000, {**FRAMING, **kind})
    assert features.shape[1] == num_features({**FRAMING, **kind})
    assert np.isfinite(features).all()


@each_kind
@pytest.mark.parametrize("num_samples", [1, 2, 79, 80, 255, 256, 257])
@pytest.mark.parametrize("normalize", ["train", "recording"])
def test_the_shortest_recordings_give_frames(kind, num_samples, normalize):
    samples = np.random.default_rng(0).standard_normal(num_samples)
    features = extract_features(samples, 8000, {**FRAMING, **kind, "normalize": normalize})
    frames = 1 + max(-(-(num_samples - 256) // 80), 0) if kind["kind"] == "waveform" else 1 + num_samples // 80
    assert len(features) == frames
    assert np.isfinite(features).all()


@each_kind
def test_a_frame_depends_on_nothing_beyond_its_window(kind, prompt):
    settings = {**FRAMING, **kind}
    changed = prompt.copy()
    changed[4000:] = 100 * np.random.default_rng(0).standard_normal(len(prompt) - 4000)
    before = 4000 // 80 - 2 - 8  # half a window, and the reach of two deltas
    ours, theirs = (extract_features(samples, 8000, settings) for samples in (prompt, changed))
    np.testing.assert_allclose(ours[:before], theirs[:before], rtol=1e-4, atol=1e-3)
    assert not np.allclose(ours[before + 20 :], theirs[before + 20 :])


@pytest.mark.parametrize("kind", ["log_mel", "waveform"])
def test_a_recording_of_several_blocks_has_the_frames_of_one(kind, monkeypatch, prompt):
    whole = extract_features(prompt, 8000, {**FRAMING, "kind": kind})
    monkeypatch.setattr("seqconv.features.kinds.recorded._BLOCK_SAMPLES", 256 * 7)
    np.testing.assert_allclose(extract_features(prompt, 8000, {**FRAMING, "kind": kind}), whole, atol=1e-3)


def test_recording_normalization_is_over_the_frames_of_the_recording(prompt):
    features = extract_features(prompt, 8000, {**FRAMING, "normalize": "recording"})
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-4)


def test_other_rates_are_resampled(prompt):
    features = extract_features(prompt, 8000, {"sample_rate": 16000})
    assert len(features) == 1 + 2 * len(prompt) // 160


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (np.zeros((2, 100)), ShapeError, r"shape \(2, 100\), but one channel"),
        (np.zeros(0), AudioError, "no samples"),
        (np.array([0.0, np.nan]), AudioError, "1 of 2 samples are NaN"),
    ],
)
def test_bad_samples_are_refused(samples, error, message):
    with pytest.raises(error, match=message):
        extract_features(samples, 16000, {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fmax": 9000}, "fmax=9000 Hz must not exceed half of sample_rate=16000 Hz"),
        ({"fmin": 500, "fmax": 400}, "fmin=500 Hz must be lower than fmax, 400 Hz"),
        ({"fmin": 8000}, "fmin=8000 Hz must be lower than half of sample_rate"),
        ({"win_length": 600}, "win_length=600 must not exceed n_fft=512"),
        ({"kind": "mfcc", "n_mfcc": 80}, "n_mfcc=80 must not exceed n_mels=64"),
        ({"kind": "chroma", "delta": 1}, "delta=1 has no effect on kind 'chroma'"),
        ({"kind": "waveform", "fmin": 20}, "fmin=20 has no effect on kind 'waveform'"),
        ({"n_mfcc": 13}, "n_mfcc=13 has no effect on kind 'log_mel': remove it or use kind mfcc"),
        ({"kind": "chroma", "n_mels": 40}, "n_mels=40 has no effect on kind 'chroma': .* use kind log_mel or mfcc"),
        ({"kind": "precomputed", "hop_length": 80}, "hop_length=80 has no effect on kind 'precomputed'"),
        ({"key": "x"}, "key='x' has no effect on kind 'log_mel'"),
        ({"delta": 3}, "features.delta"),
        ({"n_mel": 40}, "features.n_mel: unknown key.*n_mels"),
        ({"kind": "mel"}, "features.kind"),
        ({"n_mels": 2000}, "mel bands hold no bin of the spectrum"),
        ({"kind": "log_spectrogram", "fmin": 5.0, "fmax": 6.0}, "no bin of the spectrum is between"),
        ({"kind": "precomputed"}, "use load_features"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        extract_features(np.zeros(100), 16000, settings)


def test_resolved_settings_read_back_as_they_are():
    settings = FeatureKind(kind="mfcc", delta=2)
    assert as_settings(settings.model_dump(mode="json")) == settings


def test_statistics_are_over_frames_and_keep_small_variances():
    rng = np.random.default_rng(0)
    sequences = [rng.normal([0, 1e6], [1, 1e-3], size=(n, 2)) for n in (1, 7, 300)]
    mean, variance = feature_statistics(sequences)
    frames = np.concatenate(sequences)
    np.testing.assert_allclose(mean, frames.mean(axis=0))
    np.testing.assert_allclose(variance, frames.var(axis=0), rtol=1e-6)
    np.testing.assert_allclose(feature_statistics(sequences, [1])[0], sequences[1].mean(axis=0))
    with pytest.raises(ManifestError, match="no training frame"):
        feature_statistics(sequences, [])
