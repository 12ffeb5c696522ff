"""Variants of recordings: transforms, their order, and their random numbers."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from seqconv.data.augmentation import sounds
from seqconv.data.augmentation.audio_settings import AudioAugmentConfig, Background, Pitch, Room, Speed
from seqconv.data.augmentation.keys import generator_for
from seqconv.errors import AudioError, ConfigError
from seqconv.sources import FloatArray

Step = Callable[[FloatArray, int, np.random.Generator], FloatArray]

# Raise it when a transform computes something else: variants are then extracted anew.
FORMAT_VERSION = 1


@dataclass(frozen=True)
class AudioVariant:
    """The variant `number` (from 1) of recordings; picklable.

    What it makes of a recording hangs on the settings, the number and the content of the recording, and not on a run:
    runs of any seed share the stored features, and choose among the variants by theirs.

    >>> variant = AudioVariant(AudioAugmentConfig(speed={"rate": (1.25, 1.25)}), number=1)
    >>> len(variant.apply(np.ones(1000, np.float32), 8000, content="of this recording"))
    800
    """

    settings: AudioAugmentConfig
    number: int

    def apply(self, samples: FloatArray, sample_rate: int, content: str) -> FloatArray:
        """Vary `samples` `(n,)` of a recording; speed changes n.

        Raises:
            AudioError: a transform fails on them, or a sound of a folder cannot be read.
        """
        for name, probability, step in self._steps:
            rng = generator_for("audio_augment", name, self.number, content)
            if rng.random() < probability:
                samples = step(samples, sample_rate, rng)
        return samples

    def check(self) -> None:
        """Check before the first recording that all transforms can work.

        Raises:
            ConfigError: a folder is missing or empty, audiomentations is not installed, or refuses its arguments.
        """
        for name in ("background", "room"):
            section = getattr(self.settings, name)
            if section is not None and section.folder is not None:
                sounds.list_sounds(section.folder, f"audio_augment.{name}.folder")
        if self.settings.pitch is not None:
            sounds.load_audiomentations("audio_augment.pitch")
        for number in range(len(self.settings.others)):
            _make_other(self.settings, number)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The values on which its features depend in addition to the recordings: settings, and digests of folders."""
        values = self.settings.model_dump(mode="json", exclude={"variants"}, exclude_none=True)
        for name in ("background", "room"):
            if values.get(name, {}).get("folder"):
                values[name]["folder"] = sounds.digest_sounds(values[name]["folder"], f"audio_augment.{name}.folder")
        if "pitch" in values or values["others"]:
            values["audiomentations"] = sounds.load_audiomentations("audio_augment").__version__
        return {**values, "number": self.number, "format_version": FORMAT_VERSION}

    @property
    def _steps(self) -> Iterator[tuple[str, float, Step]]:
        """Name, probability and function of each transform, in order: the sound itself, its room, other sounds."""
        for name, step in _STEPS.items():
            section = getattr(self.settings, name)
            if section is not None:
                yield name, section.probability, partial(step, section)
        for number, other in enumerate(self.settings.others):
            # These have a probability of their own, p.
            yield f"{number} {other['type']}", 1.0, _other_step(self.settings, number)


def _faster(speed: Speed, samples: FloatArray, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    low, high = speed.rate
    return sounds.change_speed(samples, low * (high / low) ** rng.random())


def _higher(pitch: Pitch, samples: FloatArray, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    return sounds.shift_pitch(samples, sample_rate, rng.uniform(*pitch.semitones))


def _in_room(room: Room, samples: FloatArray, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    if room.folder is not None:
        response = sounds.draw_sound(room.folder, "audio_augment.room.folder", sample_rate, rng)
    else:
        times = rng.uniform(*room.reverberation_time), rng.uniform(*room.direct_to_reverberant)
        response = sounds.made_response(sample_rate, *times, rng)
    return sounds.add_reverberation(samples, response)


def _in_noise(background: Background, samples: FloatArray, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    snr = rng.uniform(*background.snr)
    if background.folder is None:
        noise = sounds.pink_noise(len(samples), rng)
    else:
        noise = sounds.draw_excerpt(
            background.folder, "audio_augment.background.folder", len(samples), sample_rate, rng
        )
    return sounds.add_background(samples, noise, snr)


# In the order in which they are applied: the sound itself, its room, other sounds.
_STEPS: dict[str, Callable[..., Any]] = {
    "speed": _faster,
    "pitch": _higher,
    "room": _in_room,
    "background": _in_noise,
}


def _other_step(settings: AudioAugmentConfig, number: int) -> Step:
    transform, key = _make_other(settings, number), f"audio_augment.others.{number}"
    name = settings.others[number]["type"]

    def step(samples: FloatArray, sample_rate: int, rng: np.random.Generator) -> FloatArray:
        with _global_generators(rng):
            try:
                changed = np.asarray(transform(np.ascontiguousarray(samples), sample_rate), np.float32)
            except Exception as error:
                raise AudioError(f"{key}: {name} failed: {_said(error)}") from error
        if changed.ndim != 1 or not len(changed) or not np.isfinite(changed).all():
            raise AudioError(f"{key}: {name} gave an array of shape {changed.shape}, expected finite samples (n,)")
        return changed

    return step


def _make_other(settings: AudioAugmentConfig, number: int) -> Any:
    arguments, key = dict(settings.others[number]), f"audio_augment.others.{number}"
    name, package = arguments.pop("type"), sounds.load_audiomentations(key)
    base = package.core.transforms_interface.BaseWaveformTransform
    known = sorted(each for each, kind in vars(package).items() if isinstance(kind, type) and issubclass(kind, base))
    if name not in known:
        raise ConfigError(f"{key}.type: audiomentations has no transform '{name}'. Known: {', '.join(known)}")
    try:
        return getattr(package, name)(**arguments)
    except Exception as error:
        raise ConfigError(f"{key}: audiomentations refuses {name} with {arguments}: {_said(error)}") from error


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


@contextmanager
def _global_generators(rng: np.random.Generator) -> Iterator[None]:
    """Seed the generators that audiomentations draws from, and put them back afterwards."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    seed = int(rng.integers(2**32))
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
