"""Long tables: a row for each frame, and the sequences one after the other or mixed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.errors import ManifestError, list_some
from seqconv.features.cases.division import Division, FloatArray, IntArray, RowSettings, divide_rows
from seqconv.features.cases.sequences import Cases
from seqconv.features.cells import ROW_SUFFIXES, need_columns, number_cells, read_cells, to_columns, to_text
from seqconv.features.columns import Columns, read_clock
from seqconv.features.contents import Content, content_of_table
from seqconv.features.kinds import Precomputed
from seqconv.text import amount

# Rows in which most columns change already.
_LOOKED_AT = 4096
# More sequences of a single row are hardly meant.
_MOST_SINGLE = 0.1


class TableForm(RowSettings):
    """All that decides which sequences a long table holds: its rows, and how its text is divided into cells.

    `may_lack`: columns of `by`, such as the label, without which it is divided by the others.
    """

    names: tuple[str, ...] | None = None
    separator: str | None = None
    comment: str | None = None
    may_lack: tuple[str, ...] = ()


def read_long_table(path: Path, options: Mapping[str, Any]) -> Cases:
    """Read a long table, whole.

    The columns of numbers that change within sequences are features, or those that the settings name. Columns whose
    cells are equal in each sequence say something of it, such as its label.

    Args:
        path: the file.
        options: those of `TableForm`.

    Raises:
        ManifestError: rows that do not fit each other, columns that are not there, sequences that nothing divides.
    """
    form = TableForm(**options)
    if path.suffix.lower() not in ROW_SUFFIXES and form.separator is None:
        raise ManifestError(
            f"{path}: rows are read from {', '.join(ROW_SUFFIXES)}, not '{path.suffix}'. Save it as one of these, or "
            "say what is between its cells: data.separator."
        )
    try:
        cells = read_cells(path, separator=form.separator, comment=form.comment, names=form.names)
        return _divide(cells, form)
    except (ValueError, OSError) as error:
        raise ManifestError(f"{path}: {str(error).strip()}") from error


def _divide(cells: dict[str, Any], form: TableForm) -> Cases:
    gone = [name for name in form.by if name in form.may_lack and name not in cells]
    by = tuple(name for name in form.by if name not in gone)
    notes = [] if not gone else [f"it has no {list_some(gone)}, and is divided by {list_some(by) or 'nothing'} alone"]
    need_columns(cells, [*by, *([form.order] if form.order else [])], "data.rows")
    if not len(next(iter(cells.values()))):
        raise ManifestError("there are columns, but no row.")
    keys, first = number_cells([cells[name] for name in by]) if by else _one_key(cells)
    names = _name_keys([cells[name] for name in by], by, first) if by else [""]
    times = None if form.order is None else _read_times(to_columns({form.order: cells[form.order]}), form.order)
    division = divide_rows(keys, times, form, [name or "the file" for name in names])
    short = int(np.count_nonzero(np.diff(division.bounds) == 1))
    if short > _MOST_SINGLE * len(division.bounds):
        notes.append(
            f"{short:,} of {len(division.bounds) - 1:,} sequences have a single row: are its rows in disorder?"
        )
    owners = keys[division.rows[division.bounds[:-1]]]
    ids = _unique([names[key] for key in owners])
    return _LongTable(cells, division, by, form.order, times).cases(ids, notes)


def _one_key(cells: dict[str, Any]) -> tuple[IntArray, IntArray]:
    return np.zeros(len(next(iter(cells.values()))), np.int64), np.zeros(1, np.int64)


def _name_keys(columns: Sequence[Any], by: Sequence[str], first: IntArray) -> list[str]:
    """Return the cells of each key, joined; `first` are the rows where they occur first."""
    cells = [to_text(column.take(first)) for column in columns]
    for name, texts in zip(by, cells, strict=True):
        if None in texts:
            row = int(first[texts.index(None)])
            raise ManifestError(
                f"row {row + 1} has no '{name}', which is in data.rows.by. Fill it, or take the row out."
            )
    return ["/".join(map(str, texts)) for texts in zip(*cells, strict=True)]


def _read_times(table: Columns, order: str) -> FloatArray:
    times = read_clock(table, order)
    missing = np.flatnonzero(~np.isfinite(times))
    if len(missing):
        raise ManifestError(
            f"row {missing[0] + 1} has no time in '{order}', which is data.rows.order; {amount(len(missing), 'row')} "
            "in all. Fill them, or take these rows out."
        )
    return times


def _unique(names: Sequence[str]) -> list[str]:
    """Return names, with a number, from 0, after those that occur several times.

    >>> _unique(["ann", "bob", "ann"])
    ['ann/0', 'bob', 'ann/1']
    """
    counts, seen = Counter(names), Counter[str]()
    unique = []
    for name in names:
        unique.append(f"{name}/{seen[name]}".lstrip("/") if counts[name] > 1 else name)
        seen[name] += 1
    return unique


class _LongTable:
    """The cells of a table and its division; columns become numbers when they are asked for."""

    def __init__(
        self,
        cells: dict[str, Any],
        division: Division,
        by: Sequence[str],
        order: str | None,
        times: FloatArray | None,
    ) -> None:
        self._cells, self._division, self._apart = cells, division, {*by, order}
        self._changes = {name: row for name in cells if name not in by and (row := self._first_change(name))}
        # Those of dates count from the earliest of all.
        self._sorted = {} if order is None or times is None else {order: Columns((order,), {order: times})}

    def cases(self, ids: list[str], notes: list[str]) -> Cases:
        rows, bounds = self._division
        columns = {
            name: to_text(column.take(rows[bounds[:-1]]))
            for name, column in self._cells.items()
            if name not in self._changes
        }
        left = [name for name in columns if name not in self._apart and self._column(name).numbers]
        if left:
            said = "numbers that are equal in all rows of each sequence are no features, unless features.columns names"
            notes = [*notes, f"{said} them: {list_some(left)}"]
        changes = {
            name: self._describe(name, row, ids) for name, row in self._changes.items() if name not in self._apart
        }
        return Cases(ids, self._read, columns, tuple(notes), changes)

    def _first_change(self, name: str) -> int | None:
        """Return the first place among the rows of the division where a column changes within a sequence."""
        import pyarrow.compute as pc

        rows, bounds = self._division
        # Most columns change at once.
        for count in (min(_LOOKED_AT, len(rows)), len(rows)):
            column = self._cells[name].take(rows[:count])
            codes = pc.dictionary_encode(column, null_encoding="encode").indices.to_numpy(zero_copy_only=False)
            changes = np.diff(codes, prepend=codes[:1]) != 0
            changes[bounds[bounds < count]] = False
            if changes.any():
                return int(changes.argmax())
        return None

    def _describe(self, name: str, place: int, ids: list[str]) -> str:
        rows, bounds = self._division
        owner = ids[int(np.searchsorted(bounds, place, side="right")) - 1]
        before, after = to_text(self._cells[name].take(rows[place - 1 : place + 1]))
        return f"in '{owner}' it is '{before}' up to row {rows[place - 1] + 1} and '{after}' in row {rows[place] + 1}"

    def _read(self, number: int, settings: Precomputed) -> Content:
        rows, bounds = self._division
        own = rows[bounds[number] : bounds[number + 1]]
        # Of neighbors in the file, a view.
        part: Any = slice(own[0], own[-1] + 1) if (np.diff(own) == 1).all() else own
        chosen, clock = settings.columns, settings.clock
        free = [name for name in self._changes if name not in self._apart]
        known = [name for name in self._cells if name in (*(chosen or free), clock)]
        parts = [self._column(name) for name in known]
        if chosen is None and not any(each.numbers or each.problems for each in parts):
            raise ManifestError(f"none of the columns {list_some(self._cells)} has numbers that change in a sequence")
        table = Columns(
            tuple(self._cells) if chosen else tuple(known),
            {name: values[part] for each in parts for name, values in each.numbers.items()},
            {name: words[part] for each in parts for name, words in each.words.items()},
            {name: problem for each in parts for name, problem in each.problems.items()},
        )
        return content_of_table(table, settings)

    def _column(self, name: str) -> Columns:
        if name not in self._sorted:
            found = to_columns({name: self._cells[name]})
            # As arrays, of which a part is cut out for each sequence.
            words = {key: np.asarray(cells, object) for key, cells in found.words.items()}
            self._sorted[name] = replace(found, words=words)
        return self._sorted[name]
