"""Folders of sounds: background noise for recordings, and impulse responses."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from seqconv.data.augmentation.sounds import fit_length
from seqconv.data.manifest.reading import AUDIO_SUFFIXES
from seqconv.errors import ConfigError
from seqconv.features.audio.decoding import count_samples, decode_audio
from seqconv.sources import FloatArray

_HASHED_BYTES = 1 << 16


@lru_cache(maxsize=16)
def list_sounds(folder: str, key: str) -> tuple[Path, ...]:
    """List the recordings in a folder and its sub-folders, in the order of their names.

    Args:
        folder: absolute.
        key: the setting that names it.

    Raises:
        ConfigError: no such folder, or no recording in it.
    """
    if not Path(folder).is_dir():
        raise ConfigError(f"{key}: there is no folder '{folder}'")
    found = [path for path in Path(folder).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()]
    if not found:
        raise ConfigError(f"{key}: '{folder}' holds no recording ({', '.join(AUDIO_SUFFIXES)}), also not below")
    return tuple(sorted(found, key=lambda path: path.relative_to(folder).as_posix()))


def digest_sounds(folder: str, key: str) -> str:
    """Hash the content of a folder: names, sizes, and the beginning and end of each recording.

    Noise collections have many gigabytes, of which each run would otherwise read every byte.
    """
    digest = hashlib.blake2b(digest_size=12)
    for path in list_sounds(folder, key):
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            edges = file.read(_HASHED_BYTES)
            file.seek(max(0, size - _HASHED_BYTES))
            edges += file.read(_HASHED_BYTES)
        digest.update(repr((path.relative_to(folder).as_posix(), size)).encode("utf-8", "surrogatepass"))
        digest.update(hashlib.blake2b(edges, digest_size=12).digest())
    return digest.hexdigest()


def draw_excerpt(folder: str, key: str, length: int, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    """Read a random part `(length,)` of a random recording; a shorter one is repeated. No more than that is decoded.

    Raises:
        AudioError: it cannot be read.
    """
    path = _draw_path(folder, key, rng)
    whole = count_samples(path, sample_rate=sample_rate)
    first = int(rng.random() * (max(whole - length, 0) + 1))
    start = first / sample_rate
    # Some samples more than needed, as the rate of the file may be another one.
    end = None if first + length >= whole else min(start + (length + 16) / sample_rate, whole / sample_rate)
    samples, _ = decode_audio(path, start=start if first else None, end=end, sample_rate=sample_rate)
    return fit_length(samples, length)


def draw_sound(folder: str, key: str, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    """Read a random recording of a folder, whole."""
    return decode_audio(_draw_path(folder, key, rng), sample_rate=sample_rate)[0]


def _draw_path(folder: str, key: str, rng: np.random.Generator) -> Path:
    paths = list_sounds(folder, key)
    return paths[int(rng.random() * len(paths))]
