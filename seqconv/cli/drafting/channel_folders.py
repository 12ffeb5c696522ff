"""Folders with a file for each channel, and a sequence in each line of all."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.heads import GROUPS, LABELS, words_of
from seqconv.cli.drafting.places import Place
from seqconv.data.manifest.columns import SPLIT_WORDS, SPLITS
from seqconv.data.manifest.label_names import read_names
from seqconv.data.manifest.readers.channels import CHANNELS, read_channel_folder
from seqconv.errors import ManifestError, SeqconvError, list_some
from seqconv.features.text_files import read_text


def find_channels(place: Place) -> Find | None:
    """Find folders with a file for each channel, and a sequence in each line of all."""
    folders = sorted({(place.path / path).parent for path in place.files if path.suffix.lower() in (".txt", ".dat")})
    found: dict[Path, pd.DataFrame] = {}
    for folder in [] if place.has_signals else folders:
        with suppress(SeqconvError, ValueError, OSError):
            table = read_channel_folder(folder)[0]
            # Without labels above it, tables of equal size may be anything.
            if _label_of([*map(str, table)]):
                found[folder] = table
    if not found:
        return None
    splits = {split: folder for folder in found if (split := _split_of(folder, place)) is not None}
    if set(splits.values()) != set(found) or "train" not in splits:
        if len(found) > 1:
            return None
        splits = {"": next(iter(found))}
    manifest: Any = {split: f"{CHANNELS}{splits[split]}" for split in ("", *SPLITS) if split in splits}
    columns = [*map(str, next(iter(found.values())))]
    groups = [name for name in columns if name in GROUPS]
    named = {"label": _label_of(columns), **({"group": groups[0]} if groups else {})}
    data = {"manifest": manifest.get("", manifest), "columns": named}
    labels = {str(cell) for table in found.values() for cell in table[named["label"]].dropna()}
    names = _find_names(place, labels)
    data |= {} if names is None else {"label_names": str(names)}
    shown = list_some(folder.relative_to(place.path) for folder in splits.values())
    return Find(data, f"a file for each channel in {shown} of '{place.path}', a sequence in each line")


def _find_names(place: Place, labels: set[str]) -> Path | None:
    """Find the file with the name of each label: the only one that is named after labels and has them all."""
    found = []
    for path in place.files:
        if path.suffix.lower() in (".txt", ".csv", ".tsv") and LABELS & words_of(path.stem):
            with suppress(ManifestError, OSError):
                if labels <= read_names(read_text(place.path / path).splitlines()).keys():
                    found.append(place.path / path)
    return found[0] if len(found) == 1 else None


def _label_of(columns: Sequence[str]) -> str | None:
    return next((name for name in columns if name in ("y", *LABELS)), None)


def _split_of(folder: Path, place: Place) -> str | None:
    words = [SPLIT_WORDS[part.lower()] for part in folder.relative_to(place.path).parts if part.lower() in SPLIT_WORDS]
    return words[0] if words else None
