"""Labels in the names of folders and files: the field that is the label, and the pattern `data.label_from` for it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from seqconv.cli.drafting.fields import FEWEST_EACH, Field, find_fields
from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.questions import Reading, choose
from seqconv.errors import ManifestError, list_some


@dataclass(frozen=True)
class Labels:
    """The pattern that finds labels, how many folds it finds, and sentences for the user."""

    pattern: str
    folds: int | None
    said: tuple[str, ...]


def find_labels(place: Place, paths: Sequence[PurePosixPath]) -> Labels | None:
    """Find the field of paths that is the label; ask if there are several.

    Folders go before names of files, except where the same words (in folders of numbers: the same values) stand in the
    names in several folders: then either may be the label.

    Args:
        place: what the config is drafted for.
        paths: recordings, as the manifest sees them.

    Returns:
        None if there is no such field, or if it is that of a folder with a sub-folder for each class.

    Raises:
        ManifestError: several fields may be the label, and there is no terminal to ask on; or folders say who or when,
            and nothing says what.
    """
    if len({len(path.parts) for path in paths}) != 1:
        return None
    fields = list(find_fields(paths))
    last = len(paths[0].parts) - 1
    # The outermost of each kind: a session is within what a speaker has said.
    roles = list({field.role: field for field in reversed(fields) if field.role is not None}.values())
    folders = [field for field in fields if field.is_class and field.level < last]
    names = [field for field in fields if field.is_class and field.level == last]
    if any(field.is_words for field in names) or len(names) > 1:
        # Words are counted: dog_1, dog_2.
        names = [field for field in names if not field.is_count]
    choices = [*folders, *(field for field in names if _crosses(field, folders[0]))] if folders else names
    if not choices:
        _refuse_roles(place, roles)
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
    folds = next((len(set(role.values)) for role in roles if role.role == "fold"), None)
    return Labels(pattern, folds, tuple(said))


def _refuse_roles(place: Place, roles: Sequence[Field]) -> None:
    outer = [role for role in roles if role.level == 0 and role.role != "split"]
    if outer:
        shown = list_some(sorted(set(outer[0].values))[:3])
        raise ManifestError(
            f"'{place.path}': its sub-folders seem to be {outer[0].role}s ({shown}), not classes, and the names of "
            "files do not say labels. Add a table of the recordings, or if they are classes: "
            f"{place.set('data.label_from', '^(?P<label>[^/]+)/')}"
        )


def _ask(place: Place, paths: Sequence[PurePosixPath], fields: Sequence[Field], roles: Sequence[Field]) -> Field:
    example = paths[len(paths) // 2]
    readings = []
    for field in fields:
        where = "folders" if field.level < len(paths[0].parts) - 1 else "names of files"
        command = place.set("data.label_from", _join(paths, [*roles, field]))
        value = field.values[len(paths) // 2]
        readings.append(Reading(f"'{value}' in '{example}': {field.describe()}, in {where}", command, field))
    return choose(f"'{place.path}': what is to be learned may stand in several places of the paths.", readings)


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


def _crosses(field: Field, folders: Field) -> bool:
    """Whether most values of a field stand in several folders, and in each several times.

    Numbers within folders of words are mostly speakers or takes; within folders of numbers, either may be the label.
    """
    pairs = set(zip(field.values, folders.values, strict=True))
    several = sum(count > 1 for count in Counter(value for value, _ in pairs).values())
    is_often = len(field.values) >= FEWEST_EACH * len(pairs)
    may_be_label = field.is_words or not folders.is_words
    return may_be_label and several > len(set(field.values)) / 2 and is_often
