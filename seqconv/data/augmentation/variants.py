"""Variants of recordings: transforms, their order, their random numbers, and their features in the feature store."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqconv.data.augmentation import sounds
from seqconv.data.augmentation.keys import generator_for
from seqconv.data.augmentation.settings import AudioAugmentConfig, Background, Pitch, Room, Speed
from seqconv.data.sequences import Sequences
from seqconv.errors import AudioError, ConfigError, ManifestError
from seqconv.features.audio.decoding import count_samples
from seqconv.features.cases import case_columns
from seqconv.features.kinds import RecordedKind
from seqconv.features.store import FeatureStore, build_store
from seqconv.sources import FloatArray

Step = Callable[[FloatArray, int, np.random.Generator], FloatArray]

# Raise it when a transform computes something else: variants are then extracted again.
FORMAT_VERSION = 1


@dataclass(frozen=True)
class AudioVariant:
    """The variant `number` (from 1) of recordings; picklable.

    What it makes of a recording depends on the settings, the number and the content of the recording, and not on a run:
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
_STEPS: dict[str, Callable[..., Any]] = {"speed": _faster, "pitch": _higher, "room": _in_room, "background": _in_noise}


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


def build_variants(
    sequences: Sequences,
    settings: AudioAugmentConfig,
    *,
    cache_dir: str | Path | None = None,
    num_workers: int | None = None,
) -> list[FeatureStore]:
    """Return the features of each variant of some recordings, extracted if they are not yet in the cache.

    Windows and events are recordings of their own here: each is read and varied by itself, of as many frames unless its
    speed is changed.

    Args:
        sequences: from a manifest, so that their recordings are known.
        settings: the section `audio_augment`, with a transform that is on.
        cache_dir, num_workers: as for `build_store`.

    Returns:
        A store for each variant, in the order of `sequences`.

    Raises:
        ConfigError: the sequences are arrays, a folder is missing, or audiomentations is.
        AudioError: a recording, or a sound of a folder, cannot be read.
    """
    features, frame = sequences.feature_settings, sequences.metadata
    if not isinstance(features, RecordedKind) or frame is None or "path" not in frame:
        raise ConfigError(
            f"audio_augment ({', '.join(settings.names)}) varies recordings, but the training sequences are arrays. "
            "Pass Sequences.from_manifest(...), or use the section augment, which varies features."
        )
    recordings = variable_parts(sequences)
    variants = [AudioVariant(settings, number) for number in range(1, settings.variants + 1)]
    variants[0].check()
    stores = [
        build_store(recordings, features, variant=variant, cache_dir=cache_dir, num_workers=num_workers)
        for variant in variants
    ]
    if any(store.num_features != sequences.num_features for store in stores):
        raise ManifestError("the variants of recordings have another number of features than the recordings")
    return stores


def variable_parts(sequences: Sequences) -> pd.DataFrame:
    """Return the file region to vary for each of some sequences of a manifest; columns as in a manifest."""
    frame: Any = sequences.metadata
    columns = frame.columns.intersection(["id", "start", "end", *case_columns(frame)], sort=False)
    parts: pd.DataFrame = frame[columns].assign(id=sequences.ids)
    settings = sequences.feature_settings
    if sequences.provenance.cut is None or not isinstance(settings, RecordedKind):
        return parts
    rate, hop = settings.sample_rate, settings.seconds_per_frame
    seconds = parts["path"].map({path: count_samples(path, sample_rate=rate) / rate for path in parts["path"].unique()})
    # The last region of a recording may reach past its end.
    starts = parts["start"].astype(float).clip(upper=(seconds - hop).clip(lower=0))
    # Not until the end of the part: there the frame after its last one is centered.
    taken = [settings.samples_of_frames(count) / rate for count in sequences.lengths.tolist()]
    return parts.assign(start=starts, end=(parts["start"].astype(float) + taken).clip(upper=seconds))
