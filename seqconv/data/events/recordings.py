"""The events of the recordings of a manifest: found by id, by path, or by the name of a file in a folder."""

import os.path
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from seqconv.data.events.tables import NO_EVENTS, TABLE_SUFFIXES, Events, drop_doubles, join_events, read_events
from seqconv.errors import list_some
from seqconv.files import LocalCopy, folder_of, is_address, name_of, seen_from
from seqconv.text import amount

# What Raven and BirdNET write between the name of the recording and the suffix.
_PROGRAMS = re.compile(r"(\.Table\.\d+)?\.selections?(\.table)?$|\.BirdNET(\..+)?$", re.IGNORECASE)


@dataclass
class FoundEvents:
    """Events by id of a recording; notes and problems as sentences."""

    by_id: dict[str, Events] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_recording_events(path: Path | Sequence[Path], frame: pd.DataFrame) -> FoundEvents:
    """Read the events of the recordings of a manifest.

    Args:
        path: a table of events with a column `id` or `path` (relative to the table, or the bare name of a file); or a
            folder with a table, Raven selection table or Audacity label track for each recording, named like it, or
            with tables that name their recordings. Several tables of recordings are read together.
        frame: a manifest, of which the columns `id` and (unless the table has ids) `path` are read.

    Returns:
        The events of each id that has any; an empty table in a folder counts as having been listened to, with none. Of
        events that stand there twice one is left, and a note tells it.
    """
    paths = [path] if isinstance(path, Path) else list(dict.fromkeys(path))
    if len(paths) > 1:
        found = _read_joined(paths, frame)
    else:
        found = _read_folder(paths[0], frame) if paths[0].is_dir() else _read_table(paths[0], frame)
    once = {name: drop_doubles(events) for name, events in found.by_id.items()}
    found.by_id = {name: events for name, (events, _) in once.items()}
    doubled = {name: count for name, (_, count) in once.items() if count}
    if doubled:
        twice = amount(sum(doubled.values()), "event is", "events are")
        found.notes.append(
            f"{twice} twice in {list_some(paths)} (same times and label), counted once: of {list_some(doubled)}"
        )
    return found


def _read_table(path: Path, frame: pd.DataFrame) -> FoundEvents:
    by_key, key, problems = read_events(path, has_ids=True)
    found = FoundEvents(problems=problems)
    if not by_key:
        return found
    foreign = _add_table(found, frame, path, by_key, key)
    if len(foreign) == len(by_key):
        known: Sequence[object] = (
            frame["id"].tolist()
            if key == "id"
            else [path if is_address(path) else os.path.relpath(path) for path in frame["path"]]
        )
        found.problems.append(
            f"'{path}': none of the {_kind(key)} in column '{key}' ({list_some(foreign, 3)}) is one of the manifest, "
            f"such as {list_some(known, 3)}"
        )
    return found


def _add_table(
    found: FoundEvents, frame: pd.DataFrame, path: Path, by_key: Mapping[str, Events], key: str
) -> list[str]:
    """Add the events of a table to those of its recordings; return those that the manifest lacks."""
    ids_of = {name: [name] for name in frame["id"]} if key == "id" else _ids_by_path(frame, by_key, path)
    foreign = sorted(name for name in by_key if name not in ids_of)
    if foreign and len(foreign) < len(by_key):
        found.notes.append(f"{len(foreign)} {_kind(key)} of the events are not in the manifest: {list_some(foreign)}")
    several = [name for name, ids in ids_of.items() if not ids]
    if several:
        found.problems.append(
            f"'{path}': {list_some(sorted(several))} in column '{key}' may be any of several recordings of that "
            "name. Write the path from the folder of the table, or an id of the manifest"
        )
    for name, events in by_key.items():
        for identity in ids_of.get(name, []):
            found.by_id[identity] = join_events(found.by_id.get(identity, NO_EVENTS), events)
    return foreign


def _stem_of(recording: str) -> str:
    return Path(name_of(recording)).stem


def _kind(key: str) -> str:
    return "ids" if key == "id" else "recordings"


def _ids_by_path(frame: pd.DataFrame, keys: Iterable[str], table: Path) -> dict[str, list[str]]:
    """Return the ids of the recordings that each path means; none if it may mean several."""
    by_path, by_name = defaultdict(list), defaultdict(set)
    for name, path in zip(frame["id"], frame["path"], strict=True):
        by_path[path].append(name)
        # Some collections leave out the suffix.
        for bare in (name_of(path), _stem_of(path)):
            by_name[bare].add(path)
    own_ids = set(frame["id"])
    folder = folder_of(str(table)) if isinstance(table, LocalCopy) else table.parent
    ids_of: dict[str, list[str]] = {}
    certain: set[str] = set()
    guesses: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        # Programs of other systems write other slashes.
        *folders, bare = key.replace("\\", "/").split("/")
        exact = seen_from(folder, key)
        found = by_name.get(bare, set())
        near = {exact} & by_path.keys() or {path for path in found if Path(path).parent.name in folders[-1:]}
        if not near and key in own_ids:
            ids_of[key] = [key]
        elif named := [*(near or found)]:
            ids_of[key] = by_path[named[0]] if len(named) == 1 else []
            if near:
                certain |= near
            elif folders:
                guesses[named[0]].append(key)
    for path, others in guesses.items():
        # In other folders, files of this name are other recordings.
        if path in certain:
            ids_of = {key: ids for key, ids in ids_of.items() if key not in others}
        elif len(others) > 1:
            ids_of |= {key: [] for key in others}
    return ids_of


def _read_folder(folder: Path, frame: pd.DataFrame) -> FoundEvents:
    recordings: dict[str, list[str]] = defaultdict(list)
    for recording in dict.fromkeys(frame["path"]):
        recordings[_stem_of(recording)].append(recording)
    tables = _find_tables(folder, recordings)
    others = sorted(tables.keys() - recordings.keys())
    if len(others) == len(tables):
        there = f"it holds tables for {list_some(others, 3)}" if others else f"it holds no {', '.join(TABLE_SUFFIXES)}"
        wanted = list_some([_stem_of(path) for path in frame["path"][:3]])
        nameless = (
            f"'{folder}': no table of events is named like a recording of the manifest, such as {wanted}; {there}"
        )
        return _read_joined([path for stem in others for path in tables[stem]], frame, nameless)
    found, read = FoundEvents(), {}
    for stem in (stem for stem in recordings if stem in tables):
        for recording, own, problem in _share(tables[stem], recordings[stem], folder):
            if problem:
                found.problems.append(problem)
            elif own is not None:
                by_key, _, problems = read_events(own, has_ids=False, recording=recording)
                found.problems += problems
                read[recording] = by_key.get("", NO_EVENTS)
                tables[stem].remove(own)
        others += [str(path.relative_to(folder)) for path in tables[stem] if not found.problems]
    found.by_id = {name: read[path] for name, path in zip(frame["id"], frame["path"], strict=True) if path in read}
    if others:
        found.notes.append(f"{len(others)} tables of events are of no recording of the manifest: {list_some(others)}")
    return found


def _find_tables(folder: Path, recordings: Mapping[str, Sequence[str]]) -> dict[str, list[Path]]:
    """Return the tables in a folder and those in it by the stem of the recording that they are named like."""
    names = {name_of(path): stem for stem, paths in recordings.items() for path in paths}
    tables: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in TABLE_SUFFIXES and not path.name.startswith("."):
            tables[names.get(path.stem, recording_stem(path))].append(path)
    return dict(tables)


def _share(tables: Sequence[Path], recordings: Sequence[str], folder: Path) -> Iterator[tuple[str, Path | None, str]]:
    """Yield each of the recordings of one name with its table, or with a problem.

    A table in a folder within `folder` is of the recording whose own folder has the same name, `siteA/r1.txt` of
    `siteA/r1.wav`.
    """
    fitting: dict[str, list[Path]] = {}
    for recording in recordings:
        near = [path for path in tables if _is_tail(path.relative_to(folder).parent, Path(recording).parent)]
        fitting[recording] = near or (list(tables) if len(recordings) == 1 else [])
    for recording, own in fitting.items():
        rivals = [other for other in recordings if set(fitting[other]) & set(own)]
        if len(own) > 1:
            shown = list_some(str(path.relative_to(folder)) for path in own)
            yield recording, None, f"'{folder}': '{recording}' has several tables of events: {shown}. Leave one"
        elif len(rivals) > 1:
            yield (
                recording,
                None,
                f"'{own[0]}' may be of any of {list_some(rivals)}. Put it into a folder named like "
                "that of its recording, or let data.events name one table with a column path",
            )
        else:
            yield recording, own[0] if own else None, ""


def _is_tail(folders: Path, whole: Path) -> bool:
    return whole.parts[len(whole.parts) - len(folders.parts) :] == folders.parts


def _read_joined(tables: Sequence[Path], frame: pd.DataFrame, nameless: str | None = None) -> FoundEvents:
    """Read tables that are not named like recordings, but name them in a column, such as one for each split.

    If none of them does, `nameless` is the problem, instead of what is wrong with each.
    """
    read = [(path, *read_events(path, has_ids=True)) for path in tables]
    if nameless is not None and not any(by_key for _, by_key, _, _ in read):
        return FoundEvents(problems=[nameless])
    found = FoundEvents()
    for path, by_key, key, problems in read:
        part = FoundEvents(problems=problems)
        if by_key:
            _add_table(part, frame, path, by_key, key)
        found.problems += part.problems
        found.notes += part.notes
        for name, events in part.by_id.items():
            found.by_id[name] = join_events(found.by_id.get(name, NO_EVENTS), events)
    if not found.by_id and not found.problems:
        found.problems.append(f"none of the recordings that {list_some(tables)} name is one of the manifest")
    return found


def recording_stem(path: Path) -> str:
    """Return the recording's name in a file name: `rec` for `rec.txt` and for `rec.Table.1.selections.txt`."""
    return _PROGRAMS.sub("", path.stem)
