"""Decoding: formats, channels, rates, parts, and what every bad file is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.errors import AudioError
from seqconv.features.audio.decoding import decode_audio, resample_blocks
from seqconv.features.audio.regions import part_of

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"


def tone(seconds: float, rate: int, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize(("name", "tolerance"), [("a.wav", 1e-4), ("a.flac", 1e-4), ("a.ogg", 0.05), ("a.mp3", 0.05)])
def test_stereo_of_another_rate_becomes_mono_of_the_wanted_rate(tmp_path, name, tolerance):
    left, right = tone(1.0, 44100, 440.0), tone(1.0, 44100, 880.0)
    soundfile.write(tmp_path / name, np.stack([left, right], axis=1), 44100)
    samples, rate = decode_audio(tmp_path / name, sample_rate=16000)
    expected = (tone(1.0, 16000, 440.0) + tone(1.0, 16000, 880.0)) / 2
    assert (samples.dtype, samples.ndim, rate) == (np.float32, 1, 16000)
    # MP3 pads with silence at both ends.
    assert abs(len(samples) - 16000) <= (1200 if name.endswith("mp3") else 1)
    spectrum = np.abs(np.fft.rfft(samples[2000:14000] * np.hanning(12000)))
    strongest = set(np.argsort(spectrum)[-2:] * 16000 / 12000 // 4 * 4)
    assert strongest == {440.0, 880.0}
    if not name.endswith("mp3"):
        np.testing.assert_allclose(samples[500:15500], expected[500:15500], atol=tolerance)


def test_the_rate_of_the_file_is_kept_without_a_wanted_rate():
    samples, rate = decode_audio(next(PROMPTS.glob("*/*.ogg")))
    assert rate == 8000
    assert len(samples) > 1000


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_part_is_what_the_whole_holds_there(tmp_path, name):
    soundfile.write(tmp_path / name, np.random.default_rng(0).uniform(-0.5, 0.5, 16000), 8000)
    whole, _ = decode_audio(tmp_path / name)
    part, _ = decode_audio(tmp_path / name, start=0.5, end=1.25)
    np.testing.assert_allclose(part, whole[4000:10000], atol=1e-6)
    rest, _ = decode_audio(tmp_path / name, start=1.5)
    np.testing.assert_allclose(rest, whole[12000:], atol=1e-6)


def test_a_recording_longer_than_one_block_is_read_whole(tmp_path):
    samples = np.random.default_rng(0).integers(-30000, 30000, (1 << 20) + 77, dtype=np.int16)
    soundfile.write(tmp_path / "long.wav", samples, 48000)
    decoded, _ = decode_audio(tmp_path / "long.wav")
    np.testing.assert_allclose(decoded, samples / 32768, atol=1e-6)


@pytest.mark.parametrize(("dtype", "scale"), [(np.int16, 32768), (np.float64, 1), (np.uint8, 128)])
def test_raw_samples_are_scaled_by_their_type(tmp_path, dtype, scale):
    values = np.array([[0, 64], [127, 127]]).astype(dtype)
    np.save(tmp_path / "raw.npy", values)
    samples, rate = decode_audio(tmp_path / "raw.npy", sample_rate=500)
    center = 128 if dtype is np.uint8 else 0
    np.testing.assert_allclose(samples, (values.astype(float) - center).mean(axis=1) / scale)
    assert rate == 500


def test_one_sample_survives_resampling():
    blocks = list(resample_blocks([np.ones(1, np.float32)], 48000, 8000))
    assert [len(block) for block in blocks] == [1]


def bad_files(folder: Path) -> dict[str, Path]:
    files = {name: folder / name for name in ("missing.wav", "text.wav", "empty.wav", "none.wav", "nan.wav", "obj.npy")}
    files["text.wav"].write_text("this is no audio")
    files["empty.wav"].touch()
    soundfile.write(files["none.wav"], np.zeros(0), 8000)
    soundfile.write(files["nan.wav"], np.array([0.0, np.nan, np.inf]), 8000, subtype="FLOAT")
    np.save(files["obj.npy"], np.array([{"a": 1}]), allow_pickle=True)
    files["cube.npy"] = folder / "cube.npy"
    np.save(files["cube.npy"], np.zeros((2, 2, 2)))
    files["folder"] = folder
    return files


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.wav", "no such file"),
        ("text.wav", "cannot be decoded"),
        ("empty.wav", "cannot be decoded"),
        ("none.wav", "holds no samples"),
        ("nan.wav", "2 of 3 samples are NaN or infinite"),
        ("obj.npy", "not a plain .npy array"),
        ("cube.npy", r"shape \(2, 2, 2\), but raw samples are numbers of shape \(n,\)"),
        ("folder", "a folder, not a file"),
    ],
)
def test_a_bad_file_is_named_with_its_reason(tmp_path, name, message):
    path = bad_files(tmp_path)[name]
    with pytest.raises(AudioError, match=message) as caught:
        decode_audio(path, sample_rate=8000)
    assert str(path) in str(caught.value)


def test_raw_samples_need_a_rate(tmp_path):
    np.save(tmp_path / "raw.npy", np.zeros(4))
    with pytest.raises(AudioError, match=r"give sample_rate \(features.sample_rate\)"):
        decode_audio(tmp_path / "raw.npy")


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (1.0, None, "start=1 s is after the end of the recording at 1 s"),
        (0.2, 1.2, "end=1.2 s is after the end of the recording at 1 s"),
        (0.5, 0.5, "nothing is between start=0.5 s and end=0.5 s"),
        (-0.1, None, "start=-0.1 must be seconds"),
        (None, float("nan"), "end=nan must be seconds"),
    ],
)
def test_a_part_outside_the_recording_is_refused(tmp_path, start, end, message):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 8000)
    with pytest.raises(AudioError, match=message):
        decode_audio(tmp_path / "a.wav", start=start, end=end)


def test_an_end_that_was_rounded_up_is_the_last_sample(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(7990), 8000)
    assert len(decode_audio(tmp_path / "a.wav", end=1.0)[0]) == 7990


@pytest.mark.parametrize("empty", [None, float("nan"), pd.NA, ""])
def test_where_a_row_of_a_manifest_starts_and_ends(empty):
    assert part_of({"start": empty, "end": "1.5"}) == (None, 1.5)
    assert part_of(pd.Series({"start": np.float32(0.5), "end": empty}, dtype=object)) == (0.5, None)
    assert part_of({"path": "a.wav"}) == (None, None)
