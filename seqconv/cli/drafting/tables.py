"""Tables whose cells name the recordings: which column does, where the paths start, and which tables are of a split."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.names import find_labels
from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.questions import Reading, choose
from seqconv.cli.drafting.targets import LABEL_NAMES, SURE_GROUPS, find_label_columns, holds_numbers, says_splits
from seqconv.cli.drafting.text_tables import read_ways
from seqconv.data.manifest.collection import template_fields
from seqconv.data.manifest.columns import SPLIT_WORDS, SPLITS, split_words
from seqconv.data.manifest.readers.folders import METADATA
from seqconv.errors import list_some
from seqconv.files import is_file
from seqconv.text import amount

_MOST_COMPARED = 500
# Tables beside a folder may list other recordings, too.
_FEWEST_LISTED = 0.5


@dataclass(frozen=True)
class Table:
    """A table that names recordings.

    `keys`: those of `data` that say how its text is read and which column names them. `root`: where their paths start.
    `paths`: of the recordings that it names, as seen from there; `listed`: as seen from the place.
    """

    path: Path
    rows: pd.DataFrame
    root: Path
    keys: Mapping[str, Any]
    paths: Sequence[PurePosixPath] = field(repr=False)
    listed: frozenset[PurePosixPath] = field(repr=False)


def find_tables(place: Place) -> Find | None:
    """Find tables in a folder, or else beside it, whose cells name the recordings in it; None if there are none."""
    tables = match_tables(place.tables, place)
    if not tables:
        beside = [table for table in match_tables(place.tables_beside, place) if not _has_its_own(table, place)]
        tables = [table for table in beside if len(table.listed) >= _FEWEST_LISTED * len(place.recordings)]
    if not tables:
        return None
    chosen = by_split(tables, place.path)
    if not chosen and len(tables) > 1:
        # Many tables that each name a few recordings are of something else, such as transcripts.
        tables = [table for table in tables if len(table.listed) >= _FEWEST_LISTED * len(place.recordings)]
        if not tables:
            return None
    chosen = chosen or {"": _choose_one(tables, place)}
    return describe_tables(chosen, place).saying(*_say_unused(chosen, tables, place))


def _has_its_own(table: Table, place: Place) -> bool:
    """Whether a cell of a table names a file as seen from the table, outside of the place."""
    cells = table.rows.iloc[0].dropna()
    own = [table.path.absolute().parent / str(cell) for cell in cells]
    return any(is_file(path) and not path.is_relative_to(place.path.absolute()) for path in own)


def match_tables(paths: Sequence[Path], place: Place) -> list[Table]:
    """Return the tables that name recordings of the place; each is read once."""
    for path in paths:
        if path not in place.matched:
            place.matched[path] = _match(path, place)
    return [table for path in paths if (table := place.matched[path]) is not None]


def by_split(tables: Sequence[Table], folder: Path) -> dict[str, Table]:
    """Return tables by the split that their names, or those of their folders, say; none unless train is one of them."""
    named: dict[str, list[Table]] = defaultdict(list)
    for table in tables:
        split = _split_of(table.path, folder)
        if split is not None:
            named[split].append(table)
    if "train" not in named and len(named.get("valid", [])) == 1 and _takes_train(named["valid"][0].rows):
        # A development set, of which a column says what is for training.
        named["train"] = named.pop("valid")
    if "train" not in named or len(named) < 2 or any(len(same) > 1 for same in named.values()):
        return {}
    return {split: named[split][0] for split in SPLITS if split in named}


def _split_of(path: Path, folder: Path) -> str | None:
    """Return the split that a file is named like, or the innermost of its folders that is."""
    inner = path.relative_to(folder).parts if path.is_relative_to(folder) else (path.name,)
    names = [*inner[:-1], "" if path.name in METADATA else path.stem]
    for name in reversed(names):
        if words := split_words(name):
            return words[0]
    return None


def _takes_train(rows: pd.DataFrame) -> bool:
    return "split" in rows and "train" in {SPLIT_WORDS.get(str(cell).lower()) for cell in rows["split"].dropna()}


def _choose_one(tables: Sequence[Table], place: Place) -> Table:
    """Return the table that has labels; ask if several have."""
    labeled = [table for table in tables if find_label_columns(table.rows)] or list(tables)
    if len(labeled) == 1:
        return labeled[0]
    readings = []
    for table in labeled:
        columns = list_some(table.rows.columns, 4)
        text = f"{place.show(table.path)}, {len(table.rows):,} rows with the columns {columns}"
        readings.append(Reading(text, place.set("data.manifest", str(table.path)), table))
    return choose(f"'{place.path}': several tables name its recordings.", readings)


def _say_unused(chosen: Mapping[str, Table], tables: Sequence[Table], place: Place) -> list[str]:
    used = [table.path for table in chosen.values()]
    rest = [table.path for table in tables if table.path not in used]
    said = [f"not used, other tables of these recordings: {place.show(*rest)}"] if rest else []
    foreign = [path for path in place.tables if path not in (*used, *rest)]
    if foreign:
        said.append(f"not used, since they do not name these recordings: {place.show(*foreign)}")
    if all(len(table.rows) <= _MOST_COMPARED for table in chosen.values()):
        listed: frozenset[PurePosixPath] = frozenset().union(*(table.listed for table in chosen.values()))
        others = [path for path in place.recordings if path not in listed]
        if others:
            said.append(
                f"not used, since no row names {'them' if len(others) > 1 else 'it'}: "
                f"{amount(len(others), 'recording')}, such as {place.show(others[0])}"
            )
    return said


def _match(path: Path, place: Place) -> Table | None:
    """Match the columns of a table with recordings, in the first way to read it in which one of them fits."""
    for rows, text in read_ways(path):
        # A first row that names a recording is no header.
        if "names" in text or not any(place.find(str(name), path) for name in rows.columns):
            table = _match_columns(path, rows, text, place)
            if table is not None:
                return table
    return None


def _match_columns(path: Path, rows: pd.DataFrame, text: Mapping[str, Any], place: Place) -> Table | None:
    some = rows.iloc[:: max(1, len(rows) // _MOST_COMPARED)]
    pairs_of = {column: _find_pairs(some[column], path, place) for column in rows.columns}
    enough = [column for column in rows.columns if len(pairs_of[column]) >= max(1, len(some) // 2)]
    # The column that names most: an age may be the number of a recording, too.
    for column in sorted(enough, key=lambda column: -len({file for _, _, file in pairs_of[column]})):
        pairs = pairs_of[column]
        suffixes = {file.suffix for _, cell, file in pairs if PurePosixPath(cell).suffix != file.suffix}
        heads = [_head(cell, place.place_of(file)) for _, cell, file in pairs]
        parents = {head.parent for head in heads}
        if len(suffixes) > 1:
            continue
        name = f"{{{column}}}{suffixes.pop()}" if suffixes else None
        files = frozenset(file for _, _, file in _find_pairs(rows[column], path, place))
        if len(set(heads)) == 1:
            keys = {"path": name} if name else {"columns": {"path": column}}
            return _table(path, rows, place, heads[0], {**text, **keys}, files)
        other = _folder_column(some, [row for row, _, _ in pairs], heads, column) if len(parents) == 1 else None
        if other is not None:
            keys = {"path": f"{other}/{name or f'{{{column}}}'}"}
            return _table(path, rows, place, parents.pop(), {**text, **keys}, files)
    return None


def _find_pairs(cells: pd.Series, table: Path, place: Place) -> list[tuple[int, str, PurePosixPath]]:
    """Return number, cell and recording of the rows that name one."""
    found = [None if pd.isna(cell) else place.find(str(cell), table) for cell in cells]
    return [(row, str(cell), file) for row, (cell, file) in enumerate(zip(cells, found, strict=True)) if file]


def _table(
    path: Path,
    rows: pd.DataFrame,
    place: Place,
    root: Path,
    keys: Mapping[str, Any],
    files: frozenset[PurePosixPath],
) -> Table:
    paths = [PurePosixPath(place.place_of(file).relative_to(root)) for file in sorted(files)]
    return Table(path, rows, root, keys, paths, files)


def _head(cell: str, file: Path) -> Path:
    """Return the part of a path that its cell leaves out."""
    inner = [part for part in PurePosixPath(cell.replace("\\", "/")).parts if part != ".."]
    return Path(*file.parts[: len(file.parts) - len(inner)])


def _folder_column(rows: pd.DataFrame, places: Sequence[int], heads: Sequence[Path], used: str) -> str | None:
    """Return a template of the folder of each row, from another column: 'fold{fold}'."""
    for column in (name for name in rows.columns if name != used):
        cells = [rows[column].iloc[place] for place in places]
        if any(pd.isna(cell) for cell in cells):
            continue
        starts = {head.name.removesuffix(str(cell)) for head, cell in zip(heads, cells, strict=True)}
        if len(starts) == 1 and all(head.name.endswith(str(cell)) for head, cell in zip(heads, cells, strict=True)):
            return f"{starts.pop()}{{{column}}}"
    return None


def _locate(chosen: Mapping[str, Table]) -> dict[str, Any]:
    """Return the keys of `data` that say where tables and recordings are, one or by split."""
    first = next(iter(chosen.values()))
    is_elsewhere = any(table.root != table.path.absolute().parent for table in chosen.values())
    if "" in chosen:
        return {"manifest": str(first.path), **({"root": str(first.root)} if is_elsewhere else {})}
    data: dict[str, Any] = {"manifest": {split: str(table.path) for split, table in chosen.items()}}
    roots = {split: str(table.root) for split, table in chosen.items()}
    if is_elsewhere:
        data["root"] = roots if len(set(roots.values())) > 1 else str(first.root)
    return data


def describe_tables(chosen: Mapping[str, Table], place: Place) -> Find:
    """Return the keys of `data` for one table, or one by split."""
    first = next(iter(chosen.values()))
    columns, said = list(first.rows.columns), list[str]()
    data = _locate(chosen) | dict(first.keys)
    paths = {split: str(table.keys.get("path", "")) for split, table in chosen.items()}
    if len(set(paths.values())) > 1 and all(paths.values()):
        data["path"] = paths
    meant = dict(data.pop("columns", {}))
    if meant.get("path") in ("path", "file_name"):
        meant.pop("path")
    names = find_label_columns(first.rows)
    sure = [name for name in names if name in LABEL_NAMES]
    if sure and sure[0] != "label":
        meant["label"] = sure[0]
    elif not names and not place.knows("label_from") and not holds_numbers(first.rows):
        labels = find_labels(place, [path for table in chosen.values() for path in table.paths])
        if labels is not None:
            data["label_from"] = labels.pattern
            said += labels.said
    groups = [name for name in SURE_GROUPS if name in columns and first.rows[name].nunique() < len(first.rows)]
    if groups and "group" not in columns:
        meant["group"] = groups[0]
        said.append(f"rows with the same '{groups[0]}' stay in one split")
    splits = [name for name in columns if says_splits(first.rows[name])]
    if splits and "split" not in columns and "" in chosen:
        meant["split"] = splits[0]
        said.append(f"column '{splits[0]}' says the splits")
    if meant:
        data["columns"] = meant
    used = {*meant.values(), *template_fields(str(data.get("path", ""))), *sure[:1], "path", "file_name"}
    kept = tuple(name for name in columns if name not in {*used, "split", "fold"})
    folds = first.rows["fold"].nunique() if "fold" in columns and "" in chosen else None
    return Find(data, place.tell(*(table.path for table in chosen.values())), folds=folds, kept=kept, said=tuple(said))
