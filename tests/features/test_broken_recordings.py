"""Each way in which a recording can be broken or unusual: decoded with these samples, or refused with this reason."""

import os
import re
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.config import load_config
from seqconv.data.sequences import Sequences
from seqconv.errors import AudioError, ConfigError
from seqconv.features import extract_features
from seqconv.features.audio.decoding import count_samples, decode_audio
from seqconv.features.store import build_store

RATE = 8000
TONE = (0.5 * np.sin(np.arange(RATE) / 7)).astype(np.float32)
SETTINGS = {"sample_rate": RATE, "n_fft": 256, "hop_length": 80, "n_mels": 20}


def wav(path: Path, samples: np.ndarray = TONE, rate: int = RATE, **options: str) -> Path:
    soundfile.write(path, samples, rate, format=options.pop("format", "WAV"), **options)
    return path


def cut(path: Path, num_bytes: int, **options: str) -> Path:
    """A recording of which only the first bytes are left."""
    wav(path, **options)
    path.write_bytes(path.read_bytes()[:num_bytes])
    return path


def with_field(path: Path, place: int, form: str, value: int) -> Path:
    """A WAV with another number in its header."""
    data = bytearray(wav(path).read_bytes())
    struct.pack_into(form, data, place, value)
    path.write_bytes(data)
    return path


def text(path: Path) -> Path:
    path.write_text("path,label\na.wav,yes\n" * 50)
    return path


def nothing(path: Path) -> Path:
    path.touch()
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def broken_link(path: Path) -> Path:
    path.symlink_to(path.with_name("gone.wav"))
    return path


def circular_link(path: Path) -> Path:
    path.symlink_to(path)
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def flac_of_hours(path: Path) -> Path:
    """A FLAC whose header declares 2^36 - 1 samples."""
    data = bytearray(wav(path, format="FLAC").read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    return path


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no file": (lambda path: path, "no such file"),
    "an empty file": (nothing, "cannot be decoded"),
    "zero frames": (lambda path: wav(path, np.zeros(0)), "holds no samples"),
    "a header cut off": (lambda path: cut(path, 30), "cannot be decoded"),
    "a header and no samples": (lambda path: cut(path, 44), "holds no samples"),
    "a WAV cut off": (lambda path: cut(path, 44 + 2 * 3200), r"ends after 0\.4 s, but its header declares 1 s"),
    "a FLAC cut off": (lambda path: cut(path, 1500, format="FLAC"), "lost sync|but its header declares 1 s"),
    "text named .wav": (text, "cannot be decoded"),
    "NaN": (lambda path: wav(path, np.array([0, np.nan, 1]), subtype="FLOAT"), "1 of 3 samples are NaN or infinite"),
    "infinity": (lambda path: wav(path, np.array([0, -np.inf]), subtype="DOUBLE"), "1 of 2 samples are NaN or inf"),
    "beyond float32": (lambda path: wav(path, np.array([0, 1e300]), subtype="DOUBLE"), "1 of 2 samples are NaN or inf"),
    "beyond all scales": (lambda path: wav(path, np.array([0, 1e30]), subtype="FLOAT"), "has a sample of 1e.30"),
    "no channel": (lambda path: with_field(path, 22, "<H", 0), "cannot be decoded"),
    "65,535 channels": (lambda path: with_field(path, 22, "<H", 65535), "cannot be decoded"),
    "zero hertz": (lambda path: with_field(path, 24, "<I", 0), "cannot be decoded|declares 0 Hz"),
    "1 Hz": (lambda path: with_field(path, 24, "<I", 1), "a rate of 1 Hz cannot become one of 8000 Hz"),
    "2 GHz": (lambda path: with_field(path, 24, "<I", 2**31 - 1), "a rate of 2147483647 Hz cannot become"),
    "a FLAC of 99 days": (flac_of_hours, r"ends after 1 s, but its header declares 8\.58993e\+06 s"),
    "a folder": (folder, "a folder, not a file"),
    "a broken link": (broken_link, r"a broken link; there is no '.*gone\.wav'"),
    "a link to itself": (circular_link, "a broken link"),
    "a pipe": (pipe, "not a regular file"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_no_recording_is_refused_with_path_and_reason(tmp_path, fault):
    make, reason = REFUSED[fault]
    path = make(tmp_path / "x.wav")
    with pytest.raises(AudioError, match=reason) as caught:
        decode_audio(path, sample_rate=RATE)
    assert str(path) in str(caught.value)


def test_all_that_is_refused_is_listed_at_once_with_ids(tmp_path):
    rows = []
    for number, (make, _) in enumerate(REFUSED.values()):
        (tmp_path / str(number)).mkdir()
        rows.append((f"id{number}", str(make(tmp_path / str(number) / "x.wav"))))
    rows.append(("good", str(wav(tmp_path / "good.wav"))))
    frame = pd.DataFrame(rows, columns=["id", "path"])
    with pytest.raises(AudioError, match=f"{len(REFUSED)} recordings of {len(rows)} cannot be read:") as caught:
        build_store(frame, SETTINGS, tmp_path / "store", progress=False)
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) >= len(REFUSED)
    for line, (name, path), (_, reason) in zip(lines, rows, REFUSED.values(), strict=False):
        assert line.startswith(f"  {name} ({path}): ")
        assert re.search(reason, line)


def corpus_with_bad_files(folder: Path, num_good: int) -> Path:
    """A manifest of good recordings and two bad ones."""
    paths = [wav(folder / f"good{number}.wav") for number in range(num_good)]
    paths += [text(folder / "text.wav"), nothing(folder / "empty.wav")]
    labels = ["a", "b"] * ((num_good + 2) // 2)
    pd.DataFrame({"path": [path.name for path in paths], "label": labels}).to_csv(folder / "m.csv", index=False)
    return folder / "m.csv"


def test_bad_files_are_left_out_and_told_where_that_is_asked_for(tmp_path):
    manifest = corpus_with_bad_files(tmp_path, 10)
    for _ in range(2):
        data = Sequences.from_manifest(manifest, SETTINGS, cache_dir=tmp_path / "cache", max_bad_fraction=0.2)
        assert data.ids == [f"good{number}.wav" for number in range(10)]
        assert data.labels == ["a", "b"] * 5
        assert [bad.id for bad in data.quarantine] == ["text.wav", "empty.wav"]
        assert data.quarantine[1].path == str(tmp_path / "empty.wav")
        assert data.quarantine[1].reason.startswith("cannot be decoded")
        assert data.notes == ["2 of 12 recordings cannot be read and were left out: 'empty.wav', 'text.wav'"]
        assert data.subset([0, 1]).quarantine == data.quarantine


def test_more_bad_files_than_allowed_stop(tmp_path):
    manifest = corpus_with_bad_files(tmp_path, 10)
    with pytest.raises(AudioError, match=r"2 recordings of 12 cannot be read, more than the part of 0\.1 that may be"):
        Sequences.from_manifest(manifest, SETTINGS, cache_dir=tmp_path / "cache", max_bad_fraction=0.1)
    only_bad = corpus_with_bad_files(tmp_path, 0)
    with pytest.raises(AudioError, match="2 recordings of 2 cannot be read"):
        Sequences.from_manifest(only_bad, SETTINGS, cache_dir=tmp_path / "cache", max_bad_fraction=1.0)


def test_the_config_says_what_may_be_left_out():
    assert load_config({}).data.skipped_fraction == 0
    assert load_config({"data": {"on_bad_file": "skip"}}).data.skipped_fraction == 0.01
    with pytest.raises(ConfigError, match=r"data\.on_bad_file: expected 'error' or 'skip', got 'ignore'"):
        load_config({"data": {"on_bad_file": "ignore"}})


UNCOMPRESSED = [
    ("WAV", "PCM_16", "LITTLE"), ("WAV", "PCM_24", "LITTLE"), ("WAV", "FLOAT", "LITTLE"), ("WAV", "ULAW", "LITTLE"),
    ("WAV", "IMA_ADPCM", "LITTLE"), ("WAV", "MS_ADPCM", "LITTLE"), ("WAV", "GSM610", "LITTLE"),
    ("WAV", "PCM_16", "BIG"), ("WAVEX", "PCM_16", "FILE"), ("RF64", "PCM_16", "FILE"), ("W64", "PCM_16", "FILE"),
    ("AIFF", "PCM_16", "FILE"), ("AIFF", "FLOAT", "FILE"), ("AU", "PCM_16", "FILE"), ("AU", "PCM_16", "LITTLE"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "subtype", "endian"), UNCOMPRESSED)
@pytest.mark.parametrize("num_channels", [1, 2])
def test_a_recording_that_ends_before_its_header_says_is_refused(tmp_path, kind, subtype, endian, num_channels):
    if (subtype, num_channels) == ("GSM610", 2):
        num_channels = 1
    samples = np.stack([TONE] * num_channels, axis=1)
    path = wav(tmp_path / "x.wav", samples, format=kind, subtype=subtype, endian=endian)
    whole, _ = decode_audio(path)
    data = path.read_bytes()
    for part in (0.4, 0.9):
        path.write_bytes(data[: int(part * len(data))])
        with pytest.raises(AudioError, match=r"ends after 0\.[3489]\d* s, but its header declares [01]") as caught:
            decode_audio(path)
        assert str(path) in str(caught.value)
        with pytest.raises(AudioError, match="but its header declares"):
            count_samples(path)
        # A part that is there is whole.
        np.testing.assert_array_equal(decode_audio(path, end=0.25)[0], whole[: RATE // 4])
        # What blocks of ADPCM would have held is estimated.
        with pytest.raises(AudioError, match=r"but its header declares 0\.9[56]\d* s or more"):
            decode_audio(path, start=0.949, end=0.96)


def test_a_wav_that_lacks_one_sample_is_refused_and_one_that_lacks_a_byte_of_padding_is_not(tmp_path):
    # Three bytes a sample: chunks of odd size get one more.
    path = wav(tmp_path / "x.wav", TONE[:999], subtype="PCM_24")
    whole, data = decode_audio(path)[0], path.read_bytes()
    path.write_bytes(data[:-1])
    np.testing.assert_array_equal(decode_audio(path)[0], whole)
    path.write_bytes(data[:-2])
    with pytest.raises(AudioError, match=r"ends after 0\.12475 s, but its header declares 0\.124875 s"):
        decode_audio(path)


def test_chunks_before_and_behind_the_samples_are_none_of_them(tmp_path):
    path = wav(tmp_path / "x.wav")
    data = path.read_bytes()
    note = b"LIST" + struct.pack("<I", 7) + b"a note.\0"
    path.write_bytes(data[:36] + note + data[36:] + note)
    assert len(decode_audio(path)[0]) == RATE
    # Less of the last note, then less of the samples.
    path.write_bytes(data[:36] + note + data[36:] + note[:9])
    assert len(decode_audio(path)[0]) == RATE
    path.write_bytes(data[:36] + note + data[36:-2])
    with pytest.raises(AudioError, match="but its header declares 1 s"):
        decode_audio(path)


# What ffmpeg, sox, arecord and others write where they cannot go back to the header, and after a power cut.
@pytest.mark.parametrize(
    "declared", [0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFFFFF, 0x7FFFFFFE, 0x7FFFF000, 0x7FFFEFDC, 0x80000000]
)
def test_a_header_whose_end_was_left_open_declares_nothing(tmp_path, declared):
    samples, _ = decode_audio(with_field(tmp_path / "x.wav", 40, "<I", declared))
    np.testing.assert_allclose(samples, TONE, atol=1e-4)


def test_a_header_that_was_never_filled_in_is_refused_or_read_whole(tmp_path):
    with pytest.raises(AudioError, match="its header declares none, and 16000 bytes follow it"):
        decode_audio(with_field(tmp_path / "x.wav", 40, "<I", 0))
    data = bytearray((tmp_path / "x.wav").read_bytes())
    struct.pack_into("<I", data, 4, 8)
    (tmp_path / "x.wav").write_bytes(data)
    assert len(decode_audio(tmp_path / "x.wav")[0]) == RATE


@pytest.mark.parametrize("declared", [16002, 1_000_000, 0x7FF00000, 0xC0000000])
def test_any_other_size_is_a_claim(tmp_path, declared):
    with pytest.raises(AudioError, match="ends after 1 s, but its header declares"):
        decode_audio(with_field(tmp_path / "x.wav", 40, "<I", declared))


def test_open_ends_of_other_formats_declare_nothing(tmp_path):
    path = wav(tmp_path / "x.au", format="AU")
    data = path.read_bytes()
    path.write_bytes(data[:8] + b"\xff\xff\xff\xff" + data[12:])
    assert len(decode_audio(path)[0]) == RATE
    path = wav(tmp_path / "x.aiff", format="AIFF")
    data = path.read_bytes()
    place = data.index(b"SSND") + 4
    path.write_bytes(data[:place] + struct.pack(">I", 0x7F000008) + data[place + 4 :])
    assert len(decode_audio(path)[0]) == RATE
    path = wav(tmp_path / "x.w64", format="W64")
    data = path.read_bytes()
    place = data.index(b"data\xf3\xac\xd3\x11") + 16
    path.write_bytes(data[:place] + struct.pack("<Q", (1 << 63) - 1) + data[place + 8 :])
    assert len(decode_audio(path)[0]) == RATE


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".txt", ""])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_the_content_decides_and_not_the_extension(tmp_path, kind, suffix):
    samples, rate = decode_audio(wav(tmp_path / f"x{suffix}", format=kind))
    assert rate == RATE
    lag = int(np.argmax(np.correlate(samples, TONE[:2000]))) if kind == "MP3" else 0
    # An MP3 of a single tone is at its worst at the edges of its frames.
    np.testing.assert_allclose(samples[lag + 200 : lag + 1800], TONE[200:1800], atol=0.15 if kind == "MP3" else 0.05)


def test_raw_samples_by_their_extension_are_refused(tmp_path):
    with pytest.raises(AudioError, match=r"x\.raw: raw samples without a header do not say their rate"):
        decode_audio(wav(tmp_path / "x.raw"))


@pytest.mark.parametrize("num_channels", range(1, 9))
def test_any_number_of_channels_is_averaged(tmp_path, num_channels):
    samples = np.stack([TONE * (channel + 1) / 10 for channel in range(num_channels)], axis=1)
    decoded, _ = decode_audio(wav(tmp_path / "x.wav", samples, subtype="FLOAT"))
    np.testing.assert_allclose(decoded, samples.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
def test_any_rate_becomes_the_wanted_one(tmp_path, rate):
    seconds = np.arange(rate) / rate
    decoded, found = decode_audio(wav(tmp_path / "x.wav", np.sin(2 * np.pi * 300 * seconds), rate), sample_rate=16000)
    assert (len(decoded), found) == (16000, 16000)
    expected = np.sin(2 * np.pi * 300 * np.arange(16000) / 16000)
    np.testing.assert_allclose(decoded[2000:-2000], expected[2000:-2000], atol=2e-3)


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [
        ("PCM_U8", 1e-2), ("PCM_16", 1e-4), ("PCM_24", 1e-6), ("PCM_32", 1e-6), ("FLOAT", 1e-7), ("DOUBLE", 1e-7),
        ("ULAW", 0.03), ("ALAW", 0.03), ("IMA_ADPCM", 0.1), ("MS_ADPCM", 0.1), ("GSM610", 0.3),
    ],
)  # fmt: skip
def test_any_width_of_samples_has_the_same_scale(tmp_path, subtype, tolerance):
    decoded, _ = decode_audio(wav(tmp_path / "x.wav", subtype=subtype))
    # Adaptive codes need some samples to find the scale.
    np.testing.assert_allclose(decoded[100 : len(TONE)], TONE[100:], atol=tolerance)


def test_an_hour_of_silence_is_no_fault(tmp_path):
    path = tmp_path / "x.flac"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for _ in range(60):
            file.write(np.zeros(60 * RATE, np.int16))
    decoded, _ = decode_audio(path)
    assert (len(decoded), decoded.any()) == (3600 * RATE, False)
    features = extract_features(decoded[: 60 * RATE], RATE, SETTINGS)
    assert np.isfinite(features).all()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything, so it is somebody else meanwhile."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no such permissions here")
def test_a_file_that_may_not_be_read_is_told():
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        path = wav(folder / "x.wav")
        path.chmod(0)
        with as_nobody(), pytest.raises(AudioError, match=r"x\.wav: cannot be read \(Permission denied\)"):
            decode_audio(path)
        path.chmod(0o644)
        folder.chmod(0o700)
        if os.geteuid() == 0:
            with as_nobody(), pytest.raises(AudioError, match=r"x\.wav: no such file \(Permission denied\)"):
                decode_audio(path)


NAMES = [
    "a b.wav",
    'it\'s "x".wav',
    "line\nbreak.wav",
    "größe 声 🎵.wav",
    "%s{0}$x;&.wav",
    "-x.wav",
    "x" * 99 + ".wav",
]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"latin-\xe9.wav")])
def test_any_name_of_a_file_will_do(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(wav(tmp_path / "plain.wav").read_bytes())
    np.testing.assert_allclose(decode_audio(path)[0], TONE, atol=1e-4)
    path.write_bytes(b"")
    with pytest.raises(AudioError, match="cannot be decoded"):
        decode_audio(path)


def test_recordings_of_any_name_go_through_a_manifest_and_a_store(tmp_path):
    for name in NAMES:
        wav(tmp_path / name)
    pd.DataFrame({"path": NAMES}).to_csv(tmp_path / "manifest.csv", index=False)
    from seqconv.data.manifest import load_manifest

    store = build_store(load_manifest(tmp_path / "manifest.csv"), SETTINGS, tmp_path / "store", progress=False)
    assert store.ids == NAMES
    assert set(store.lengths.tolist()) == {101}
