"""Plain WAVs are read as bytes; their samples, and what is wrong with them, are libsndfile's."""

import math
import struct

import numpy as np
import pytest
import soundfile

from seqconv.errors import AudioError
from seqconv.features.audio.decoding import count_samples, decode_audio, read_blocks
from seqconv.features.audio.headers import DataSize
from seqconv.features.audio.pcm import PcmFile, open_pcm
from seqconv.features.audio.recordings import open_audio


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("seqconv.features.audio.recordings.BLOCK_FRAMES", 700)


def is_read_as_bytes(path) -> bool:
    return isinstance(open_audio(path, None, None).blocks.args[1], PcmFile)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_samples_are_libsndfiles_bit_for_bit(tmp_path, rng, subtype, channels):
    path = tmp_path / "x.wav"
    samples = rng.uniform(-1, 1, (3001, channels))
    samples[:2] = [[1.0] * channels, [-1.0] * channels]
    soundfile.write(path, samples, 11025, subtype=subtype)
    assert is_read_as_bytes(path)
    expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
    for channel in range(channels):
        decoded, found = decode_audio(path, channel=channel)
        assert (decoded.dtype, found) == (np.float32, rate)
        np.testing.assert_array_equal(decoded, expected[:, channel])
    part = list(read_blocks(path, start=0.05, end=0.2, channel=0))
    # Blocks of 700 values; the part has 1,654 frames.
    assert len(part) == math.ceil(1654 / (700 // channels))
    np.testing.assert_array_equal(np.concatenate(part), expected[551:2205, 0])
    assert count_samples(path) == 3001


@pytest.mark.parametrize("subtype", ["PCM_U8", "DOUBLE", "ULAW", "IMA_ADPCM"])
def test_other_encodings_are_left_to_libsndfile(tmp_path, rng, subtype):
    path = tmp_path / "x.wav"
    soundfile.write(path, rng.uniform(-0.5, 0.5, 2000), 8000, subtype=subtype)
    assert not is_read_as_bytes(path)
    np.testing.assert_array_equal(decode_audio(path)[0], soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize(
    ("place", "form", "value"),
    [(22, "<H", 0), (24, "<I", 0), (32, "<H", 3), (34, "<H", 12), (34, "<H", 0), (20, "<H", 2)],
    ids=["no channel", "no rate", "alignment", "bits", "no bits", "encoding"],
)
def test_a_header_that_is_not_plain_is_left_to_libsndfile(tmp_path, place, form, value):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros(2000), 8000)
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, place, value)
    data_size = DataSize(4000, 4000)
    with path.open("rb") as file:
        assert open_pcm(file, bytes(data[:256]), data_size, len(data)) is None
        for wrong in (None, DataSize(0, 4000), DataSize(4002, 4000)):
            assert open_pcm(file, path.read_bytes()[:256], wrong, len(data)) is None
        assert not file.closed
        taken = open_pcm(file, path.read_bytes()[:256], data_size, len(data))
        assert taken is not None
        del taken
        assert file.closed


def test_chunks_around_the_samples_are_no_samples(tmp_path, rng):
    path = tmp_path / "x.wav"
    soundfile.write(path, rng.uniform(-0.5, 0.5, 2000), 8000)
    data = path.read_bytes()
    note = b"LIST" + struct.pack("<I", 12) + b"INFOICMTabcd"
    path.write_bytes(data[:36] + note + data[36:] + note)
    assert is_read_as_bytes(path)
    np.testing.assert_array_equal(decode_audio(path)[0], soundfile.read(path, dtype="float32")[0])


def test_a_second_format_before_the_samples_is_left_to_libsndfile(tmp_path, rng):
    path = tmp_path / "x.wav"
    soundfile.write(path, rng.uniform(-0.5, 0.5, 2000), 8000)
    data = path.read_bytes()
    stereo = bytearray(data[12:36])
    struct.pack_into("<HIIH", stereo, 10, 2, 8000, 32000, 4)
    path.write_bytes(data[:36] + bytes(stereo) + data[36:])
    with pytest.raises(soundfile.LibsndfileError, match=r"x\.wav"):
        soundfile.read(path)
    with pytest.raises(AudioError, match=r"x\.wav"):
        decode_audio(path)
    long_note = b"LIST" + struct.pack("<I", 5000) + b"INFO".ljust(5000, b"x")
    path.write_bytes(data[:36] + long_note + bytes(stereo) + data[36:])
    with pytest.raises(AudioError, match=r"x\.wav"):
        decode_audio(path)
    path.write_bytes(data[:36] + long_note + data[36:])
    np.testing.assert_array_equal(decode_audio(path)[0], soundfile.read(path, dtype="float32")[0])


def test_behind_the_end_there_are_no_samples(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.full(20, 0.25), 8000)
    file = open_audio(path, None, None).blocks.args[1]
    file.seek(21)
    assert file.read(5, "float32", True).shape == (0, 1)
    file.close()


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "x.wav"
    # More than what is read ahead with the header.
    soundfile.write(path, np.full(200_000, 0.25), 8000)
    region = open_audio(path, None, None)
    path.write_bytes(path.read_bytes()[: 44 + 2 * 150_000 + 1])
    with pytest.raises(AudioError, match=r"x\.wav: ends after 18\.75 s, but its header declares 25 s"):
        list(region.blocks())
