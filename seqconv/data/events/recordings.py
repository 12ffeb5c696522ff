"""The events of the recordings of a manifest: found by id, by path, or by the name of a file in a folder."""

import os.path
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from seqconv.data.events.tables import NO_EVENTS, TABLE_SUFFIXES, Events, drop_doubles, join_events, read_events
from seqconv.errors import list_some
from seqconv.files import expand_user
from seqconv.text import amount

RAVEN_NAME = ".selections.txt"


@dataclass
class FoundEvents:
    """Events by id of a recording; notes and problems as sentences."""

    by_id: dict[str, Events] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_recording_events(path: Path, frame: pd.DataFrame) -> FoundEvents:
    """Read the events of the recordings of a manifest.

    Args:
        path: a table of events with a column `id` or `path` (relative to the table, or the bare name of a file); or a
            folder with a table, Raven selection table or Audacity label track for each recording, named like it.
        frame: a manifest, of which the columns `id` and (unless the table has ids) `path` are read.

    Returns:
        The events of each id that has any; an empty table in a folder counts as having been listened to, with none. Of
        events that stand there twice one is left, and a note tells it.
    """
    found = _read_folder(path, frame) if path.is_dir() else _read_table(path, frame)
    once = {name: drop_doubles(events) for name, events in found.by_id.items()}
    found.by_id = {name: events for name, (events, _) in once.items()}
    doubled = {name: count for name, (_, count) in once.items() if count}
    if doubled:
        twice = amount(sum(doubled.values()), "event is", "events are")
        found.notes.append(f"{twice} twice in '{path}' (same times and label), counted once: of {list_some(doubled)}")
    return found


def _read_table(path: Path, frame: pd.DataFrame) -> FoundEvents:
    by_key, key, problems = read_events(path, has_ids=True)
    found = FoundEvents(problems=problems)
    if not by_key:
        return found
    ids_of = {name: [name] for name in frame["id"]} if key == "id" else _ids_by_path(frame, by_key, path)
    foreign = sorted(name for name in by_key if name not in ids_of)
    known: Sequence[object] = frame["id"].tolist() if key == "id" else [os.path.relpath(p) for p in frame["path"]]
    kind = "ids" if key == "id" else "recordings"
    if len(foreign) == len(by_key):
        found.problems.append(
            f"'{path}': none of the {kind} in column '{key}' ({list_some(foreign, 3)}) is one of the manifest, "
            f"such as {list_some(known, 3)}"
        )
    elif foreign:
        found.notes.append(f"{len(foreign)} {kind} of the events are not in the manifest: {list_some(foreign)}")
    several = [name for name, ids in ids_of.items() if not ids]
    if several:
        found.problems.append(
            f"'{path}': {list_some(sorted(several))} in column '{key}' may be any of several recordings of the "
            "manifest with that name. Write the path, or an id"
        )
    for name, events in by_key.items():
        for identity in ids_of.get(name, []):
            found.by_id[identity] = join_events(found.by_id.get(identity, NO_EVENTS), events)
    return found


def _ids_by_path(frame: pd.DataFrame, keys: Mapping[str, Events], table: Path) -> dict[str, list[str]]:
    """Return the ids of the recordings that each path means; none if a bare name has several meanings."""
    by_path, by_name = defaultdict(list), defaultdict(set)
    for name, path in zip(frame["id"], frame["path"], strict=True):
        by_path[path].append(name)
        by_name[Path(path).name].add(path)
    ids_of: dict[str, list[str]] = {}
    for key in keys:
        path = os.path.normpath((table.parent / expand_user(key)).absolute())
        # Programs of other systems write other slashes.
        named = [path] if path in by_path else list(by_name.get(key.replace("\\", "/").rsplit("/", 1)[-1], ()))
        if named:
            ids_of[key] = by_path[named[0]] if len(named) == 1 else []
    return ids_of


def _read_folder(folder: Path, frame: pd.DataFrame) -> FoundEvents:
    found = FoundEvents()
    tables: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in TABLE_SUFFIXES and not path.name.startswith("."):
            tables[_stem(path)].append(path)
    for name, recording in zip(frame["id"], frame["path"], strict=True):
        own = tables.get(Path(recording).stem, [])
        if len(own) > 1:
            shown = list_some(path.name for path in own)
            found.problems.append(f"'{folder}': '{name}' has several tables of events: {shown}. Leave one")
        elif own:
            by_key, _, problems = read_events(own[0], has_ids=False)
            found.problems += problems
            found.by_id[name] = by_key.get("", NO_EVENTS)
    others = sorted(tables.keys() - {Path(recording).stem for recording in frame["path"]})
    if not found.by_id and not found.problems:
        there = f"it holds tables for {list_some(others, 3)}" if others else f"it holds no {', '.join(TABLE_SUFFIXES)}"
        found.problems.append(
            f"'{folder}': no table of events is named like a recording of the manifest, such as "
            f"{list_some([Path(path).stem for path in frame['path'][:3]])}; {there}"
        )
    elif others:
        found.notes.append(f"{len(others)} tables of events are of no recording of the manifest: {list_some(others)}")
    return found


def _stem(path: Path) -> str:
    """Return the recording's name in a file name: `rec` for `rec.txt` and for `rec.Table.1.selections.txt`."""
    name = path.name
    if name.lower().endswith(RAVEN_NAME):
        return name.split(".Table.")[0].removesuffix(RAVEN_NAME)
    return path.stem
