"""Recordings for the benchmark of extraction: data/prompts as they are, and in other formats, rates and lengths."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
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


def make_corpora(names: Sequence[str], folder: Path, *, is_quick: bool) -> Iterator[Corpus]:
    """Write the corpora of these names (of `CORPORA`) into `folder`, each when it is its turn."""
    for name in names:
        yield CORPORA[name](name, folder, is_quick)


def features_at(rate: int) -> dict[str, Any]:
    """Settings of log-mel features with 100 frames a second."""
    n_fft = {8000: 256, 16000: 512, 44100: 1024}[rate]
    return {"kind": "log_mel", "sample_rate": rate, "n_fft": n_fft, "hop_length": rate // 100, "n_mels": 64}


def _take_as_they_are(name: str, folder: Path, is_quick: bool) -> Corpus:
    frame = _manifest(is_quick)
    return Corpus(name, frame.assign(seconds=frame["seconds"].astype(float)), features_at(RATE))


def _convert(name: str, folder: Path, is_quick: bool, *, rate: int, suffix: str, every: int = _EVERY) -> Corpus:
    return _write(name, folder, _read_prompts(is_quick)[:: 1 if is_quick else every], rate, suffix)


def _cut_clips(name: str, folder: Path, is_quick: bool) -> Corpus:
    tape = np.concatenate(_read_prompts(is_quick))
    length = int(_SHORT_SECONDS * RATE)
    starts = np.linspace(0, len(tape) - length, QUICK_RECORDINGS if is_quick else _SHORT_CLIPS).astype(int)
    return _write(name, folder, [tape[start : start + length] for start in starts], 16000, ".wav")


def _join_prompts(name: str, folder: Path, is_quick: bool) -> Corpus:
    tape = np.concatenate(_read_prompts(is_quick))
    length = len(tape) // 8 if is_quick else _LONG_SECONDS * RATE
    recordings = [np.roll(tape, -number * length)[:length] for number in range(_LONG_RECORDINGS)]
    return _write(name, folder, recordings, 16000, ".wav")


def _repeat_long_ones(name: str, folder: Path, is_quick: bool) -> Corpus:
    """Further names for the same long recordings, which take no room."""
    long = _join_prompts(f"{name}-sources", folder, is_quick)
    rows = []
    for number in range(2 if is_quick else _LINKS):
        source = long.frame.iloc[number % len(long.frame)]
        path = folder / f"link-{number}.wav"
        os.link(source["path"], path)
        rows.append((str(number), str(path), source["seconds"]))
    return Corpus(name, type(long.frame)(rows, columns=["id", "path", "seconds"]), long.features)


@cache
def _manifest(is_quick: bool) -> Any:
    from seqconv.data.manifest import load_manifest

    frame = load_manifest(PROMPTS / "manifest.csv")
    return frame.sort_values("seconds").head(QUICK_RECORDINGS).reset_index(drop=True) if is_quick else frame


@cache
def _read_prompts(is_quick: bool) -> list[npt.NDArray[np.float32]]:
    import soundfile

    return [soundfile.read(path, dtype="float32")[0] for path in _manifest(is_quick)["path"]]


def _write(name: str, folder: Path, recordings: list[npt.NDArray[np.float32]], rate: int, suffix: str) -> Corpus:
    import pandas as pd
    import soundfile
    import soxr

    place = folder / name
    place.mkdir()
    rows = []
    for number, samples in enumerate(recordings):
        path = place / f"{number}{suffix}"
        soundfile.write(path, soxr.resample(samples, RATE, rate), rate)
        rows.append((str(number), str(path), len(samples) / RATE))
    return Corpus(name, pd.DataFrame(rows, columns=["id", "path", "seconds"]), features_at(rate))


CORPORA: dict[str, Callable[[str, Path, bool], Corpus]] = {
    "ogg-8k": _take_as_they_are,
    "wav-16k": partial(_convert, rate=16000, suffix=".wav", every=1),
    "wav-44k": partial(_convert, rate=44100, suffix=".wav"),
    "flac-16k": partial(_convert, rate=16000, suffix=".flac"),
    "mp3-16k": partial(_convert, rate=16000, suffix=".mp3"),
    "wav-16k-clips": _cut_clips,
    "wav-16k-minutes": _join_prompts,
    "wav-16k-hours": _repeat_long_ones,
}
"""What makes each corpus, by name: is called with its name, a folder, and whether a few recordings are enough."""
