"""Variants of training recordings in the feature store."""

from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.data.augmentation.audio_settings import AudioAugmentConfig
from seqconv.data.augmentation.variants import AudioVariant
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError
from seqconv.features.audio.decoding import count_samples
from seqconv.features.kinds import RecordedKind
from seqconv.features.store import FeatureStore, build_store
from seqconv.sources import IntArray

_COLUMNS = ("id", "path", "start", "end", "case")


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
    parts: pd.DataFrame = frame[[name for name in _COLUMNS if name in frame]].assign(id=sequences.ids)
    settings = sequences.feature_settings
    if sequences.provenance.cut is None or not isinstance(settings, RecordedKind):
        return parts
    return _within_files(parts, sequences.lengths, settings)


def _within_files(parts: pd.DataFrame, lengths: IntArray, features: RecordedKind) -> pd.DataFrame:
    """Return start and end of regions `(n,)` of so many frames; the last of a recording may reach past its end."""
    rate, hop = features.sample_rate, features.seconds_per_frame
    seconds = parts["path"].map({path: count_samples(path, sample_rate=rate) / rate for path in parts["path"].unique()})
    starts = parts["start"].astype(float).clip(upper=(seconds - hop).clip(lower=0))
    # Not until the end of the part: there the frame after its last one is centered.
    taken = [features.samples_of_frames(count) / rate for count in lengths.tolist()]
    return parts.assign(start=starts, end=(parts["start"].astype(float) + taken).clip(upper=seconds))
