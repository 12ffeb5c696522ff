"""Recordings for the benchmark of extraction: data/prompts as they are, and in other formats, rates and lengths."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.lengths import PROMPTS

# Hz of the prompts.
RATE = 8000
QUICK_RECORDINGS = 12
# Of the formats that are beside the point, a part is enough.
_EVERY = 4
_SHORT_SECONDS, _SHORT_CLIPS = 0.3, 4000
_LONG_SECONDS, _LONG_RECORDINGS, _LINKS = 1100, 4, 32


@dataclass(frozen=True)
class Corpus:
    """Recordings in files: a frame with `id`, `path` and `seconds`, and how features are extracted from them."""

    name: str
    frame: Any
    features: Mapping[str, Any]

    @property
    def paths(self) -> list[str]:
        """The files, in order."""
        return list(self.frame["path"])

    @property
    def seconds(self) -> float:
        """The length of all recordings together."""
        return float(self.frame["seconds"].sum())


def make_corpora(folder: Path, *, is_quick: bool) -> Iterator[Corpus]:
    """Write each corpus into `folder` when it is its turn."""
    count = QUICK_RECORDINGS if is_quick else None
    prompts = _read_prompts(count)
    yield _prompts_as_they_are(count)
    yield _write(folder, "16 kHz WAV", prompts, 16000, ".wav")
    for name, rate, suffix in (
        ("44.1 kHz WAV", 44100, ".wav"),
        ("16 kHz FLAC", 16000, ".flac"),
        ("16 kHz MP3", 16000, ".mp3"),
    ):
        yield _write(folder, name, prompts[:: 1 if is_quick else _EVERY], rate, suffix)
    tape = np.concatenate(prompts)
    clip, clips = int(_SHORT_SECONDS * RATE), QUICK_RECORDINGS if is_quick else _SHORT_CLIPS
    starts = np.linspace(0, len(tape) - clip, clips).astype(int)
    yield _write(folder, "16 kHz WAV, clips of 0.3 s", [tape[start : start + clip] for start in starts], 16000, ".wav")
    length = len(tape) // 8 if is_quick else _LONG_SECONDS * RATE
    long = _write(
        folder,
        f"16 kHz WAV, {length / RATE / 60:.0f} minutes each",
        [np.roll(tape, -number * length)[:length] for number in range(_LONG_RECORDINGS)],
        16000,
        ".wav",
    )
    yield long
    yield _link(folder, long, 2 if is_quick else _LINKS)


def features_at(rate: int) -> dict[str, Any]:
    """Settings of log-mel features with 100 frames a second."""
    n_fft = {8000: 256, 16000: 512, 44100: 1024}[rate]
    return {"kind": "log_mel", "sample_rate": rate, "n_fft": n_fft, "hop_length": rate // 100, "n_mels": 64}


def _prompts_as_they_are(count: int | None) -> Corpus:
    frame = _manifest(count)
    return Corpus("8 kHz Ogg", frame.assign(seconds=frame["seconds"].astype(float)), features_at(RATE))


@cache
def _manifest(count: int | None) -> Any:
    from seqconv.data.manifest import load_manifest

    frame = load_manifest(PROMPTS / "manifest.csv")
    return frame if count is None else frame.sort_values("seconds").head(count).reset_index(drop=True)


def _read_prompts(count: int | None) -> list[npt.NDArray[np.float32]]:
    import soundfile

    return [soundfile.read(path, dtype="float32")[0] for path in _manifest(count)["path"]]


def _write(folder: Path, name: str, recordings: list[npt.NDArray[np.float32]], rate: int, suffix: str) -> Corpus:
    import pandas as pd
    import soundfile
    import soxr

    place = folder / name.replace(" ", "_")
    place.mkdir()
    rows = []
    for number, samples in enumerate(recordings):
        path = place / f"{number}{suffix}"
        soundfile.write(path, soxr.resample(samples, RATE, rate), rate)
        rows.append((str(number), str(path), len(samples) / RATE))
    return Corpus(name, pd.DataFrame(rows, columns=["id", "path", "seconds"]), features_at(rate))


def _link(folder: Path, corpus: Corpus, count: int) -> Corpus:
    """Return as many recordings, which are those of `corpus` under further names: they take no room."""
    rows = []
    for number in range(count):
        source = corpus.frame.iloc[number % len(corpus.frame)]
        path = folder / f"link-{number}.wav"
        os.link(source["path"], path)
        rows.append((str(number), str(path), source["seconds"]))
    frame = type(corpus.frame)(rows, columns=["id", "path", "seconds"])
    return Corpus(f"16 kHz WAV, {frame['seconds'].sum() / 3600:.1f} hours", frame, corpus.features)
