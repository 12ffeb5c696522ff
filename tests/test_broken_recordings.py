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

from seqconv.audio import decode_audio
from seqconv.config import load_config
from seqconv.errors import AudioError, ConfigError
from seqconv.features import extract_features
from seqconv.sequences import Sequences
from seqconv.store import build_store

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
    "a FLAC of 99 days": (flac_of_hours, "its header declares 68719476735 samples, more than"),
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
        assert data.metadata.attrs["notes"] == [
            "2 of 12 recordings cannot be read and were left out: 'empty.wav', 'text.wav'"
        ]
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


def test_a_wav_that_was_cut_off_is_decoded_as_far_as_it_goes(tmp_path):
    # Recorders that were switched off and pipes leave such files: no header of theirs is true.
    samples, _ = decode_audio(cut(tmp_path / "x.wav", 44 + 2 * 1000))
    np.testing.assert_allclose(samples, TONE[:1000], atol=1e-4)


@pytest.mark.parametrize("declared", [0xFFFFFFFF, 0x7FFFFFFF, 1_000_000])
def test_a_wav_whose_header_declares_too_much_is_decoded_as_far_as_it_goes(tmp_path, declared):
    samples, _ = decode_audio(with_field(tmp_path / "x.wav", 40, "<I", declared))
    np.testing.assert_allclose(samples, TONE, atol=1e-4)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".txt", ""])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_the_content_decides_and_not_the_extension(tmp_path, kind, suffix):
    samples, rate = decode_audio(wav(tmp_path / f"x{suffix}", format=kind))
    assert rate == RATE
    lag = int(np.argmax(np.correlate(samples, TONE[:2000]))) if kind == "MP3" else 0
    # An MP3 of a single tone is at its worst at the edges of its frames.
    np.testing.assert_allclose(samples[lag + 200 : lag + 1800], TONE[200:1800], atol=0.15 if kind == "MP3" else 0.05)


def test_raw_samples_by_their_extension_are_refused(tmp_path):
    with pytest.raises(AudioError, match=r"x\.raw: raw samples without a header do not tell their rate"):
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
    from seqconv.manifest import load_manifest

    store = build_store(load_manifest(tmp_path / "manifest.csv"), SETTINGS, tmp_path / "store", progress=False)
    assert store.ids == NAMES
    assert set(store.lengths.tolist()) == {101}
