"""Checks of the target column of a manifest, by task."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqconv.data.manifest.checks import raise_problems
from seqconv.data.manifest.columns import Manifest, as_text, describe_rows, find_rows, make_absolute
from seqconv.errors import ConfigError, ManifestError, list_some
from seqconv.files import look_up
from seqconv.tasks import Task, find_task
from seqconv.tasks.forms import CellRule
from seqconv.text import nearest


class LabelColumns(NamedTuple):
    """The target column of a manifest, or several, and how its cells are read.

    `label`: the column; several columns of numbers (regression), or of 0 and 1 (multilabel). `separator`: between the
    labels of one cell (multilabel).
    """

    label: str | Sequence[str] = "label"
    task: str = "classification"
    separator: str = ";"

    @property
    def names(self) -> list[str]:
        """The columns as a list."""
        return [self.label] if isinstance(self.label, str) else list(self.label)

    def find_absent(self, frame: pd.DataFrame) -> list[str]:
        """Return a sentence for each column that the table does not have."""
        return [describe_absent(name, frame.columns) for name in self.names if name not in frame]

    def find_problems(self, frame: pd.DataFrame) -> list[str]:
        """Return everything that is wrong with the labels; see `check_labels`."""
        if self.task not in Task.registry:
            raise ConfigError(f"target.task must be one of {', '.join(Task.registry)}, not '{self.task}'.")
        if absent := self.find_absent(frame):
            return absent
        empty = [name for name in self.names if frame[name].isna().all()]
        if empty:
            known = list_some((name for name in frame.columns if frame[name].notna().any()), limit=15)
            return [f"the target column {list_some(empty)} is empty in all {len(frame)} rows; others are {known}."]
        rule = find_task(self.task).cell_rule(is_single=isinstance(self.label, str))
        bad = [] if rule is None else [problem for name in self.names for problem in _find_bad_cells(frame, name, rule)]
        return bad + self._find_other_separator(frame) + _find_unseen(frame, self.class_sets(frame))

    def _find_other_separator(self, frame: pd.DataFrame) -> list[str]:
        """Find labels between ';', by which lists are joined, where another separator is expected and not found."""
        if self.separator == ";" or not isinstance(self.label, str):
            return []
        cells = frame[self.label].dropna().astype(str)
        joined = cells[cells.str.contains(";", regex=False)]
        if joined.empty or cells.str.contains(self.separator, regex=False).any():
            return []
        return [
            f"'{self.label}' holds cells such as '{joined.iloc[0]}', but target.separator is '{self.separator}'. Lists "
            "of labels are joined by ';': leave target.separator out, or rename these labels."
        ]

    def class_sets(self, frame: pd.DataFrame) -> list[list[str]]:
        """Return the classes of each row: one (classification), any number (multilabel); none for an empty cell.

        >>> frame = pd.DataFrame({"label": ["dog; cat", None], "barks": ["1", "0"], "purrs": ["1", "0"]})
        >>> columns = LabelColumns(["barks", "purrs"], "multilabel")
        >>> LabelColumns("label", "multilabel").class_sets(frame), columns.class_sets(frame)
        ([['dog', 'cat'], []], [['barks', 'purrs'], []])
        """
        cells: list[list[Any]] = [frame[name].tolist() for name in self.names]
        if isinstance(self.label, str):
            cells = [[None if pd.isna(cell) else str(cell) for cell in cells[0]]]
        find, columns = find_task(self.task).row_names, None if isinstance(self.label, str) else self.names
        return [find(row, columns, self.separator) for row in zip(*cells, strict=True)]

    def strata(self, frame: pd.DataFrame) -> list[list[str]]:
        """Return what splits keep in proportion: the classes of each row, or tenths of the first column of numbers."""
        return find_task(self.task).strata(self.class_sets(frame), frame[self.names[0]].tolist())


ONE_LABEL = LabelColumns()


def check_labels(
    frame: pd.DataFrame, column: str | Sequence[str] = "label", task: str = "classification", separator: str = ";"
) -> None:
    """Check the target column, or columns: filled, of the right kind, and no class that only valid or test has.

    Args:
        frame: As `load_manifest` returns it; with no splits, only the cells are checked.
        column: The target column; several columns of numbers (regression), or of 0 and 1 (multilabel).
        task: `classification`, `multilabel` or `regression`. A multilabel cell may be empty: no class applies, or, of
            a 0/1 column, nobody knows.
        separator: Between the labels of one cell (multilabel).

    Raises:
        ManifestError: With every problem, each with the first few ids and the count.
    """
    raise_problems(LabelColumns(column, task, separator).find_problems(frame))


def leave_out_unlabeled(manifest: Manifest, labels: LabelColumns) -> Manifest:
    """Return the rows that have a label, and note how many have none."""
    frame = manifest.frame
    names = [name for name in labels.names if name in frame]
    is_empty = frame[names].isna().all(axis=1).to_numpy()
    if not names or not is_empty.any():
        return manifest
    note = f"{is_empty.sum()} of {len(frame)} rows have no {list_some(names)} and were left out (data.unlabeled)"
    return manifest.with_frame(frame[~is_empty].reset_index(drop=True), note)


def place_label_files(frame: pd.DataFrame, column: str, folder: str | Path) -> list[str]:
    """Make the paths of a column to files with labels of frames absolute, and report what is wrong with them."""
    if column not in frame:
        return [describe_absent(column, frame.columns)]
    paths = make_absolute(as_text(frame[column]), folder)
    there = look_up(paths.dropna())
    missing = [row for row, path in enumerate(paths) if path is not None and there[path] is None]
    problems = find_rows(frame["id"], paths.isna(), f"'{column}' names no file with labels of frames in {{rows}}.")
    if missing:
        problems.append(
            f"'{column}' must name files with labels of frames (.npy, .csv, .tsv), as model.pooling is 'frames', but "
            f"{len(missing)} of them are not there, the first is '{paths[missing[0]]}': "
            f"{describe_rows(frame['id'], missing)}. Events of all recordings in one table are named by data.events."
        )
    frame[column] = paths
    return problems


def label_values(frame: pd.DataFrame, label: str | Sequence[str]) -> Any:
    """Return the labels of each row: a list, None if the column is empty, or a table of several columns."""
    if absent := LabelColumns(label).find_absent(frame):
        raise ManifestError("; ".join(absent))
    if not isinstance(label, str):
        return frame[list(label)]
    return None if frame[label].isna().all() else frame[label].tolist()


def describe_absent(name: str, columns: Iterable[str], kind: str = "target column") -> str:
    """Say that a column does not exist, and which one may be meant."""
    return f"there is no {kind} '{name}'; the columns are {list_some(columns, limit=15)}{nearest(name, columns)}"


def _find_bad_cells(frame: pd.DataFrame, name: str, rule: CellRule) -> list[str]:
    cells = frame[name].tolist()
    is_bad = [not (rule.may_be_empty if pd.isna(cell) else rule.is_good(cell)) for cell in cells]
    first = next((cell for cell, bad in zip(cells, is_bad, strict=True) if bad), None)
    shown = "empty" if pd.isna(first) else f"'{first}'"
    text = f"'{name}' must hold {rule.wanted}, but {{count}} rows do not (the first is {shown}): {{rows}}."
    return find_rows(frame["id"], is_bad, text)


def _find_unseen(frame: pd.DataFrame, sets: Sequence[Sequence[str]]) -> list[str]:
    """Return classes of valid and test that no training row has; nothing if there is no training row."""
    splits = frame["split"].to_numpy()
    known = {label for row in np.flatnonzero(splits == "train").tolist() for label in sets[row]}
    problems = []
    for split in ("valid", "test"):
        rows = [row for row in np.flatnonzero(splits == split).tolist() if not known.issuperset(sets[row])]
        if known and rows:
            unseen = sorted({label for row in rows for label in sets[row]} - known)
            problems.append(
                f"{len(unseen)} labels of {split} are not in train: {list_some(unseen)}; "
                f"{len(rows)} ids: {list_some(frame['id'].iloc[rows])}. "
                "A model cannot learn them: move some of their rows to train, or leave them out."
            )
    return problems
