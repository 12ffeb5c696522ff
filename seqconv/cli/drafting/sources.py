"""The data behind a path: what finders, tried one after the other, say about it, read as training reads it."""

import os.path
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.cli.drafting.arrays import refuse_arrays
from seqconv.cli.drafting.channel_folders import find_channels
from seqconv.cli.drafting.events import find_events
from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.folders import find_classes, find_lists, find_splits
from seqconv.cli.drafting.kaldi import find_kaldi
from seqconv.cli.drafting.long_tables import find_long_tables
from seqconv.cli.drafting.places import TABLE_SUFFIXES, TABLES, Place
from seqconv.cli.drafting.tables import describe_tables, find_tables, match_tables
from seqconv.data.events.tables import TABLE_SUFFIXES as EVENT_TABLES
from seqconv.data.manifest.loading import read_manifest
from seqconv.data.manifest.opening import has_scheme
from seqconv.data.manifest.readers.folders import AUDIO_SUFFIXES, refuse_manifests
from seqconv.data.settings import DataConfig
from seqconv.errors import AudioError, ManifestError, SeqconvError
from seqconv.features.audio.recordings import open_audio
from seqconv.features.cells import ROW_SUFFIXES
from seqconv.features.foreign import find_scheme
from seqconv.parts.keys import merge
from seqconv.parts.problems import read_section
from seqconv.parts.sections import split_scheme
from seqconv.text import amount

_NO_PARTS = {"start": None, "end": None}
_MOST_OPENED = 50
# The beginning of a note of the manifest, which counts tables of events and lists of splits, too.
_OTHER_FILES = "are neither recordings nor arrays"


@dataclass(frozen=True)
class Source:
    """Data that were found and read: keys of the section `data`, those of the user too, and rows of the manifest."""

    find: Find
    data: dict[str, Any]
    frame: pd.DataFrame


def find_source(place: Place) -> Source:
    """Find and read the manifest of a folder or file.

    Raises:
        ManifestError: there is nothing, or nothing that a manifest can be, or several things may be meant; says what is
            expected.
    """
    if has_scheme(str(place.path)):
        raise ManifestError(f"'{place.path}': init looks at folders and files. {_name_by_setting(place)}")
    if not place.path.exists():
        raise ManifestError(f"'{place.path}': there is no such file or folder")
    found = (find for finder in FINDERS if (find := finder(place)) is not None)
    find = next(found)
    data = dict(find.data)
    merge(data, place.given.get("data", {}))
    try:
        frame, notes = _read(data)
    except ManifestError as error:
        if place.path.is_file() and find_scheme(place.path):
            raise ManifestError(f"{error} {_name_by_setting(place)}") from error
        raise
    if "columns" in find.data and _is_of_other_files(frame):
        data["columns"] = {**(data["columns"] or {}), **_NO_PARTS}
        frame, notes = _read(data)
        notes = (*notes, "'start' and 'end' go beyond the recordings: they are times of something else, and not used")
    absolute = str(place.path.absolute())
    notes = tuple(note.replace(absolute, str(place.path)) for note in notes if _OTHER_FILES not in note)
    return Source(find.saying(*notes, *_say_unused(place, data)), data, frame)


def _name_by_setting(place: Place) -> str:
    """Say how init looks at a manifest of another program, which has a scheme or should have one."""
    named = str(place.path) if has_scheme(str(place.path)) else find_scheme(place.path)
    folder = Path(split_scheme(named)[1])
    around = Place(folder if folder.is_dir() else folder.parent, place.given, place.label)
    return f"Name its folder, and the manifest by a setting: {around.set('data.manifest', named)}"


def _say_unused(place: Place, data: Mapping[str, Any]) -> list[str]:
    """Say which files of a folder are neither recordings nor read for what they say of these."""
    folders, lists, events = (_paths_in(data.get(key)) for key in ("manifest", "split_lists", "events"))
    if data.get("rows") is not None or not all(folder.is_dir() for folder in folders):
        return []
    used = {
        *place.recordings,
        *(path.relative_to(place.path) for path in (*lists, *events) if path.is_relative_to(place.path)),
    }
    if events:
        # Those that are not used were named.
        used |= {path for path in place.files if path.suffix.lower() in EVENT_TABLES}
    outside = [path for path in place.recordings if not any(_lies_in(place.path / path, folder) for folder in folders)]
    kinds = Counter(path.suffix.lower() or path.name for path in place.files if path not in used).most_common(10)
    shown = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    said = [f"not used, since they are neither recordings nor arrays: {shown}"] if kinds else []
    count = amount(len(outside), "recording")
    return [*said, f"not used, in other folders: {count}, such as {place.show(outside[0])}"] if outside else said


def _lies_in(path: Path, folder: Path) -> bool:
    return path.absolute().is_relative_to(os.path.normpath(folder.absolute()))


def _paths_in(value: str | Mapping[str, str] | None) -> list[Path]:
    values = value.values() if isinstance(value, Mapping) else [] if value is None else [value]
    return [Path(path) for path in values]


def _read(data: Mapping[str, Any]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    collection = read_section(DataConfig, data, "data")
    if collection.manifest is None:
        raise ManifestError("data.manifest is null, so that there is nothing to look at")
    manifest = read_manifest(collection.manifest, collection=collection)
    return manifest.frame, manifest.notes


def _find_given(place: Place) -> Find | None:
    """Take the manifest that the user names; match tables with the recordings of the place."""
    if not place.knows("manifest"):
        return None
    manifest = place.given["data"]["manifest"]
    named = manifest if isinstance(manifest, dict) else {"": manifest}
    paths = {split: Path(str(path)) for split, path in named.items()}
    found = {split: match_tables([path], place) for split, path in paths.items() if path.is_file()}
    if len(found) == len(paths) and all(found.values()):
        return describe_tables({split: tables[0] for split, tables in found.items()}, place)
    return Find({}, "the manifest that you name")


def _find_file(place: Place) -> Find | None:
    """Take a table, or another file with sequences; match a table without paths with the recordings around it."""
    if not place.path.is_file():
        return None
    find = Find({"manifest": str(place.path)}, f"the table '{place.path.name}'")
    if place.path.suffix.lower() not in (*TABLE_SUFFIXES, *ROW_SUFFIXES):
        return find
    if place.knows("rows"):
        return find_long_tables(place) or find
    with suppress(SeqconvError):
        rows, _ = _read({**find.data, **place.given.get("data", {})})
        return find if len(rows) else None
    above = place.path.parent
    for folder in (above, Path(os.path.normpath(above / ".."))):
        around = Place(folder, place.given, place.label)
        tables = match_tables([place.path], around)
        if tables:
            return describe_tables({"": tables[0]}, around)
    return find_long_tables(place) or find


def _stop_at_manifests(place: Place) -> None:
    """Say how manifests of other programs are read, of which nothing says what is to be learned."""
    try:
        refuse_manifests(place.files)
    except ManifestError as error:
        raise ManifestError(f"'{place.path}': {error}") from error


def _find_manifest(place: Place) -> Find | None:
    """Take a table named `manifest`."""
    names = [name for name in TABLES if (place.path / name).is_file()]
    return Find({"manifest": str(place.path / names[0])}, f"'{names[0]}' in '{place.path}'") if names else None


def _is_of_other_files(frame: pd.DataFrame) -> bool:
    """Whether columns `start` and `end` are no parts of the recordings, which end before."""
    some = frame[frame["end"].notna()].iloc[:_MOST_OPENED]
    for path, end in zip(some["path"], some["end"], strict=True):
        # A file that cannot be read is named later, with all others.
        with suppress(AudioError):
            whole = open_audio(path, None, None, None) if Path(path).suffix.lower() in AUDIO_SUFFIXES else None
            if whole is not None and end > whole.stop / whole.sample_rate + 0.1:
                return True
    return False


# The first that finds something is right; the last always does.
FINDERS: tuple[Callable[[Place], Find | None], ...] = (
    refuse_arrays,
    _find_file,
    find_events,
    _find_given,
    _find_manifest,
    find_kaldi,
    _stop_at_manifests,
    find_tables,
    find_channels,
    find_long_tables,
    find_splits,
    find_lists,
    find_classes,
)
