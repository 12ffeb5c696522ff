"""Transforms of samples `(n,)`, pure functions of them and of numbers drawn before; and folders of other sounds."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.data.manifest.readers.folders import AUDIO_SUFFIXES
from seqconv.errors import ConfigError
from seqconv.features.audio.decoding import count_samples, decode_audio
from seqconv.sources import FloatArray

_HASHED_BYTES = 1 << 16
_AMPLITUDE_AT_60_DB = np.log(1000)
# The first reflections of a small room come so many seconds after the direct sound.
_FIRST_REFLECTION = 0.003


def change_speed(samples: FloatArray, rate: float) -> FloatArray:
    """Play `samples` `rate` times as fast, pitch included: resampled, so that n of them become about `n / rate`.

    >>> len(change_speed(np.ones(1000, np.float32), 1.25))
    800
    """
    import soxr

    changed = soxr.resample(samples, rate, 1.0, quality="HQ")
    return changed.astype(np.float32, copy=False) if len(changed) else samples[:1]


def shift_pitch(samples: FloatArray, sample_rate: int, semitones: float) -> FloatArray:
    """Change the pitch of `samples`, not their length: by audiomentations, which keeps attacks sharp.

    Raises:
        ConfigError: audiomentations is not installed.
    """
    transform = load_audiomentations("audio_augment.pitch").PitchShift(p=1.0)
    # Given, not drawn: it would draw from the global generator.
    transform.parameters = {"should_apply": True, "num_semitones": float(semitones)}
    transform.freeze_parameters()
    shifted: FloatArray = transform(np.ascontiguousarray(samples), sample_rate).astype(np.float32, copy=False)
    return np.pad(shifted[: len(samples)], (0, max(0, len(samples) - len(shifted))))


def made_response(
    sample_rate: int, reverberation_time: float, direct_to_reverberant: float, rng: np.random.Generator
) -> FloatArray:
    """Make an impulse response: the direct sound, then noise that falls by 60 dB in `reverberation_time` seconds.

    A diffuse room after Moorer (1979, "About this reverberation business"). `direct_to_reverberant` is the energy of
    the first sample over that of all others, in dB.
    """
    start = round(_FIRST_REFLECTION * sample_rate) + 1
    length = max(round(reverberation_time * sample_rate), start + 1)
    seconds = np.arange(length) / sample_rate
    rest = rng.standard_normal(length) * np.exp(-_AMPLITUDE_AT_60_DB * seconds / max(reverberation_time, 1e-3))
    rest[:start] = 0
    rest *= np.sqrt(10 ** (-direct_to_reverberant / 10) / np.sum(rest**2))
    rest[0] = 1
    return np.asarray(rest, np.float32)


def add_reverberation(samples: FloatArray, response: FloatArray) -> FloatArray:
    """Return `samples` as heard through an impulse response, as loud and as long as before.

    What comes before the response's peak is cut away, so that events stay where they are in time.
    """
    from scipy.signal import oaconvolve

    response = response[int(np.abs(response).argmax()) :]
    wet = oaconvolve(samples, response)[: len(samples)]
    return scale_to(wet, root_mean_square(samples)).astype(np.float32)


def add_background(samples: FloatArray, noise: FloatArray, snr: float) -> FloatArray:
    """Add `noise` to `samples`, `(n,)` both, at a signal-to-noise ratio in dB over the whole; silence stays as it is.

    >>> mixed = add_background(np.ones(4, np.float32), np.full(4, 3, np.float32), snr=20.0)
    >>> mixed.round(3)
    array([1.1, 1.1, 1.1, 1.1], dtype=float32)
    """
    level = root_mean_square(samples)
    return (samples + scale_to(noise, level * 10 ** (-snr / 20))).astype(np.float32)


def pink_noise(length: int, rng: np.random.Generator) -> FloatArray:
    """Make normal noise with a power that falls as 1 / frequency, `(length,)`.

    >>> pink_noise(5, np.random.default_rng(0)).shape
    (5,)
    """
    # One more sample than needed: of a single one, nothing but the frequency 0 would be left.
    spectrum = np.fft.rfft(rng.standard_normal(length + 1))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    return np.fft.irfft(spectrum, length + 1)[:length].astype(np.float32)


def fit_length(samples: FloatArray, length: int) -> FloatArray:
    """Cut samples to `length`, or repeat them from the beginning.

    >>> fit_length(np.array([1, 2, 3], np.float32), 5)
    array([1., 2., 3., 1., 2.], dtype=float32)
    """
    return samples[:length] if len(samples) >= length else np.resize(samples, length)


def scale_to(samples: FloatArray, level: float) -> FloatArray:
    """Scale `samples` to a root mean square of `level`; silence stays silence."""
    current = root_mean_square(samples)
    return samples * np.float32(level / current) if current > 0 else samples


def root_mean_square(samples: FloatArray) -> float:
    """Return the level of samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def load_audiomentations(key: str) -> Any:
    """Import the package, for the setting `key`.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import audiomentations
    except ImportError as error:
        raise ConfigError(f"{key} needs audiomentations ({error}). Run: pip install 'seqconv[augment]'") from error
    return audiomentations


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
