"""Fields of paths: folders, and the parts of names between separators, each with the pattern that finds it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from seqconv.data.manifest.columns import SPLIT_WORDS
from seqconv.errors import list_some

# Folders that say whose, when or where, and the column that this is.
ROLES = {
    "group": r"(?:actor|speaker|spk|subject|subj|user|person|participant|patient|session|ses|take|trial)[ _-]?(\w*\d)",
    "fold": r"(?:fold)[ _-]?(\d+)",
}
_DATE = r"((?:19|20)\d\d[ _.-]?[01]\d[ _.-]?[0-3]\d)(?:[ _T-]\d.*)?"
_SEPARATORS = r"[-_. ,+@#~=]+"
FEWEST_EACH = 2
"""Recordings of a class, on average."""

_MOST_CLASSES = 400


@dataclass(frozen=True)
class Field:
    """A part of each path: its values, and its place in the pattern of its level.

    `role`: the column that it is by its name; None: it may be the label. `pattern`: of the level, with the part in a
    group that is still to be named. `is_count`: whether it is a number at the end of the names.
    """

    level: int
    values: tuple[str, ...]
    pattern: str
    role: str | None = None
    is_count: bool = False

    @property
    def is_words(self) -> bool:
        return all(re.search(r"[^\W\d_]{2}", value) for value in self.values)

    @property
    def is_class(self) -> bool:
        """Whether few enough values occur often enough to be classes."""
        count = len(set(self.values))
        return self.role is None and 2 <= count <= min(_MOST_CLASSES, len(self.values) / FEWEST_EACH)

    def named(self, name: str) -> str:
        """Return the pattern of the level, with a name for the group."""
        return self.pattern.replace("(?P<>", f"(?P<{name}>")

    def describe(self) -> str:
        """Return the number of values, and some of them."""
        values = sorted(set(self.values))
        return f"{len(values)} classes such as {list_some(values[:3])}"


def find_fields(paths: Sequence[PurePosixPath]) -> Iterator[Field]:
    """Yield the fields that differ between paths of one depth, from the outermost folder to the end of the names."""
    depth = len(paths[0].parts)
    seen: set[tuple[int, ...]] = set()
    for level in range(depth):
        parts = [path.stem if level == depth - 1 else path.parts[level] for path in paths]
        for found in _fields_of(parts, level, is_folder=level < depth - 1):
            # Fields that divide the recordings alike are one: the first stands for all.
            division = _division(found.values)
            are_splits = {value.lower() for value in found.values} <= set(SPLIT_WORDS)
            field = replace(found, role="split") if are_splits else found
            if len(set(field.values)) > 1 and (field.role is not None or division not in seen):
                seen.add(division)
                yield field


def _fields_of(parts: Sequence[str], level: int, *, is_folder: bool) -> Iterator[Field]:
    if is_folder:
        role = _role_of(parts)
        if role is not None:
            yield Field(level, *role)
            return
        yield Field(level, tuple(parts), "(?P<>[^/]+)")
        sexes = "".join(sorted({part[0] for part in parts}))
        if sexes in ("FM", "fm") and all(re.fullmatch(r"[A-Z]{3,}\d*|[a-z]{3,}\d+", part) for part in parts):
            # Names of speakers that begin with their sex.
            yield Field(level, tuple(part[0] for part in parts), f"(?P<group>(?P<>[{sexes}])[^/]+)")
        return
    tokens = [re.split(f"({_SEPARATORS})", part) for part in parts]
    if len({(len(each), *each[1::2]) for each in tokens}) == 1 and len(tokens[0]) > 1:
        yield from _fields_between(tokens, level)
        return
    # Words of one length each, as in 03a01Fa.
    runs = [re.findall(r"\d+|[A-Z]+|[a-z]+|[^\dA-Za-z]+", part) for part in parts]
    if len({tuple((len(run), run.isdigit()) for run in each) for each in runs}) == 1 and len(runs[0]) > 2:
        yield from _fields_between([[sign for run in each for sign in (run, "")][:-1] for each in runs], level)
        return
    numbered = [match for part in parts if (match := re.fullmatch(rf"(.*?[^\d\W_])({_SEPARATORS})?\d+", part))]
    if len(numbered) == len(parts):
        marks = {match[2] or "" for match in numbered}
        mark = _literal(marks.pop()) if len(marks) == 1 else f"(?:{_SEPARATORS})?"
        yield Field(level, tuple(match[1] for match in numbered), rf"(?P<>[^/]*?){mark}\d+(?=\.[^./]+$)")


def _fields_between(tokens: Sequence[Sequence[str]], level: int) -> Iterator[Field]:
    """Yield the fields between separators that are the same in all names."""
    separators = tokens[0][1::2]
    signs = "".join(sorted({sign for separator in separators for sign in separator}))
    columns = list(zip(*(each[::2] for each in tokens), strict=True))
    kinds = []
    for values in columns:
        if not signs:
            kinds.append(f"[^/]{{{len(values[0])}}}")
        elif all(value.isdigit() for value in values):
            kinds.append(r"\d+")
        elif len(set(values)) == 1 and values[0].isalpha():
            kinds.append(_literal(values[0]))
        else:
            kinds.append(f"[^/{re.escape(signs)}]*")
    for place, values in enumerate(columns):
        parts = [f"(?P<>{kind})" if number == place else kind for number, kind in enumerate(kinds)]
        after = _literal(separators[place]) if place < len(separators) else r"(?=\.[^./]+$)"
        before = "".join(part + _literal(mark) for part, mark in zip(parts[:place], separators, strict=False))
        is_count = place == len(columns) - 1 and kinds[place] == r"\d+"
        yield Field(level, tuple(values), f"{before}{parts[place]}{after}", is_count=is_count)
        letters = [re.fullmatch(r"([^\W\d_]+)\d+", value) for value in values]
        if all(letters) and len({match[1] for match in letters if match}) > 1:
            heads = tuple(match[1] for match in letters if match)
            yield Field(level, heads, rf"{before}(?P<>[^\W\d_]+)\d+{after}")


def _role_of(parts: Sequence[str]) -> tuple[tuple[str, ...], str, str] | None:
    """Return values, pattern and column of a level of folders whose names say what they are."""
    words = [_split_word(part) for part in parts]
    if len(set(words)) > 1 and all(words):
        around = {tuple(part.split(word, 1)) for part, word in zip(parts, words, strict=True)}
        head, tail = map(_literal, around.pop()) if len(around) == 1 else (r"(?:[^/]*[^/a-zA-Z])?", "(?![a-zA-Z])[^/]*")
        return tuple(words), f"{head}(?P<>{'|'.join(sorted(set(words)))}){tail}", "split"
    for column, pattern in (*ROLES.items(), ("group", _DATE)):
        found = [re.fullmatch(pattern, part, re.IGNORECASE) for part in parts]
        if len(set(parts)) > 1 and all(found):
            values = tuple(match[1] for match in found if match)
            heads = {match.string[: match.start(1)] for match in found if match}
            head = _literal(heads.pop()) if len(heads) == 1 else r"[^/]*?"
            kind = r"[\d _.-]+" if pattern == _DATE else r"\d+" if all(map(str.isdigit, values)) else r"\w+"
            return values, f"{head}(?P<>{kind})", column
    return None


def _split_word(name: str) -> str:
    """Return the word of a name that means a split; "" if it has none, or several."""
    words = [word for word in re.split(r"[^a-zA-Z]+", name) if word.lower() in SPLIT_WORDS]
    return words[0] if len(words) == 1 else ""


def _division(values: Sequence[Any]) -> tuple[int, ...]:
    """Return the same numbers for all fields that divide the paths alike."""
    first: dict[Any, int] = {}
    return tuple(first.setdefault(value, len(first)) for value in values)


def _literal(text: str) -> str:
    """Return a pattern of a text; people read it, so that nothing is escaped without need."""
    return re.escape(text).replace(r"\-", "-")
