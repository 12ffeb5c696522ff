"""Reader of `.arff` files of the time series archives, those with a relational attribute (several dimensions) too."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from seqconv.errors import ManifestError, list_some
from seqconv.features.cases.sequences import Cases
from seqconv.features.text_files import read_lines
from seqconv.features.ts import parse_case

_NUMBERS = ("numeric", "real", "integer")
_LABELS = ("class", "label", "target", "classlabel")
_ATTRIBUTE = re.compile(r"@attribute\s+('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\S+)\s+(.*)", re.IGNORECASE)


class _Attribute(NamedTuple):
    name: str
    kind: str

    @property
    def is_label(self) -> bool:
        return self.kind.startswith("{") or self.kind == "string" or self.name.lower() in _LABELS


def read_arff(path: Path) -> Cases:
    r"""Read the sequences of an ARFF file.

    A line below `@data` is one case. Of one dimension, its values stand one after the other; of several, they are in
    one cell in quotes, as the UEA archive writes them: a line (`\n`) for each dimension. The last attribute is the
    label if it is nominal, text, or named like one. Missing values (`?`) at the end of all dimensions are no frames.

    Raises:
        ManifestError: a line is malformed (the message gives its number), or the file holds something else.

    Reference:
        https://www.aeon-toolkit.org/en/stable/api_reference/file_specifications/arff.html

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "two.arff")
    >>> head = "@relation two\n@attribute all relational\n@attribute t0 numeric\n@end all\n@attribute how {a,b}\n"
    >>> _ = path.write_text(head + "@data\n'1,2,3\\n4,5,6',a\n'7\\n8',b\n")
    >>> cases = read_arff(path)
    >>> cases.columns["label"]
    ['a', 'b']
    """
    lines = read_lines(path, "%")
    attributes = _read_attributes(path, lines)
    if not attributes:
        raise ManifestError(f"'{path}' has no @attribute.")
    last = attributes[-1]
    values = attributes[:-1] if last.is_label else attributes
    is_relational = [each.kind for each in values] == ["relational"]
    others = [each.name for each in values if each.kind not in _NUMBERS]
    if not values or (others and not is_relational):
        raise ManifestError(
            f"'{path}': the attributes {list_some(others or [last.name])} are not numbers. Expected numbers, one for "
            "each frame, or one relational attribute with a line for each dimension; and last, if any, a label."
        )
    sequences, labels = [], []
    for number, line in lines:
        place = f"'{path}', line {number}"
        dimensions, label = _split(line, place, has_label=last.is_label, is_relational=is_relational)
        sequence = parse_case(dimensions, place, keeps_gaps=True)
        width = sum(len(text.split(",")) for text in dimensions)
        if not is_relational and width != len(values):
            raise ManifestError(f"{place} has {width} values, but {len(values)} attributes are declared for them.")
        sequences.append(sequence)
        labels.append(label)
    if not sequences:
        raise ManifestError(f"'{path}' holds no case: nothing follows @data.")
    note = f"the lines in a cell of '{values[0].name}' are its dimensions, as the UEA archive writes them"
    return Cases.of_arrays(sequences, {"label": labels}, *([note] if is_relational else []))


def _read_attributes(path: Path, lines: Iterator[tuple[int, str]]) -> list[_Attribute]:
    """Read the header, up to and with `@data`; those within a relational attribute are left out."""
    found: list[_Attribute] = []
    within = False
    for number, line in lines:
        word = line.split(maxsplit=1)[0].lower()
        if word == "@data":
            return found
        if word == "@end":
            within = False
        elif word == "@attribute":
            match = _ATTRIBUTE.match(line)
            if match is None:
                raise ManifestError(f"'{path}', line {number}: expected '@attribute NAME TYPE', not '{line[:60]}'.")
            kind = match[2].strip()
            kind = kind if kind.startswith("{") else kind.split()[0].lower()
            found += [] if within else [_Attribute(match[1].strip("'\""), kind)]
            within = within or kind == "relational"
        elif word != "@relation":
            raise ManifestError(f"'{path}', line {number}: expected a line of the header or @data, not '{line[:60]}'.")
    raise ManifestError(f"'{path}' has no line '@data' before its cases.")


def _split(line: str, place: str, *, has_label: bool, is_relational: bool) -> tuple[list[str], str | None]:
    """Return the texts of the dimensions of a case, and its label, None where it is missing."""
    if line.startswith("{"):
        raise ManifestError(f"{place}: sparse cases, in braces, are not read. Save it without them.")
    if is_relational:
        # No cell holds a quotation mark: these are numbers.
        end = line.find(line[0], 1) if line[0] in "'\"" else -1
        if end < 0:
            raise ManifestError(f"{place}: the dimensions of a case must be in quotes, with \\n between them.")
        cell, rest = line[1:end], line[end + 1 :].strip().removeprefix(",")
    elif not has_label:
        cell, rest = line, ""
    elif line[-1] in "'\"":
        start = line.rfind(line[-1], 0, -1)
        cell, rest = line[:start].rstrip().removesuffix(","), line[start:]
    else:
        cell, _, rest = line.rpartition(",")
    label = rest.strip().strip("'\"")
    dimensions = [text for text in cell.replace("\\n", "\n").split("\n") if text.strip()]
    return dimensions, None if label in ("", "?") else label
