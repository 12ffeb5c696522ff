"""Collections as they are: which columns mean what, where the recordings are, and what their paths say."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from seqconv.data.manifest.collection import FIELD, CollectionSettings, template_fields
from seqconv.data.manifest.columns import SPLIT_WORDS, UNSURE_SPLITS, find_rows
from seqconv.data.manifest.label_names import name_labels
from seqconv.errors import ManifestError, StorageError, list_some
from seqconv.features.text_files import decoding_problem, text_encoding
from seqconv.files import fetch, is_address, name_of, tar_member
from seqconv.text import nearest


def arrange(table: pd.DataFrame, settings: CollectionSettings) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Give a table of text the columns that the settings say, from its other columns and its paths.

    Returns:
        The table, the problems found, and notes.

    Raises:
        ManifestError: it lacks a column that the settings name, or has it twice.
    """
    notes: list[str] = []
    table = choose_columns(table, settings.columns or {}, notes)
    if isinstance(settings.path, str):
        table = table.assign(path=_fill(settings.path, table))
    elif "path" not in table and "file_name" in table:
        # What Hugging Face calls it.
        table = table.assign(path=table["file_name"])
    if "path" not in table:
        return table, [], notes
    table = _leave_out(table, settings, notes)
    problems: list[str] = []
    if settings.label_from is not None:
        table = _read_paths(table, settings.label_from, problems)
    if isinstance(settings.split_lists, dict):
        table = _read_lists(table, settings.split_lists, problems)
    if isinstance(settings.ignore, dict):
        table = _leave_out_cells(table, settings.ignore, notes)
    if settings.label_names is not None:
        if "label" not in table:
            raise ManifestError(
                "data.label_names has names for the column 'label', which is not there. Say which column has the "
                "labels: data.columns: {label: COLUMN}; or leave the key out."
            )
        lines = _lines(settings.label_names, "label_names")
        table = table.assign(label=name_labels(table["label"], settings.label_names, lines))
    if "split" in table:
        table = table.assign(split=_name_splits(table["split"], notes))
    return table, problems, notes


def choose_columns(table: pd.DataFrame, columns: Mapping[str, str | None], notes: list[str]) -> pd.DataFrame:
    """Give columns the names of their meaning; a note says which others that hides.

    Raises:
        ManifestError: there is no such column.
    """
    absent = [column for column in columns.values() if column is not None and column not in table]
    if absent:
        known = list_some(table.columns, limit=15)
        raise ManifestError(
            f"data.columns names the column '{absent[0]}', which is not there; the columns are {known}"
            f"{nearest(absent[0], table.columns)}"
        )
    hidden = [name for name, column in columns.items() if name in table and column != name]
    if hidden:
        notes.append(f"the table has columns {list_some(hidden)} of its own, which data.columns leaves out")
    chosen = {name: table[column] for name, column in columns.items() if column is not None}
    return table.drop(columns=hidden).assign(**chosen)


def _fill(template: str, table: pd.DataFrame) -> pd.Series:
    fields = template_fields(template)
    absent = [name for name in fields if name not in table]
    if absent:
        known = list_some(table.columns, limit=15)
        raise ManifestError(
            f"data.path '{template}' needs the column '{absent[0]}', which is not there; the columns are {known}"
            f"{nearest(absent[0], table.columns)}"
        )
    rows = table[fields].to_dict("records")
    # Not `format`: a cell may hold braces, and a column any name.
    cells = [FIELD.sub(lambda found, row=row: str(row[found[1]]), template) for row in rows]  # type: ignore[misc]
    return pd.Series(cells, table.index, object).where(table[fields].notna().all(axis=1), None)


def is_ignored(path: str, collection: CollectionSettings) -> bool:
    """Whether a path, as seen from the root, is one of those that `ignore` leaves out."""
    return any(fnmatchcase(_posix(path), pattern) for pattern in collection.patterns_of("path"))


def _leave_out(table: pd.DataFrame, settings: CollectionSettings, notes: list[str]) -> pd.DataFrame:
    is_out = np.array([not pd.isna(path) and is_ignored(path, settings) for path in table["path"]], bool)
    if is_out.any():
        notes.append(f"data.ignore leaves out {is_out.sum()} of {len(table)} rows")
    return table[~is_out].reset_index(drop=True)


def _leave_out_cells(table: pd.DataFrame, ignore: Mapping[str, list[str]], notes: list[str]) -> pd.DataFrame:
    for column, patterns in ignore.items():
        if column == "path":
            continue
        if column not in table:
            known = list_some(table.columns, limit=15)
            raise ManifestError(
                f"data.ignore names the column '{column}', which is not there; the columns are {known}"
                f"{nearest(column, table.columns)}"
            )
        cells = table[column].tolist()
        is_out = [not pd.isna(cell) and any(fnmatchcase(str(cell), pattern) for pattern in patterns) for cell in cells]
        notes.append(f"data.ignore leaves out {sum(is_out)} of {len(table)} rows by their '{column}'")
        table = table[~np.array(is_out, bool)].reset_index(drop=True)
    return table


def _posix(path: str) -> str:
    return path if is_address(path) else PurePosixPath(path.replace("\\", "/")).as_posix()


def _read_paths(table: pd.DataFrame, pattern: str, problems: list[str]) -> pd.DataFrame:
    """Add the named groups of a pattern as columns."""
    groups = re.compile(pattern).groupindex
    twice = [name for name in groups if name in table]
    if twice:
        raise ManifestError(
            f"data.label_from finds {list_some(twice)} in the paths, but the table has columns of that name, too. Name "
            "the group otherwise, or leave the column out with data.columns: {NAME: null}."
        )
    found = [None if pd.isna(path) else re.search(pattern, _posix(path)) for path in table["path"]]
    missed = [match is None and not pd.isna(path) for match, path in zip(found, table["path"], strict=True)]
    remedy = "Correct it, or leave these paths out with data.ignore"
    names = table["path"]
    problems += find_rows(
        names, missed, f"data.label_from '{pattern}' is not found in {{count}} paths: {{rows}}. {remedy}."
    )
    values = {name: [None if match is None else match[name] or None for match in found] for name in groups}
    return table.assign(**{name: pd.Series(cells, table.index, object) for name, cells in values.items()})


def _read_lists(table: pd.DataFrame, lists: Mapping[str, str], problems: list[str]) -> pd.DataFrame:
    """Add the column `split` from files that list paths."""
    if "split" in table and table["split"].notna().any():
        raise ManifestError(
            "data.split_lists says the splits, but the table has a column 'split', too. Keep one of them."
        )
    paths = [None if pd.isna(path) else _posix(path) for path in table["path"]]
    rows: dict[str, list[int]] = {}
    for row, path in enumerate(paths):
        # Lists name whole paths, or leave out the suffix or the folder.
        for name in _names(path) if path else ():
            rows.setdefault(name, []).append(row)
    splits: list[str | None] = [None] * len(paths)
    for split, file in lists.items():
        lines = [_posix(line.strip()) for line in _lines(file, "split_lists") if line.strip()]
        if unknown := [line for line in lines if line not in rows]:
            problems.append(
                f"data.split_lists: '{file}' lists {list_some(unknown)}, which are not among the recordings."
            )
        for line in lines:
            if len(rows.get(line, [])) > 1:
                several = list_some(paths[row] for row in rows[line])
                problems.append(f"data.split_lists: '{line}' in '{file}' may be {several}. Write the whole path.")
                continue
            for row in rows.get(line, []):
                if splits[row] not in (None, split):
                    problems.append(f"data.split_lists: '{paths[row]}' is listed in {splits[row]} and in {split}.")
                splits[row] = split
    rest = [row for row, split in enumerate(splits) if split is None]
    if "train" in lists and rest:
        problems.append(
            f"data.split_lists: {len(rest)} recordings are in no list: {list_some(paths[row] for row in rest)}. Leave "
            "them out with data.ignore, or leave out the list of train: then all others are train."
        )
    return table.assign(split=pd.Series([split or "train" for split in splits], table.index, object))


def _names(path: str) -> set[str]:
    member = tar_member(path)
    place = PurePosixPath(member.name if member else path)
    return {path, place.as_posix(), place.with_suffix("").as_posix(), name_of(path)}


def _lines(file: str, key: str) -> list[str]:
    try:
        here = fetch(file)
        return here.read_text(encoding=text_encoding(here)).splitlines()
    except UnicodeError as error:
        raise ManifestError(f"data.{key}: '{file}': {decoding_problem(here, error)}") from error
    except StorageError:
        raise
    except OSError as error:
        raise ManifestError(f"data.{key}: '{file}' cannot be read: {error.strerror}.") from error


def _name_splits(cells: pd.Series, notes: list[str]) -> pd.Series:
    """Return splits under our names, where only one can be meant.

    >>> _name_splits(pd.Series(["training", "dev", "Eval"]), []).tolist()
    ['train', 'valid', 'test']
    """
    lowered = {cell: str(cell).strip().lower() for cell in cells.dropna().unique()}
    known_as = {cell: SPLIT_WORDS[name] for cell, name in lowered.items() if name in SPLIT_WORDS}
    others = {cell: split for cell, split in known_as.items() if lowered[cell] in UNSURE_SPLITS}
    meant = {cell: split for cell, split in known_as.items() if cell not in others}
    known = set(meant.values())
    # Of "dev" and "eval" alone, either may be what is trained on.
    if "train" in known and len(set(others.values()) | known) == len(others) + len(known):
        meant |= others
    renamed = {cell: split for cell, split in meant.items() if split != cell}
    if renamed:
        notes.append("column 'split': " + ", ".join(f"'{cell}' is read as {split}" for cell, split in renamed.items()))
    return cells.map(lambda cell: renamed.get(cell, cell))
