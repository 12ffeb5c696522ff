"""Tables found in the folder of a collection: their columns matched with the recordings that are there."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from seqconv.data.manifest.collection import template_fields
from seqconv.data.manifest.columns import SPLIT_WORDS, SPLITS
from seqconv.data.manifest.folders import ARRAY_SUFFIXES, AUDIO_SUFFIXES, METADATA
from seqconv.data.manifest.reading import read_table
from seqconv.errors import ManifestError, SeqconvError, list_some

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
# Names of columns with classes, and of columns with what must stay together; the first that is there is proposed.
LABEL_NAMES = ("label", "labels", "category", "class", "primary_label", "emotion", "genre", "species", "scene_label")
SURE_GROUPS = ("client_id", "speaker_id", "subject_id", "patient_id", "user_id", "author", "fsID", "source_id")
_DEEPEST = 3
_MOST_TABLES = 40


@dataclass
class Collection:
    """The section `data` of a config for a collection, how many folds it has, and sentences for the user."""

    data: dict[str, Any]
    found: str
    folds: int | None = None
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Table:
    path: Path
    rows: pd.DataFrame
    # Where the recordings start, and the keys of `data` that say which is which.
    root: Path
    keys: dict[str, Any]


def find_collection(folder: Path) -> Collection | None:
    """Find tables in a folder whose cells name the recordings in it; None if there are none."""
    files = _Files(folder)
    tables, unused = [], []
    for path in _tables_in(folder):
        table = _match(path, files)
        (tables.append(table) if table is not None else unused.append(path))
    if not tables:
        return None
    _refuse_events(tables, folder)
    parts = _by_split(tables)
    chosen = parts or {"": max(tables, key=lambda table: len(table.rows))}
    unused += [table.path for table in tables if table not in chosen.values()]
    said = [f"not used: {list_some(path.relative_to(folder) for path in unused)}"] if unused else []
    return _describe(chosen, folder, files, said)


def _refuse_events(tables: Sequence[_Table], folder: Path) -> None:
    """Say what to write for tables of events, which label windows or frames in many ways.

    Raises:
        ManifestError: there are some.
    """
    events = [table for table in tables if {"onset", "offset"} <= set(table.rows.columns)]
    if events:
        names = list_some(table.path.relative_to(folder) for table in events)
        raise ManifestError(
            f"{names} in '{folder}' list events. Write a config with data: {{manifest: FOLDER, events: "
            f"{events[0].path.parent}, windows: {{seconds: 1}}}}, as in docs/guides/datasets.md (DESED)"
        )


class _Files:
    """The recordings or arrays below a folder, found by the ends of their paths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
        self.by_stem: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in _walk(folder):
            if path.suffix.lower() in (*AUDIO_SUFFIXES, *ARRAY_SUFFIXES):
                self.by_name[path.name].append(path)
                self.by_stem[path.stem].append(path)

    def find(self, cell: str, table: Path) -> PurePosixPath | None:
        """Return the only file whose path ends with what a cell says, with or without its suffix.

        Of several, the only one below the folder of the table.
        """
        named = PurePosixPath(cell)
        for known, name in ((self.by_name, named.name), (self.by_stem, named.name)):
            depth = len(named.parts)
            found = [path for path in known.get(name, ()) if path.parts[-depth:-1] == named.parts[:-1]]
            below = [path for path in found if table.parent in (self.folder / path).parents]
            for paths in (found, below):
                if len(paths) == 1:
                    return paths[0]
        return None


def _walk(folder: Path) -> Iterator[PurePosixPath]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield PurePosixPath(Path(where, name).relative_to(folder).as_posix())


def _tables_in(folder: Path) -> list[Path]:
    found = [path for path in _walk(folder) if path.suffix.lower() in TABLE_SUFFIXES and len(path.parts) <= _DEEPEST]
    # Many tables are features, a table for each recording.
    return [folder / path for path in found] if len(found) <= _MOST_TABLES else []


def _match(path: Path, files: _Files) -> _Table | None:
    """Match the columns of a table with files."""
    try:
        rows = read_table(path)
    except (SeqconvError, OSError):
        return None
    some = rows.iloc[:: max(1, len(rows) // 500)]
    for column in rows.columns:
        cells = some[column].tolist()
        found = [None if pd.isna(cell) else files.find(str(cell), path) for cell in cells]
        pairs = [(row, str(cell), file) for row, (cell, file) in enumerate(zip(cells, found, strict=True)) if file]
        if not len(some) or len(pairs) < max(1, len(some) // 2):
            continue
        suffixes = {file.suffix for _, cell, file in pairs if PurePosixPath(cell).suffix != file.suffix}
        heads = [_head(cell, file) for _, cell, file in pairs]
        parents = {head.parent for head in heads}
        if len(suffixes) > 1:
            continue
        name = f"{{{column}}}{suffixes.pop()}" if suffixes else None
        if len(set(heads)) == 1:
            keys = {"path": name} if name else {"columns": {"path": column}}
            return _Table(path, rows, files.folder / heads[0], keys)
        other = _folder_column(some, [row for row, _, _ in pairs], heads, column) if len(parents) == 1 else None
        if other is not None:
            keys = {"path": f"{other}/{name or f'{{{column}}}'}"}
            return _Table(path, rows, files.folder / parents.pop(), keys)
    return None


def _head(cell: str, file: PurePosixPath) -> PurePosixPath:
    """Return the part of a path that its cell leaves out."""
    return PurePosixPath(*file.parts[: len(file.parts) - len(PurePosixPath(cell).parts)])


def _folder_column(rows: pd.DataFrame, places: Sequence[int], heads: Sequence[PurePosixPath], used: str) -> str | None:
    """Return a template of the folder of each row, from another column: 'fold{fold}'."""
    for column in (name for name in rows.columns if name != used):
        cells = [rows[column].iloc[place] for place in places]
        if any(pd.isna(cell) for cell in cells):
            continue
        starts = {head.name.removesuffix(str(cell)) for head, cell in zip(heads, cells, strict=True)}
        if len(starts) == 1 and all(head.name.endswith(str(cell)) for head, cell in zip(heads, cells, strict=True)):
            return f"{starts.pop()}{{{column}}}"
    return None


def _by_split(tables: Sequence[_Table]) -> dict[str, _Table]:
    """Return tables by the split that their names, or those of their folders, say; none unless train is one of them."""
    named: dict[str, list[_Table]] = defaultdict(list)
    for table in tables:
        name = table.path.parent.name if table.path.name in METADATA else table.path.stem
        words = [SPLIT_WORDS[word] for word in re.split(r"[\W_]+", name.lower()) if word in SPLIT_WORDS]
        if words:
            named[words[0]].append(table)
    if "train" not in named and len(named.get("valid", [])) == 1 and _takes_train(named["valid"][0].rows):
        # A development set, of which a column says what is for training.
        named["train"] = named.pop("valid")
    if "train" not in named or len(named) < 2 or any(len(same) > 1 for same in named.values()):
        return {}
    return {split: named[split][0] for split in SPLITS if split in named}


def _takes_train(rows: pd.DataFrame) -> bool:
    return "split" in rows and "train" in {SPLIT_WORDS.get(str(cell).lower()) for cell in rows["split"].dropna()}


def _describe(chosen: Mapping[str, _Table], folder: Path, files: _Files, said: list[str]) -> Collection:
    first = next(iter(chosen.values()))
    columns = list(first.rows.columns)
    data: dict[str, Any] = {}
    if "" in chosen:
        data["manifest"] = str(first.path)
        data |= {} if first.root == first.path.parent else {"root": str(first.root)}
    else:
        data["manifest"] = {split: str(table.path) for split, table in chosen.items()}
        roots = {split: str(table.root) for split, table in chosen.items()}
        if any(table.root != table.path.parent for table in chosen.values()):
            data["root"] = roots if len(set(roots.values())) > 1 else str(first.root)
    data |= {key: dict(value) if isinstance(value, dict) else value for key, value in first.keys.items()}
    meant = dict(data.pop("columns", {}))
    if meant.get("path") in ("path", "file_name"):
        meant.pop("path")
    names = [name for name in LABEL_NAMES if name in columns]
    if names and names[0] != "label":
        meant["label"] = names[0]
    groups = [name for name in SURE_GROUPS if name in columns and first.rows[name].nunique() < len(first.rows)]
    if groups and "group" not in columns:
        meant["group"] = groups[0]
        said.append(f"rows with the same '{groups[0]}' stay in one split")
    if meant:
        data["columns"] = meant
    used = {*meant.values(), *template_fields(data.get("path", "")), *names[:1]}
    rest = [name for name in columns if name not in {*used, "split", "fold"}]
    said += [f"columns that are kept, and not used: {list_some(rest, 12)}"] if rest else []
    folds = first.rows["fold"].nunique() if "fold" in columns and "" in chosen else None
    found = ", ".join(f"'{table.path.relative_to(folder)}'" for table in chosen.values())
    return Collection(data, f"{found} in '{folder}'", folds, said)


def find_lists(folder: Path) -> Collection | None:
    """Find text files that list the recordings of a split, in a folder with a sub-folder for each class."""
    paths = set(_walk(folder))
    lists: dict[str, str] = {}
    for path in (path for path in sorted(paths) if path.suffix == ".txt" and len(path.parts) == 1):
        words = [SPLIT_WORDS[word] for word in re.split(r"[\W_]+", path.stem.lower()) if word in SPLIT_WORDS]
        lines = (folder / path).read_text(encoding="utf-8", errors="replace").split()
        if words and lines and all(PurePosixPath(line) in paths for line in lines):
            lists[words[0]] = str(folder / path)
    sounds = [path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES and len(path.parts) == 2]
    aside = sorted({path.parts[0] for path in sounds if path.parts[0].startswith("_")})
    if not lists and not aside:
        return None
    data: dict[str, Any] = {"manifest": str(folder)}
    said = []
    if aside:
        data["ignore"] = [f"{name}/*" for name in aside]
        said.append(f"LOOK AT THIS: {list_some(aside)} is taken for sounds of no class, and left out")
    if lists:
        data["split_lists"] = lists
    speaker = _speaker([path for path in sounds if path.parts[0] not in aside])
    if speaker:
        data["label_from"] = f"^(?P<label>[^/]+)/{speaker}"
        said.append(
            "LOOK AT THIS: the beginnings of the names of files occur in several classes, and are taken for who or "
            "what was recorded: each stays in one split"
        )
    return Collection(data, f"a sub-folder of '{folder}' for each class, with lists of splits", None, said)


def _speaker(paths: Sequence[PurePosixPath]) -> str | None:
    """Return a pattern of the first part of the names, where the same part occurs in several classes."""
    parts = [(path.parts[0], re.split(r"([_-])", path.stem, maxsplit=1)) for path in paths]
    if not parts or any(len(words) < 3 for _, words in parts) or len({words[1] for _, words in parts}) > 1:
        return None
    classes: dict[str, set[str]] = defaultdict(set)
    for label, words in parts:
        classes[words[0]].add(label)
    several = sum(len(labels) > 1 for labels in classes.values())
    return f"(?P<group>[^/{parts[0][1][1]}]+){parts[0][1][1]}" if several > len(classes) / 2 else None
