"""Folders with a file for each channel, and a sequence in each line of all."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.heads import GROUPS, LABELS
from seqconv.cli.drafting.places import Place
from seqconv.data.manifest.columns import SPLIT_WORDS, SPLITS
from seqconv.data.manifest.readers.channels import CHANNELS, read_channel_folder
from seqconv.errors import SeqconvError, list_some


def find_channels(place: Place) -> Find | None:
    """Find folders with a file for each channel, and a sequence in each line of all."""
    folders = sorted({(place.path / path).parent for path in place.files if path.suffix.lower() in (".txt", ".dat")})
    found: dict[Path, list[str]] = {}
    for folder in [] if place.has_signals else folders:
        with suppress(SeqconvError, ValueError, OSError):
            columns = list(read_channel_folder(folder)[0].columns)
            # Without labels above it, tables of equal size may be anything.
            if _label_of(columns):
                found[folder] = columns
    if not found:
        return None
    splits = {split: folder for folder in found if (split := _split_of(folder, place)) is not None}
    if set(splits.values()) != set(found) or "train" not in splits:
        if len(found) > 1:
            return None
        splits = {"": next(iter(found))}
    manifest: Any = {split: f"{CHANNELS}{splits[split]}" for split in ("", *SPLITS) if split in splits}
    columns = next(iter(found.values()))
    groups = [name for name in columns if name in GROUPS]
    named = {"label": _label_of(columns), **({"group": groups[0]} if groups else {})}
    data = {"manifest": manifest.get("", manifest), "columns": named}
    shown = list_some(folder.relative_to(place.path) for folder in splits.values())
    return Find(data, f"a file for each channel in {shown} of '{place.path}', a sequence in each line")


def _label_of(columns: Sequence[str]) -> str | None:
    return next((name for name in columns if name in ("y", *LABELS)), None)


def _split_of(folder: Path, place: Place) -> str | None:
    words = [SPLIT_WORDS[part.lower()] for part in folder.relative_to(place.path).parts if part.lower() in SPLIT_WORDS]
    return words[0] if words else None
