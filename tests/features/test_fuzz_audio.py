"""Damaged recordings: each is decoded, or refused by an AudioError that names it, soon and in little memory.

`SEQCONV_FUZZ_FILES=100000 pytest -m slow tests/features/test_fuzz_audio.py` tries more; `SEQCONV_FUZZ_SEED` tries
others.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.extras import require
from support.mutations import mutate

from seqconv.errors import AudioError
from seqconv.features.audio.decoding import decode_audio

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
SECONDS_PER_FILE = 5
# FFmpeg takes memory for much of what a header declares.
MOST_GROWTH = {"common": 256 << 20, "media": 1 << 30}
SEED = int(os.environ.get("SEQCONV_FUZZ_SEED", "0"))
NUM_MANY = int(os.environ.get("SEQCONV_FUZZ_FILES", "100000"))
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
SUBTYPES = (
    "PCM_16",
    "PCM_U8",
    "PCM_24",
    "PCM_32",
    "FLOAT",
    "DOUBLE",
    "ULAW",
    "ALAW",
    "IMA_ADPCM",
    "MS_ADPCM",
    "GSM610",
)


def write_originals(folder: Path) -> list[bytes]:
    """Recordings of the prompts in every format, as their bytes."""
    files = []
    for number, source in enumerate(sorted(PROMPTS.glob("*/*.ogg"))[::97][:6]):
        samples, rate = soundfile.read(source, frames=6000)
        stereo = np.stack([samples, -samples / 2], axis=1) if number % 2 else samples
        for suffix in SUFFIXES:
            path = folder / f"{number}{suffix}"
            soundfile.write(path, stereo, rate)
            files.append(path.read_bytes())
        subtype = SUBTYPES[number % len(SUBTYPES)]
        soundfile.write(folder / "other.wav", samples, rate, subtype=subtype)
        files.append((folder / "other.wav").read_bytes())
    for subtype in SUBTYPES:
        soundfile.write(folder / "other.wav", samples, rate, subtype=subtype)
        files.append((folder / "other.wav").read_bytes())
    soundfile.write(folder / "other.ogg", samples, rate, format="OGG", subtype="OPUS")
    return [*files, (folder / "other.ogg").read_bytes()]


def write_media(folder: Path) -> list[bytes]:
    """A short recording in formats of FFmpeg's, as their bytes; `folder` gets one to begin with."""
    from support.media import encode_media

    sound = np.random.default_rng(0).normal(0, 0.1, (6000, 2))
    kinds = [
        *(("ipod", "aac"), ("ipod", "alac"), ("mov", "pcm_s16le"), ("3gp", "libopencore_amrnb"), ("matroska", "aac")),
        *(
            ("webm", "libopus"),
            ("matroska", "pcm_s24le"),
            ("adts", "aac"),
            ("asf", "wmav2"),
            ("amr", "libopencore_amrnb"),
        ),
        *(("avi", "libmp3lame"), ("flv", "aac"), ("mpegts", "aac"), ("mpeg", "mp2"), ("wv", "wavpack"), ("ac3", "ac3")),
        *(("eac3", "eac3"), ("caf", "adpcm_ima_qt"), ("wav", "libmp3lame"), ("wav", "aac")),
    ]
    rates = {"libopencore_amrnb": 8000, "libopus": 48000}
    files = [
        encode_media(sound[:, : 1 if "amr" in codec else 2], rates.get(codec, 44100), container, codec)
        for container, codec in kinds
    ]
    files.append(encode_media(sound, 44100, "mp4", "aac", movflags="frag_keyframe+empty_moov"))
    files.append(encode_media(sound, 44100, "mp4", "aac", video=True))
    for suffix in SUFFIXES:
        (folder / f"0{suffix}").write_bytes(files[0])
    return files


ORIGINALS = {"common": write_originals, "media": write_media}


def damaged_file(files: list[bytes], number: int) -> tuple[str, bytes]:
    """Name and content of one damaged file, the same for the same number."""
    rng = np.random.default_rng([SEED, number])
    kind = number % 40
    first, second = files[rng.integers(len(files))], files[rng.integers(len(files))]
    suffix = SUFFIXES[rng.integers(len(SUFFIXES))]
    if kind == 0:
        return f"swapped{suffix}", first
    if kind == 1:
        return f"text{suffix}", b"path,label\na.wav,yes\n" * int(rng.integers(100))
    if kind == 2:
        return f"random{suffix}", first[: rng.integers(12)] + rng.bytes(int(rng.integers(5000)))
    fault, data = mutate(first, second, rng)
    return f"{fault}{suffix}", data


def decode_damaged(folder: Path, originals: str, first: int, stop: int) -> dict[str, int]:
    """Decode files `first` to `stop` and print each number before it is tried; returns how they ended."""
    files = ORIGINALS[originals](folder)
    counts = {"decoded": 0, "refused": 0}
    for warm in SUFFIXES:
        decode_audio(folder / f"0{warm}", sample_rate=16000)
    before = peak_memory()
    # The default action of the signal ends the process: also while libsndfile loops.
    for number in range(first, stop):
        name, data = damaged_file(files, number)
        path = folder / f"{number}_{name}"
        path.write_bytes(data)
        print(number, name, flush=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_FILE)
        try:
            samples, rate = decode_audio(path, sample_rate=16000)
        except AudioError as error:
            counts["refused"] += 1
            reason = str(error)
        else:
            counts["decoded"] += 1
            assert (samples.dtype, samples.ndim, rate) == (np.float32, 1, 16000)
            assert len(samples) >= 1
            assert np.isfinite(samples).all()
            reason = str(path)
        assert str(path) in reason
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.unlink()
        growth = peak_memory() - before
        assert growth < MOST_GROWTH[originals], f"file {number} ({name}) took {growth >> 20} MiB"
    return counts


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run_in_child(folder: Path, first: int, stop: int, originals: str = "common") -> dict[str, int]:
    """`decode_damaged` in a process of its own: a crash, a hang or a bug is told with the file that caused it."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "error", __file__, str(folder), originals, str(first), str(stop)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])}
    child = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    lines = child.stdout.splitlines()
    assert child.returncode == 0, f"exit code {child.returncode} at file {lines[-1:]}:\n{child.stderr[-3000:]}"
    decoded, refused = lines[-1].split()
    return {"decoded": int(decoded), "refused": int(refused)}


def test_a_thousand_damaged_recordings(tmp_path):
    counts = run_in_child(tmp_path / "damaged", 0, 1000)
    assert sum(counts.values()) == 1000
    assert min(counts.values()) > 50


def test_damaged_recordings_of_phones_and_films(tmp_path):
    require("av")
    counts = run_in_child(tmp_path / "damaged", 0, 600, "media")
    assert sum(counts.values()) == 600
    assert min(counts.values()) > 20


@pytest.mark.slow
@pytest.mark.parametrize("originals", ORIGINALS)
def test_many_damaged_recordings(tmp_path, originals):
    start, counts = time.monotonic(), {"decoded": 0, "refused": 0}
    for first in range(0, NUM_MANY, 5000):
        found = run_in_child(tmp_path / "damaged", first, min(first + 5000, NUM_MANY), originals)
        counts = {name: counts[name] + found[name] for name in counts}
    print(f"{counts} of {NUM_MANY} damaged recordings in {time.monotonic() - start:.0f} s")
    assert sum(counts.values()) == NUM_MANY


def test_the_faults_are_the_same_in_every_run(tmp_path):
    files = write_originals(tmp_path)
    assert [damaged_file(files, number) for number in range(50)] == [
        damaged_file(files, number) for number in range(50)
    ]


if __name__ == "__main__":
    ends = decode_damaged(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    print(ends["decoded"], ends["refused"])
