"""Labels in the names of folders and files: fields between separators, which the pattern `data.label_from` finds."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.questions import Reading, choose
from seqconv.data.manifest.columns import SPLIT_WORDS
from seqconv.errors import list_some

# Folders that say whose, when or where, and the column that this is.
ROLES = {
    "group": r"(?:actor|speaker|spk|subject|subj|user|person|participant|patient|session|ses|take|trial)[ _-]?(\w*\d)",
    "fold": r"(?:fold)[ _-]?(\d+)",
}
_SEPARATORS = r"[-_. ,+@#~=]+"
_FEWEST_EACH = 2
_MOST_CLASSES = 400


@dataclass(frozen=True)
class Field:
    """A part of each path: its values, and its place in the pattern of its level.

    `role`: the column that it is by its name; None: it may be the label. `pattern`: of the level, with the part in a
    group that is still to be named.
    """

    level: int
    values: tuple[str, ...]
    pattern: str
    role: str | None = None

    @property
    def is_words(self) -> bool:
        return all(re.search(r"[^\W\d_]{2}", value) for value in self.values)

    @property
    def is_class(self) -> bool:
        """Whether few enough values occur often enough to be classes."""
        count = len(set(self.values))
        return self.role is None and 2 <= count <= min(_MOST_CLASSES, len(self.values) / _FEWEST_EACH)

    def named(self, name: str) -> str:
        """Return the pattern of the level, with a name for the group."""
        return self.pattern.replace("(?P<>", f"(?P<{name}>")

    def describe(self) -> str:
        """Return the number of values, and some of them."""
        values = sorted(set(self.values))
        return f"{len(values)} classes such as {list_some(values[:3])}"


@dataclass(frozen=True)
class Labels:
    """The pattern that finds labels, and sentences for the user."""

    pattern: str
    said: tuple[str, ...]


def find_labels(place: Place, paths: Sequence[PurePosixPath]) -> Labels | None:
    """Find the field of paths that is the label; ask if there are several.

    Folders go before names of files, except where the same words stand in the names in several folders: then either may
    be the label.

    Args:
        place: what the config is drafted for.
        paths: recordings, as the manifest sees them.

    Returns:
        None if there is no such field, or if it is that of a folder with a sub-folder for each class.

    Raises:
        ManifestError: several fields may be the label, and there is no terminal to ask on.
    """
    if len({len(path.parts) for path in paths}) != 1:
        return None
    fields = list(_find_fields(paths))
    last = len(paths[0].parts) - 1
    roles = [field for field in fields if field.role is not None]
    folders = [field for field in fields if field.is_class and field.level < last]
    names = [field for field in fields if field.is_class and field.level == last]
    choices = [*folders, *(field for field in names if _crosses(field, folders[0]))] if folders else names
    if not choices:
        return None
    field = choices[0] if len(choices) == 1 else _ask(place, paths, choices, roles)
    if field.level == 0 < last and not roles:
        return None
    pattern = _join(paths, [*roles, field])
    said = [f"LOOK AT THIS: the labels are taken from the paths: {field.describe()}"] if len(choices) == 1 else []
    others = [other for other in choices if other.level == last and other is not field and other.is_words]
    if others and not any(role.role == "group" for role in roles):
        shown = "; ".join(other.describe().replace(" classes", "") for other in others)
        said.append(
            f"LOOK AT THIS: the names also say: {shown}. What must stay in one split, such as a speaker, is "
            "(?P<group>...) in data.label_from"
        )
    for role in roles:
        shown = list_some(sorted(set(role.values))[:3])
        kept = ", of which each stays in one split" if role.role == "group" else ""
        said.append(f"{len(set(role.values))} {role.role}s in the paths, such as {shown}{kept}")
    return Labels(pattern, tuple(said))


def _ask(place: Place, paths: Sequence[PurePosixPath], fields: Sequence[Field], roles: Sequence[Field]) -> Field:
    example = paths[len(paths) // 2]
    readings = []
    for field in fields:
        where = "folders" if field.level < len(paths[0].parts) - 1 else "names of files"
        command = place.set("data.label_from", _join(paths, [*roles, field]))
        value = field.values[len(paths) // 2]
        readings.append(Reading(f"'{value}' in '{example}': {field.describe()}, in {where}", command, field))
    return choose(f"'{place.path}': what is to be learned may stand in several places of the paths.", readings)


def _find_fields(paths: Sequence[PurePosixPath]) -> Iterator[Field]:
    depth = len(paths[0].parts)
    seen: set[tuple[int, ...]] = set()
    for level in range(depth):
        parts = [path.stem if level == depth - 1 else path.parts[level] for path in paths]
        for field in _fields_of(parts, level, is_folder=level < depth - 1):
            # Fields that divide the recordings alike are one: the first stands for all.
            division = _division(field.values)
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
        if {part[0] for part in parts} == {"F", "M"} and all(re.fullmatch(r"[A-Z]{3,}\d*", part) for part in parts):
            # Names of speakers that begin with their sex.
            yield Field(level, tuple(part[0] for part in parts), "(?P<group>(?P<>[FM])[^/]+)")
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
        yield Field(level, tuple(values), f"{before}{parts[place]}{after}")
        letters = [re.fullmatch(r"([^\W\d_]+)\d+", value) for value in values]
        if all(letters) and len({match[1] for match in letters if match}) > 1:
            heads = tuple(match[1] for match in letters if match)
            yield Field(level, heads, rf"{before}(?P<>[^\W\d_]+)\d+{after}")


def _role_of(parts: Sequence[str]) -> tuple[tuple[str, ...], str, str] | None:
    """Return values, pattern and column of a level of folders whose names say what they are."""
    if len(set(parts)) > 1 and {part.lower() for part in parts} <= set(SPLIT_WORDS):
        return tuple(parts), f"(?P<>{'|'.join(sorted(set(parts)))})", "split"
    for column, pattern in ROLES.items():
        found = [re.fullmatch(pattern, part, re.IGNORECASE) for part in parts]
        if len(set(parts)) > 1 and all(found):
            values = tuple(match[1] for match in found if match)
            heads = {match.string[: match.start(1)] for match in found if match}
            head = _literal(heads.pop()) if len(heads) == 1 else r"[^/]*?"
            return values, f"{head}(?P<>{_kind(values)})", column
    return None


def _kind(values: Sequence[str]) -> str:
    return r"\d+" if all(value.isdigit() for value in values) else r"\w+"


def _join(paths: Sequence[PurePosixPath], fields: Sequence[Field]) -> str:
    """Return one pattern for fields of several levels; the last of them is the label."""
    named = [(field, field.role or "label") for field in fields]
    by_level: dict[int, str] = {}
    for field, name in named:
        if field.level in by_level:
            return _nested(paths, named)
        by_level[field.level] = field.named(name)
    levels = [by_level.get(level, "[^/]+") for level in range(min(by_level), max(by_level) + 1)]
    pattern = "/".join(levels) + ("/" if max(by_level) < len(paths[0].parts) - 1 else "")
    if all(_finds(pattern, path, named, place) for place, path in enumerate(paths)):
        return pattern
    return "^" + "[^/]+/" * min(by_level) + pattern


def _nested(paths: Sequence[PurePosixPath], named: Sequence[tuple[Field, str]]) -> str:
    """Return a pattern for two fields of one level: lookaheads from its beginning."""
    level = named[0][0].level
    heads = "".join(f"(?={field.named(name)})" for field, name in named[:-1])
    return "^" + "[^/]+/" * level + heads + named[-1][0].named(named[-1][1])


def _finds(pattern: str, path: PurePosixPath, named: Sequence[tuple[Field, str]], place: int) -> bool:
    match = re.search(pattern, path.as_posix())
    return match is not None and all(match[name] == field.values[place] for field, name in named)


def _division(values: Sequence[Any]) -> tuple[int, ...]:
    """Return the same numbers for all fields that divide the paths alike."""
    first: dict[Any, int] = {}
    return tuple(first.setdefault(value, len(first)) for value in values)


def _crosses(field: Field, folders: Field) -> bool:
    """Whether a field is of words, most of which stand in several folders, and in each folder several times."""
    pairs = set(zip(field.values, folders.values, strict=True))
    several = sum(count > 1 for count in Counter(value for value, _ in pairs).values())
    is_often = len(field.values) >= _FEWEST_EACH * len(pairs)
    return field.is_words and several > len(set(field.values)) / 2 and is_often


def _literal(text: str) -> str:
    """Return a pattern of a text; people read it, so that nothing is escaped without need."""
    return re.escape(text).replace(r"\-", "-")
