"""`seqconv augment`, `python scripts/augment.py`: pictures and sounds of augmented training sequences."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.options import CONFIG, command, refuse_members, settable
from seqconv.cli.splits import say
from seqconv.config.backends import start_keras
from seqconv.errors import ConfigError
from seqconv.text import amount

if TYPE_CHECKING:
    from seqconv.config import Config
    from seqconv.data.datasets import Datasets
    from seqconv.data.labeled_manifest import LabeledManifest

EPOCHS = 3


@command(
    "augment",
    "Show what the sections augment and audio_augment of a config do to its training sequences: pictures of their "
    "features, what these sound like, and the recordings where they are varied.",
    {
        "--config FILE": (CONFIG, {"required": True}),
        "--preview N": ("training sequences to show (default: 9)", {"default": 9}),
        "--epochs N": (f"epochs to show each in (default: {EPOCHS})", {"default": EPOCHS}),
        "--output DIR": ("where to write (default: the folder 'augmented')", {"default": "augmented"}),
    },
    settable("augment.spec_mask={}"),
)
def main(arguments: argparse.Namespace) -> None:
    """Draw and write what the sections do."""
    from seqconv.config import load_config

    if arguments.preview < 1 or arguments.epochs < 1:
        raise ConfigError(f"--preview {arguments.preview} --epochs {arguments.epochs}: both are at least 1")
    config = load_config(arguments.config, arguments.set)
    refuse_members(config, "augment")
    if not config.augment.names and not config.audio_augment.names:
        raise ConfigError(
            "there is nothing to show: neither augment nor audio_augment of the config names a transform. Try --set "
            "augment.spec_mask={}"
        )
    from seqconv.data.labeled_manifest import read_training_rows

    rows = read_training_rows(config.data_spec)
    start_keras()
    written = preview(config, Path(arguments.output), rows=rows, count=arguments.preview, num_epochs=arguments.epochs)
    pictures = sum(path.suffix == ".png" for path in written)
    sounds = len(written) - pictures
    heard = f" and {sounds} sounds" if sounds else ""
    say(f"wrote {amount(pictures, 'picture')}{heard} to {arguments.output}")


def preview(
    config: "Config", folder: Path, *, count: int, num_epochs: int = EPOCHS, rows: "LabeledManifest | None" = None
) -> list[Path]:
    """Write a picture of each of `count` training sequences, unchanged and as some epochs see it, and its sounds.

    `rows`: the manifest of the config, if it was read before.

    Raises:
        ConfigError, ManifestError: the sequences cannot be read or varied.
    """
    import numpy as np

    from seqconv.data.augmentation.preview import Panel, draw_panels, panel_of, write_heard
    from seqconv.data.datasets import load_datasets
    from seqconv.features import feature_statistics
    from seqconv.geometry import min_frames
    from seqconv.training.run.training_set import augment_training, needs_moments, with_variants

    data = with_variants(config, load_datasets(config.data_spec, rows=rows))
    moments = feature_statistics(data.train) if needs_moments(config) else None
    augmented = augment_training(config, data, shortest=min_frames(config.model.time_geometry), moments=moments)
    if augmented is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    total = len(data.train)
    chosen = np.random.default_rng(config.seed).choice(total, min(count, total), replace=False)
    for number, index in enumerate(sorted(chosen.tolist()), start=1):
        name = data.train.ids[index]
        path = folder / f"{number}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.png"
        panels = [Panel(name, data.train[index])]
        panels += [panel_of(augmented.epoch(epoch), index) for epoch in range(num_epochs)]
        draw_panels(panels, config.features, path)
        written += [path, *write_heard(panels, config.features, folder / path.stem)]
        written += _write_recordings(config, data, index, folder / path.stem)
    return written


def _write_recordings(config: "Config", data: "Datasets", index: int, path: Path) -> list[Path]:
    """Write the recording and its variants, if recordings are varied."""
    from seqconv.features.kinds import RecordedKind

    settings = config.features
    if not data.variants or not isinstance(settings, RecordedKind):
        return []
    from seqconv.data.augmentation.preview import write_recordings
    from seqconv.data.augmentation.variants import AudioVariant, variable_parts
    from seqconv.features.audio.decoding import decode_audio
    from seqconv.features.store.entries import entries_of
    from seqconv.features.store.shards import content_of, fingerprint

    (entry,) = entries_of(variable_parts(data.train.subset([index])))
    part = {"start": entry.start, "end": entry.end}
    samples, rate = decode_audio(entry.path, **part, sample_rate=settings.sample_rate, channel=settings.channel)
    variants = [AudioVariant(config.audio_augment, number + 1) for number in range(len(data.variants))]
    return write_recordings(samples, rate, variants, content_of(entry, fingerprint(entry.path)[2]), path)
