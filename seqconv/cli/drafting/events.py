"""Events: tables and label tracks with times, beside the recordings in which something happens."""

import os.path
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from seqconv.cli.drafting.fields import find_fields
from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.folders import refuse_half_splits
from seqconv.cli.drafting.places import TABLES, Place
from seqconv.cli.drafting.questions import Reading, choose
from seqconv.cli.drafting.tables import Table, by_split, match_tables
from seqconv.cli.drafting.targets import TargetFacts, counted_labels
from seqconv.data.events.annotations import read_annotations
from seqconv.data.events.columns import name_columns
from seqconv.data.events.recordings import recording_stem
from seqconv.data.events.tables import TABLE_SUFFIXES, Events, find_overlaps, read_events
from seqconv.data.manifest.columns import SPLIT_WORDS, SPLITS
from seqconv.data.manifest.loading import read_manifest
from seqconv.data.manifest.readers.folders import AUDIO_SUFFIXES
from seqconv.data.settings import DataConfig
from seqconv.errors import AudioError, ManifestError
from seqconv.features.audio.recordings import open_audio
from seqconv.parts.problems import read_section

_MEANINGS = ("start", "end", "label", "path")
_MOST_TRIED = 20
_SHORTEST, _LONGEST = 0.1, 5.0


def find_events(place: Place) -> Find | None:
    """Find tables of events: one named like each recording, or tables whose rows name recordings and have times."""
    if not any(path.suffix.lower() in AUDIO_SUFFIXES for path in place.recordings) or _has_table(place):
        return None
    if place.knows("label_from") and not place.knows("events"):
        return None
    find = _take_given(place) if place.knows("events") else _find_own_tables(place) or _find_joined_tables(place)
    return None if find is None else _with_target(find, place)


def _take_given(place: Place) -> Find:
    return Find({"manifest": _manifest_of(place.recordings, place)}, f"the recordings in '{place.path}', with events")


def _has_table(place: Place) -> bool:
    """Whether the user names a manifest that is no folder, or the folder has one that is named so."""
    manifest = place.given.get("data", {}).get("manifest")
    named = manifest.values() if isinstance(manifest, dict) else [manifest or place.path / name for name in TABLES]
    return any(Path(path).is_file() for path in named)


def _find_own_tables(place: Place) -> Find | None:
    """Find a table or label track for each recording, named like it."""
    stems = {path.stem for path in place.recordings}
    for files in ([place.path / path for path in place.files], place.files_beside):
        own = [path for path in files if path.suffix.lower() in TABLE_SUFFIXES and recording_stem(path) in stems]
        some = own[:: max(1, len(own) // _MOST_TRIED)]
        readable = [path for path in some if not read_events(path, has_ids=False)[2]]
        if len(readable) > len(some) / 2:
            break
    else:
        return None
    folder = os.path.commonpath([path.parent for path in own])
    data = {"manifest": _manifest_of(place.recordings, place), "events": folder}
    if not place.knows("manifest") and not _are_meant(place, folder):
        return None
    return Find(data, f"{len(own):,} tables of events in '{folder}', each named like its recording")


def _are_meant(place: Place, folder: str) -> bool:
    """Whether events are to be learned, and not classes that sub-folders may be, too."""
    if len({len(path.parts) for path in place.recordings}) > 1:
        return True
    last = len(place.recordings[0].parts) - 1
    classes = [field for field in find_fields(place.recordings) if field.is_class and field.level < last]
    if not classes:
        return True
    text = f"the sub-folders: {classes[0].describe()}; tables of events are not used"
    return choose(
        f"'{place.path}': there are tables of events and sub-folders. What is to be learned?",
        [
            Reading("the events", place.set("data.events", folder), True),
            Reading(text, place.set("data.label_from", "^(?P<label>[^/]+)/"), False),
        ],
    )


def _find_joined_tables(place: Place) -> Find | None:
    """Find tables with times and labels in recordings that they name."""
    for paths in (place.tables, place.tables_beside):
        tables = [table for table in match_tables(paths, place) if _has_events(table, place)]
        if tables:
            break
    else:
        return None
    if {"start", "end"} <= set(tables[0].rows.columns) and len(tables[0].listed) == len(tables[0].rows):
        # Rows that each name another recording may also be those of a manifest.
        name = place.show(*(table.path for table in tables))
        parts = Place(tables[0].path).command()
        are_events = choose(
            f"'{place.path}': {name} has start, end and label.",
            [
                Reading("events in the recordings", place.set("data.events", str(tables[0].path)), True),
                Reading("parts of recordings, each a sequence of its own", parts, False),
            ],
        )
        if not are_events:
            return None
    chosen = by_split(tables, place.path) or {str(number): table for number, table in enumerate(tables)}
    files = [path for table in chosen.values() for path in sorted(table.listed)]
    roots = {split: table.root for split, table in chosen.items()}
    manifest: Any = _manifest_of(files, place)
    if set(chosen) <= set(SPLITS) and len(set(roots.values())) == len(roots):
        manifest = {split: str(root) for split, root in roots.items()}
    events: Any = {split: str(table.path) for split, table in chosen.items()}
    events = events if len(events) > 1 else next(iter(events.values()))
    used = [table.path for table in chosen.values()]
    others = [path for path in paths if path not in used]
    said = [f"not used, since they are no tables of events: {place.show(*others)}"] if others else []
    return Find({"manifest": manifest, "events": events}, f"events in {place.tell(*used)}", said=tuple(said))


def _has_events(table: Table, place: Place) -> bool:
    """Whether rows have start, end and label, at times that are in the recordings; rows with ids are of a manifest."""
    rows, _, problems = name_columns(table.rows, _MEANINGS)
    if problems or "id" in rows or not set(_MEANINGS) <= set(rows.columns):
        return False
    timed = rows[rows["start"].notna() & rows["end"].notna()]
    late = []
    for path, end in timed[["path", "end"]].iloc[:: max(1, len(timed) // _MOST_TRIED)].itertuples(index=False):
        file = place.find(str(path), table.path)
        # A file that cannot be read is named later, with all others.
        with suppress(AudioError, ValueError):
            if file is not None:
                whole = open_audio(str(place.path / file), None, None, None)
                late.append(float(end) > whole.stop / whole.sample_rate + 1)
    return bool(late) and sum(late) <= len(late) / 2


def _manifest_of(paths: Sequence[PurePosixPath], place: Place) -> str | dict[str, str]:
    """Return the folder that holds all recordings, or a mapping if its sub-folders are named like splits."""
    common = PurePosixPath(os.path.commonpath([path.parent for path in paths]))
    inner = {path.relative_to(common).parts[0] for path in paths}
    refuse_half_splits(place, place.path / common, sorted(inner))
    splits = {SPLIT_WORDS.get(name.lower()): str(place.path / common / name) for name in inner}
    if None in splits or len(splits) < len(inner) or "train" not in splits:
        return str(place.path / common)
    return {split: splits[split] for split in SPLITS if split in splits}


def _with_target(find: Find, place: Place) -> Find:
    """Add the classes of the events, windows that fit them, and what recordings without events mean."""
    values = {**find.data, **place.given.get("data", {})}
    data = read_section(DataConfig, values, "data")
    if data.manifest is None or data.events is None:
        raise ManifestError("data.manifest or data.events is null, so that there are no events to look at")
    frame = read_manifest(data.manifest, collection=data).frame
    _, annotations = read_annotations(frame, data.events, "negative")
    ids = frame["id"].tolist()
    target = _describe_target(annotations.by_id)
    settings = dict(find.data)
    without = [name for name in ids if name not in annotations.by_id]
    if without and data.unlabeled is None:
        settings["unlabeled"] = _ask_unlabeled(without, ids, place)
    if data.windows is None and data.events_as is None:
        lengths = np.concatenate([events.ends - events.starts for events in annotations.by_id.values()])
        settings["windows"] = {"seconds": float(f"{np.clip(np.median(lengths), _SHORTEST, _LONGEST):.1g}")}
    return replace(find, data=settings, target=target)


def _ask_unlabeled(without: Sequence[str], ids: Sequence[str], place: Place) -> str:
    readings = [
        Reading(text, place.set("data.unlabeled", value), value)
        for text, value in (
            ("nothing happens in them", "negative"),
            ("nobody has listened to them: left out", "ignore"),
        )
    ]
    return choose(
        f"'{place.path}': {len(without)} of {len(ids)} recordings have no event, such as '{without[0]}'.", readings
    )


def _describe_target(by_id: dict[str, Events]) -> TargetFacts:
    labels = [label for label in chain.from_iterable(events.labels for events in by_id.values()) if label is not None]
    if not labels:
        raise ManifestError("none of the events has a label, so that there is nothing to learn")
    counts = counted_labels(labels)
    overlapping = [name for name, events in by_id.items() if find_overlaps(name, events)]
    if overlapping:
        why = f"events of different labels overlap in {len(overlapping)} recordings"
        return TargetFacts("multilabel", None, counts, why)
    why = f"{len(labels):,} events of {len(counts)} labels, none at the time of another"
    background = next(name for name in ("nothing", "none of them", "no event") if name not in counts)
    return TargetFacts("classification", None, counts, why, background=background)
