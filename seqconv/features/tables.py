"""Rows of delimited text (CSV, TSV and the like), read strictly: each row has a cell for each column."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import IO, NamedTuple

from seqconv.errors import ManifestError, list_some
from seqconv.features.text_files import decoding_problem, text_encoding

NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_DIGITS = re.compile(r"\s*[-+]?\d+\s*")
_NO_NUMBERS = ("nan", "inf", "-inf")
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar", " ": "spaces"}
# What some programs write after the last cell of each row.
_ROW_END = ";"
_LOOKED_AT = 50
# Stands in names for all further columns.
_FURTHER = "..."
# Text between other separators is mostly written as it is, without quotes around cells.
_QUOTED = (",", ";")


class Rows(NamedTuple):
    """The names of the columns, and of each row its cells and the number of its line, from 1."""

    header: list[str]
    cells: list[list[str]]
    lines: list[int]


def read_rows(
    path: Path, *, separator: str | None = None, comment: str | None = None, names: Sequence[str] | None = None
) -> Rows:
    r"""Read a table of delimited text.

    Cells between commas or semicolons may be in quotes. Between tabs and bars, text is what is written, and only a cell
    that is wholly in quotes loses them. Empty lines are passed over, and so is an empty cell at the end of every row. A
    semicolon at the end of each line, where cells are between others, ends a row.

    Args:
        path: the file, in UTF-8, or in UTF-16 or UTF-32 with a mark that says so.
        separator: what is between cells; default: what a first line `sep=;` says, else a comma, in `.tsv` a tab. With
            spaces after it (`", "`), spaces at the beginning of a cell are no part of it; a space alone stands for any
            number of spaces and tabs.
        comment: lines that begin with it are no rows.
        names: names of the columns, for a table whose first row has none; a last one of "..." names further columns by
            their numbers, from 1.

    Raises:
        ManifestError: rows and header that do not fit each other, or another separator: with the number of the line,
            without the path.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "segments.txt")
    >>> _ = path.write_text('# two columns\na, "b, c"\n')
    >>> read_rows(path, separator=", ", comment="#", names=["id", "labels"])
    Rows(header=['id', 'labels'], cells=[['a', 'b, c']], lines=[2])
    """
    declared = _declared_separator(path)
    mark = separator or declared or ("\t" if path.suffix.lower() == ".tsv" else ",")
    if mark[0] in '"\r\n' or mark[1:].strip(" "):
        raise ManifestError(f"the separator {mark!r} is not one character, alone or with spaces after it.")
    parse = partial(_parse, path, mark, comment, is_declared=declared is not None)
    try:
        rows = parse(is_quoted=mark[0] in _QUOTED)
        if mark[0] not in _QUOTED and not _are_even(rows):
            # Some programs put quotes around a cell that holds a tab or a line break.
            with suppress(ManifestError):
                quoted = parse(is_quoted=True)
                rows = quoted if _are_even(quoted) else rows
    except UnicodeError as error:
        raise ManifestError(decoding_problem(path, error)) from error
    if not rows:
        raise ManifestError("it is empty; the first row must name the columns.")
    first = [name.strip() for name in rows[0][1]]
    header = first if names is None else expand_names(names, len(first))
    body = rows[1:] if names is None else rows
    body = [(line, cells) for line, cells in body if not _is_blank(cells, header)]
    if separator is None and mark in _QUOTED and _are_spaced([rows[0][1], *(cells for _, cells in body)]):
        body = [(line, [cells[0], *(cell[1:] for cell in cells[1:])]) for line, cells in body]
    header, body = _without_trailing(header, body)
    if names is None:
        line, below = rows[0][0], body[0][1] if body else []
        check_names(header, line, below, is_default=separator is None and declared is None)
    elif body[0][1] == header:
        raise ManifestError(f"line {body[0][0]} names the columns already, so that names for them have no place.")
    for line, cells in body:
        if len(cells) != len(header):
            named = "the first row names" if names is None else "names are given for"
            raise ManifestError(
                f"line {line} has {len(cells)} cells, but {named} {len(header)} columns. "
                f"{_likely_cause(cells, header, mark[0])}"
            )
    return Rows(header, [cells for _, cells in body], [line for line, _ in body])


def _declared_separator(path: Path) -> str | None:
    """Return the separator that a first line `sep=;` names, which Excel writes and reads; None if there is no such."""
    with suppress(UnicodeError), path.open(encoding=text_encoding(path)) as file:
        found = re.fullmatch(r'"?sep=(.)"?', file.readline(16).rstrip("\n"), re.IGNORECASE)
        return found and found[1]
    return None


def expand_names(names: Sequence[str], width: int) -> list[str]:
    """Return names of `width` columns, where a last name of "..." stands for the numbers of the further ones.

    >>> expand_names(["time", "label", "..."], 5)
    ['time', 'label', '3', '4', '5']
    """
    if names[-1] != _FURTHER:
        return list(names)
    return [*names[:-1], *map(str, range(len(names), width + 1))]


def find_row_end(path: Path, mark: str) -> str:
    """Return what ends the rows of a table besides the end of the line: a semicolon, or nothing."""
    if mark[0] == _ROW_END:
        return ""
    with path.open(encoding=text_encoding(path), errors="replace") as file:
        lines = [line.strip() for line in islice(file, _LOOKED_AT)]
    # A line may hold two rows, or lack its end, but not the first one.
    ends = [line.find(_ROW_END) == len(line) - 1 for line in lines if line]
    return _ROW_END if ends and ends[0] and sum(ends) > 0.9 * len(ends) else ""


class _Lines:
    """The lines of a file without comments; `number` is that of the last one, from 1.

    `begins_row`: whether the next line begins a row: within quotes, no line is a comment.
    """

    def __init__(self, file: IO[str], comment: str | None, end: str) -> None:
        self.number, self.begins_row = 0, True
        self._file, self._comment, self._end = file, comment, end
        self._rest: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._rest:
            return self._rest.pop(0)
        for line in self._file:
            self.number += 1
            if "\0" in line:
                raise ManifestError(
                    f"line {self.number} holds bytes of zero: the file is damaged, or text in UTF-16 without its mark. "
                    "Save it as UTF-8."
                )
            if self._end and self._end in line:
                line, *self._rest = [part for part in line.split(self._end) if part.strip()] or ["\n"]
            if self._comment is None or not (self.begins_row and line.startswith(self._comment)):
                self.begins_row = False
                return line
        raise StopIteration


def _parse(
    path: Path, mark: str, comment: str | None, *, is_quoted: bool, is_declared: bool
) -> list[tuple[int, list[str]]]:
    """Return number of the line and cells of each row that is not empty, but for a first one with the separator."""
    rows, end = [], find_row_end(path, mark)
    with path.open(newline="", encoding=text_encoding(path)) as file:
        lines = _Lines(file, comment, end)
        reader: Iterator[list[str]] = csv.reader(
            lines,
            delimiter=mark[0],
            quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
            strict=True,
            skipinitialspace=len(mark) > 1,
        )
        if mark == " ":
            reader = (line.split() for line in lines)
        try:
            for cells in reader:
                lines.begins_row = True
                if cells:
                    rows.append((lines.number, cells if is_quoted else [_unquote(cell) for cell in cells]))
        except csv.Error as error:
            raise ManifestError(f"line {lines.number}: {error}.") from error
    return rows[is_declared:]


def _is_blank(cells: list[str], header: list[str]) -> bool:
    """Whether a line of a table of several columns holds nothing but spaces."""
    return len(header) > 1 and len(cells) == 1 and cells[0].isspace()


def _are_spaced(rows: list[list[str]]) -> bool:
    """Whether there is a space before each cell, but the first of a row, of the header and those below it."""
    return len(rows[0]) > 1 and all(cell.startswith(" ") for row in rows for cell in row[1:])


def _unquote(cell: str) -> str:
    if len(cell) < 2 or not cell[0] == '"' == cell[-1] or '"' in cell[1:-1].replace('""', ""):
        return cell
    return cell[1:-1].replace('""', '"')


def _are_even(rows: Sequence[tuple[int, list[str]]]) -> bool:
    return len({len(cells) for _, cells in rows}) <= 1


def _without_trailing(
    header: list[str], rows: list[tuple[int, list[str]]]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Remove what stands for nothing: an empty last cell of every row, whether or not the header has one."""
    width = len(header) - (len(header) > 1 and not header[-1].strip())
    widths = {len(cells) for _, cells in rows}
    if not rows or not widths <= {width, width + 1} or (width == len(header) and width in widths):
        return header, rows
    if any("".join(cells[width:]).strip() for _, cells in rows):
        return header, rows
    return header[:width], [(line, cells[:width]) for line, cells in rows]


def check_names(header: list[str], line: int, below: list[str], *, is_default: bool) -> None:
    """Check that the first row names columns, each one once, and between the separator that was expected.

    Args:
        header: its cells.
        line: its number.
        below: the cells of the row after it.
        is_default: whether nobody has said which separator there is.

    Raises:
        ManifestError: it does not.
    """
    others = [mark for mark in ";\t|," if mark in header[0]]
    words = header[0].split()
    if is_default and len(header) == 1 and len(words) > 1 and [len(cell.split()) for cell in below] == [len(words)]:
        others = others or [" "]
    if is_default and len(header) == 1 and others:
        raise ManifestError(
            f"line {line}, which names the columns, is {header[0]!r:.60}: the cells seem to be between "
            f"{_NAMES[others[0]].removeprefix('a ')}s. Save the table with commas, and decimal points within numbers "
            f"(of a manifest, set data.separator to {others[0]!r})."
        )
    numbers = [name for name in header if NUMBER.fullmatch(name) or name.strip().lower() in _NO_NUMBERS]
    if numbers and _is_data(header, numbers, below):
        raise ManifestError(
            f"line {line}, which must name the columns, holds numbers: {list_some(numbers, 3)}. If these are data, put "
            "a row of names above them (for a manifest, or set data.names). If they are names, begin each with a "
            "letter."
        )
    repeated = sorted({name for name in header if header.count(name) > 1})
    if "" in repeated:
        raise ManifestError(f"line {line}, which names the columns, leaves {header.count('')} of them without a name.")
    if repeated:
        raise ManifestError(f"the column {list_some(repeated)} stands more than once in the first row.")


def _is_data(header: list[str], numbers: list[str], below: list[str]) -> bool:
    """Whether a first row is a row like those below it; 0, 1, 2 and so on are the names that pandas gives."""
    if numbers == [str(number) for number in range(len(numbers))]:
        return False
    if len(numbers) == len(header):
        return any(map(NUMBER.fullmatch, numbers))
    are_alike = all(
        bool(NUMBER.fullmatch(name)) == bool(NUMBER.fullmatch(cell)) or not cell.strip()
        for name, cell in zip(header, below, strict=False)
    )
    # Whole numbers that rise may name frequencies, coefficients or years.
    values = [float(number) for number in numbers]
    return are_alike and not (all(map(float.is_integer, values)) and values == sorted(set(values)))


def _likely_cause(cells: list[str], header: list[str], mark: str) -> str:
    separator = _NAMES.get(mark, repr(mark))
    if header[0].startswith(("#", "%")):
        return f"Is '{header[0]:.40}' a comment? Remove it (for a manifest, or set data.comment)."
    if len(cells) < len(header):
        other = next((_NAMES[each] for each in ";\t|" if each != mark and any(each in cell for cell in cells)), None)
        return f"Is it cut off{f', or is {other} between its cells' if other else ''}? Cells are between {separator}."
    quotes = "Put quotes around cells that hold the separator."
    are_digits = [_DIGITS.fullmatch(cell) is not None for cell in cells]
    if mark == "," and any(map(all, pairwise(are_digits))):
        return f"Are there decimal commas within numbers? Write 0.5 instead of 0,5. {quotes}"
    return quotes if mark in _QUOTED else f"A cell cannot hold {separator}, which ends it."
