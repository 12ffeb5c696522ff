"""Features in pieces are the features of the whole, wherever samples and frames are cut."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from seqconv.errors import AudioError, ConfigError, ManifestError
from seqconv.features import extract_features, iterate_features, load_features, open_features, pieces_of
from seqconv.features.audio.decoding import count_samples, decode_audio, read_blocks, resample_blocks

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
LONG = max(PROMPTS.glob("en/*.ogg"), key=lambda path: soundfile.info(path).duration)
FRAMING = {"sample_rate": 8000, "n_fft": 256, "hop_length": 80}
KINDS = [
    {"kind": "log_mel"},
    {"kind": "log_mel", "n_mels": 40, "delta": 1, "win_length": 200},
    {"kind": "mfcc", "n_mfcc": 13, "n_mels": 40, "delta": 2},
    {"kind": "log_spectrogram", "fmin": 300.0, "fmax": 2000.0},
    {"kind": "chroma"},
    {"kind": "waveform"},
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return decode_audio(LONG)[0]


def cut(samples: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """Blocks of these sizes, over and over."""
    bounds = np.cumsum(np.resize(sizes, len(samples)))
    return [block for block in np.split(samples, bounds[bounds < len(samples)]) if len(block)]


def assert_same_features(pieces, whole):
    joined = np.concatenate(list(pieces))
    assert joined.shape == whole.shape
    assert joined.dtype == np.float32
    np.testing.assert_allclose(joined, whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max())


@each_kind
@pytest.mark.parametrize("normalize", ["train", "recording"])
@pytest.mark.parametrize("piece_frames", [7, 1000, None])
def test_pieces_of_a_real_recording_are_the_whole(kind, normalize, piece_frames):
    settings = {**FRAMING, **kind, "normalize": normalize}
    whole = extract_features(*decode_audio(LONG, start=1.0, end=31.0), settings)
    pieces = open_features(LONG, settings, start=1.0, end=31.0, piece_frames=piece_frames)
    assert pieces.num_frames == len(whole) >= 2990
    assert max(map(len, pieces)) <= (piece_frames or len(whole)) + 4 * (piece_frames == 7)
    assert_same_features(pieces, whole)
    assert_same_features(pieces, whole)


@each_kind
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    num_samples=st.one_of(st.integers(1, 600), st.integers(1, 6000)),
    block_sizes=st.lists(st.integers(1, 700), min_size=1, max_size=4),
    piece_frames=st.integers(1, 40),
    n_fft=st.integers(2, 40),
    hop_length=st.integers(1, 90),
)
def test_cuts_anywhere_change_nothing(samples, kind, num_samples, block_sizes, piece_frames, n_fft, hop_length):
    kind = {name: value for name, value in kind.items() if name not in ("n_mels", "n_mfcc", "win_length")}
    if kind["kind"] in ("log_mel", "mfcc"):
        # Two bands, each of which has a bin in every one of these windows.
        kind, n_fft = (
            {**kind, "n_mels": 2, "n_mfcc": 1} if kind["kind"] == "mfcc" else {**kind, "n_mels": 2},
            16 + n_fft,
        )
    elif kind["kind"] == "log_spectrogram":
        kind = {"kind": "log_spectrogram"}
    options = {"sample_rate": 8000, "n_fft": n_fft, "hop_length": hop_length, **kind}
    signal = samples[20000 : 20000 + num_samples]
    whole = extract_features(signal, 8000, options)
    pieces = iterate_features(cut(signal, block_sizes), 8000, options, piece_frames=piece_frames)
    assert_same_features(pieces, whole)


@pytest.mark.parametrize(("source", "target"), [(8000, 16000), (44100, 16000), (22050, 8000), (8000, 11025)])
@pytest.mark.parametrize("block", [13, 1000, 60000])
def test_resampling_in_blocks_is_exact(samples, source, target, block):
    signal = samples[: 3 * block + 5000]
    blocks = list(resample_blocks(cut(signal, [block]), source, target))
    np.testing.assert_array_equal(np.concatenate(blocks), soxr.resample(signal, source, target, quality="HQ"))


@pytest.mark.parametrize("num_samples", [1, 2, 5])
def test_few_samples_survive_resampling_in_blocks(num_samples):
    signal = np.ones(num_samples, np.float32)
    blocks = list(resample_blocks([signal], 48000, 8000))
    expected = soxr.resample(signal, 48000, 8000, quality="HQ")
    np.testing.assert_array_equal(np.concatenate(blocks), expected if len(expected) else signal[:1])


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.npy"])
@pytest.mark.parametrize(("start", "end"), [(None, None), (0.5, 2.25)])
def test_blocks_of_a_file_are_its_samples(tmp_path, monkeypatch, samples, name, start, end):
    for module in ("recordings", "raw"):
        monkeypatch.setattr(f"seqconv.features.audio.{module}.BLOCK_FRAMES", 5000)
    stereo = np.stack([samples[:30000], samples[30000:60000]], axis=1)
    if name == "a.npy":
        np.save(tmp_path / name, (stereo * 30000).astype(np.int16))
    else:
        soundfile.write(tmp_path / name, stereo, 11025)
    rate = 8000 if name == "a.npy" else 16000
    whole, _ = decode_audio(tmp_path / name, start=start, end=end, sample_rate=rate)
    blocks = list(read_blocks(tmp_path / name, start=start, end=end, sample_rate=rate))
    assert len(blocks) > 2
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    assert count_samples(tmp_path / name, start=start, end=end, sample_rate=rate) == len(whole)


def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch, samples):
    for module in ("recordings", "raw"):
        monkeypatch.setattr(f"seqconv.features.audio.{module}.BLOCK_FRAMES", 1 << 17)
    peaks = []
    for repeats in (1, 6):
        soundfile.write(tmp_path / "long.wav", np.tile(samples, repeats), 8000)
        settings = {**FRAMING, "sample_rate": 11025, "delta": 1, "normalize": "recording"}
        tracemalloc.start()
        frames = sum(len(piece) for piece in open_features(tmp_path / "long.wav", settings, piece_frames=1000))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert frames > 7000 * repeats
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_arrays_in_a_file_are_read_piece_by_piece(tmp_path, rng, order, dtype):
    np.save(tmp_path / "x.npy", np.asarray(100 * rng.standard_normal((1000, 3)), dtype, order=order))
    for normalize in ("train", "recording"):
        settings = {"kind": "precomputed", "normalize": normalize}
        pieces = open_features(tmp_path / "x.npy", settings, piece_frames=64)
        assert [len(piece) for piece in pieces] == [64] * 15 + [40]
        assert pieces.num_frames == 1000
        assert_same_features(pieces, load_features(tmp_path / "x.npy", settings))


def test_other_files_of_features_are_cut_after_reading(tmp_path, rng):
    values = rng.standard_normal((50, 3))
    np.savez(tmp_path / "x.npz", values)
    np.savetxt(tmp_path / "x.csv", values, delimiter=",", header="a,b,c", comments="")
    for name in ("x.npz", "x.csv"):
        pieces = open_features(tmp_path / name, {"kind": "precomputed"}, piece_frames=20)
        assert [len(piece) for piece in pieces] == [20, 20, 10]
        assert_same_features(pieces, values.astype(np.float32))


def test_pieces_of_an_array_are_views(rng):
    array = rng.standard_normal((10, 2))
    pieces = list(pieces_of(array, piece_frames=4))
    assert all(np.shares_memory(piece, array) for piece in pieces)
    np.testing.assert_array_equal(np.concatenate(pieces), array)


def test_what_is_wrong_far_behind_is_named(tmp_path):
    values = np.zeros((1000, 2))
    values[700, 1] = np.nan
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(ManifestError, match=r"x\.npy: 1 values are NaN.*the first at frame 700, feature 1"):
        list(open_features(tmp_path / "x.npy", {"kind": "precomputed"}, piece_frames=64))
    soundfile.write(tmp_path / "nan.wav", values[:, 1], 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"nan\.wav: 1 of 1000 samples are NaN"):
        list(open_features(tmp_path / "nan.wav", FRAMING))


def test_a_missing_file_is_named_at_once(tmp_path):
    with pytest.raises(AudioError, match=r"no\.wav: no such file"):
        open_features(tmp_path / "no.wav", FRAMING)
    with pytest.raises(ManifestError, match=r"no\.npy: no such file"):
        open_features(tmp_path / "no.npy", {"kind": "precomputed"})


def test_blocks_that_come_once_cannot_be_normalized_by_their_recording():
    with pytest.raises(ConfigError, match="not known before the last block, and blocks come only once"):
        iterate_features([np.zeros(10)], 8000, {"normalize": "recording"})
    with pytest.raises(ConfigError, match="piece_frames must be at least 1, got 0"):
        iterate_features([np.zeros(10)], 8000, {}, piece_frames=0)
    with pytest.raises(AudioError, match="no samples"):
        list(iterate_features([], 8000, FRAMING))
