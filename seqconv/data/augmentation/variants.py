"""Variants of recordings: transforms, their order, and their random numbers."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.augmentation.audio_settings import AudioAugmentConfig, Background, Room
from seqconv.data.augmentation.folders import digest_sounds, draw_excerpt, draw_sound, list_sounds
from seqconv.data.augmentation.keys import generator_for
from seqconv.data.augmentation.sounds import (
    add_background,
    add_reverberation,
    change_speed,
    load_audiomentations,
    made_response,
    pink_noise,
    shift_pitch,
)
from seqconv.errors import AudioError, ConfigError

Samples = npt.NDArray[np.float32]
Step = Callable[[Samples, int, np.random.Generator], Samples]

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

    def apply(self, samples: Samples, sample_rate: int, content: str) -> Samples:
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
            settings = getattr(self.settings, name)
            if settings is not None and settings.folder is not None:
                list_sounds(settings.folder, f"audio_augment.{name}.folder")
        if self.settings.pitch is not None:
            load_audiomentations("audio_augment.pitch")
        for number in range(len(self.settings.others)):
            _make_other(self.settings, number)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The values on which its features depend in addition to the recordings: settings, and digests of folders."""
        values = self.settings.model_dump(mode="json", exclude={"variants"}, exclude_none=True)
        for name in ("background", "room"):
            if values.get(name, {}).get("folder"):
                values[name]["folder"] = digest_sounds(values[name]["folder"], f"audio_augment.{name}.folder")
        if "pitch" in values or values["others"]:
            values["audiomentations"] = load_audiomentations("audio_augment").__version__
        return {**values, "number": self.number, "format_version": FORMAT_VERSION}

    @property
    def _steps(self) -> Iterator[tuple[str, float, Step]]:
        """Name, probability and function of each transform, in order: the sound itself, its room, other sounds."""
        settings = self.settings
        if settings.speed is not None:
            low, high = settings.speed.rate
            yield (
                "speed",
                settings.speed.probability,
                lambda samples, _, rng: change_speed(samples, low * (high / low) ** rng.random()),
            )
        if settings.pitch is not None:
            semitones = settings.pitch.semitones
            yield (
                "pitch",
                settings.pitch.probability,
                lambda samples, rate, rng: shift_pitch(samples, rate, rng.uniform(*semitones)),
            )
        if settings.room is not None:
            room = settings.room
            yield "room", room.probability, lambda *arguments: _in_room(room, *arguments)
        if settings.background is not None:
            background = settings.background
            yield "background", background.probability, lambda *arguments: _with_background(background, *arguments)
        for number, other in enumerate(settings.others):
            # These have a probability of their own, p.
            yield f"{number} {other['type']}", 1.0, _other_step(settings, number)


def _in_room(room: Room, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    if room.folder is not None:
        response = draw_sound(room.folder, "audio_augment.room.folder", sample_rate, rng)
    else:
        times = rng.uniform(*room.reverberation_time), rng.uniform(*room.direct_to_reverberant)
        response = made_response(sample_rate, *times, rng)
    return add_reverberation(samples, response)


def _with_background(background: Background, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    snr = rng.uniform(*background.snr)
    if background.folder is None:
        noise = pink_noise(len(samples), rng)
    else:
        noise = draw_excerpt(background.folder, "audio_augment.background.folder", len(samples), sample_rate, rng)
    return add_background(samples, noise, snr)


def _other_step(settings: AudioAugmentConfig, number: int) -> Step:
    transform, key = _make_other(settings, number), f"audio_augment.others.{number}"
    name = settings.others[number]["type"]

    def step(samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
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
    name, package = arguments.pop("type"), load_audiomentations(key)
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
