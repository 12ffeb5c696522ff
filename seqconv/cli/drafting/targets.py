"""The target to learn: the column that holds it, and what kind of values these are."""

import math
import re
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.questions import Reading, choose
from seqconv.data.manifest.columns import KNOWN_COLUMNS, SPLIT_WORDS
from seqconv.errors import ManifestError, list_some
from seqconv.tasks.base import Task, find_task

# Names of columns with classes, and of columns with what must stay together; the first that is there is proposed.
LABEL_NAMES = ("label", "labels", "category", "class", "primary_label", "emotion", "genre", "species", "scene_label")
SURE_GROUPS = ("client_id", "speaker_id", "subject_id", "patient_id", "user_id", "author", "fsID", "source_id")
GROUP_NAMES = ("speaker", "subject", "patient", "person", "machine", "device", "session", "user", "site", "room", "day")
LABEL_WORDS = {"label", "labels", "class", "classes", "category", "emotion", "species", "genre"}
MOST_CLASSES = 30
SEPARATOR = ";"
_FEWEST_EACH = 2
_SENTENCE = re.compile(r'["?!]|[a-z]{2}\.( |$)')
_MOST_WORDS = 3


@dataclass(frozen=True)
class TargetFacts:
    """The target to learn: `task`, its column, and for classes the number of sequences with each.

    `column` is None where events have the labels; `background`: the class of what has no event. `said`: sentences for
    the user.
    """

    task: str
    column: str | None
    counts: dict[str, int]
    why: str
    separator: str = SEPARATOR
    background: str | None = None
    said: tuple[str, ...] = ()


def find_target(frame: pd.DataFrame, column: str | None, place: Place) -> TargetFacts:
    """Find the target column and the kind of its values: classes, several classes in a cell, or numbers.

    Args:
        frame: a manifest.
        column: the target; default `label`, or else the only other column of classes.
        place: what the config is drafted for.

    Raises:
        ManifestError: there is no such column: lists the others, and what they hold; or it holds a single class.
    """
    name, said = column or "label", tuple[str, ...]()
    if name not in frame or frame[name].isna().all():
        choices = find_label_columns(frame) if column is None else []
        if not choices:
            raise ManifestError(_describe_absence(frame, name))
        name, said = choices[0], (f"LOOK AT THIS: column '{choices[0]}' is taken for what is to be learned",)
        if len(choices) > 1:
            name, said = _ask(frame, choices, place), ()
    given = place.given.get("target", {})
    if given.get("task") in Task.registry and find_task(given["task"]).joins_frames:
        # Their cells look like classes or numbers: only the user can say that they are sequences.
        separator = given.get("separator", find_task(given["task"]).separator)
        return TargetFacts(given["task"], name, {}, "as you say", separator, said=said)
    target = _target_of(name, [str(cell) for cell in frame[name] if not pd.isna(cell)], said)
    if target.task == "classification" and len(target.counts) == 1:
        raise ManifestError(
            f"all {len(frame):,} sequences have the label '{next(iter(target.counts))}': there is nothing to "
            "learn. Add sequences of another class, or name another column with --label"
        )
    return target


def find_label_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that may hold the labels: those that are named so, or else all that hold classes.

    >>> table = {"path": list("abcdef"), "speaker": list("xxyyzz"), "sex": list("FMFMFM"), "text": list("ghijkl")}
    >>> find_label_columns(pd.DataFrame(table))
    ['sex']
    """
    named = [name for name in LABEL_NAMES if name in frame and frame[name].notna().any()]
    if named:
        return named[:1]
    classes = [name for name in frame.columns if _holds_classes(str(name), frame[name])]
    worded = [name for name in classes if LABEL_WORDS & set(re.split(r"[\W_]+", name.lower()))]
    return worded if len(worded) == 1 else classes


def _holds_classes(name: str, cells: pd.Series) -> bool:
    """Whether a column has few values that occur often, and they are neither numbers, sentences nor groups."""
    others = {*KNOWN_COLUMNS, *SURE_GROUPS, *GROUP_NAMES, *(name.lower() for name in SURE_GROUPS)}
    present = cells.dropna().astype(str)
    values = present.unique().tolist()
    if name.lower() in others or says_splits(cells) or not 2 <= len(values) <= len(present) / _FEWEST_EACH:
        return False
    if len(_numbers_in(values)) > 1:
        return set(values) == {"0", "1"}
    num_words = sum(len(value.split()) for value in values) / len(values)
    return not any(map(_SENTENCE.search, values)) and num_words <= _MOST_WORDS


def holds_numbers(frame: pd.DataFrame) -> bool:
    """Whether a column holds numbers, which may be what is to be learned."""
    columns = [frame[name].dropna().tolist() for name in _others(frame)]
    return any(len(set(cells)) > 2 and len(_numbers_in(cells)) == len(cells) for cells in columns)


def says_splits(cells: pd.Series) -> bool:
    """Whether all cells of a column are words for splits, and some say train."""
    words = {SPLIT_WORDS.get(str(cell).strip().lower()) for cell in cells.dropna()}
    return None not in words and "train" in words and len(words) > 1


def _describe_absence(frame: pd.DataFrame, name: str) -> str:
    held = "; ".join(f"{other} ({_describe(frame[other])})" for other in _others(frame))
    return f"there is no column '{name}' with labels. Name what is to be learned with --label COLUMN" + (
        f"; the table has {held}" if held else "; the table has no other column either, so add one"
    )


def _ask(frame: pd.DataFrame, names: list[str], place: Place) -> str:
    held = "; ".join(
        f"{other} ({_describe(frame[other])})"
        for other in _others(frame)
        if frame[other].nunique() > 1 and other not in names
    )
    question = "there is no column 'label' with labels. Name what is to be learned with --label COLUMN" + (
        f"; the table also has {held}." if held else "."
    )
    readings = [Reading(f"{name} ({_describe(frame[name])})", place.command("--label", name), name) for name in names]
    return choose(question, readings)


def _others(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame.columns if name not in (*KNOWN_COLUMNS, "case", "case_form")]


def _target_of(name: str, cells: list[str], said: tuple[str, ...]) -> TargetFacts:
    numbers, distinct = _numbers_in(cells), len(set(cells))
    counted = distinct == len(set(numbers)) == max(numbers, default=0) - min(numbers, default=0) + 1 < len(cells) / 2
    if (
        len(numbers) == len(cells)
        and (distinct > MOST_CLASSES or any(number % 1 for number in numbers))
        and not counted
    ):
        span = f"{distinct} different numbers from {min(numbers):g} to {max(numbers):g}"
        return TargetFacts("regression", name, {}, span, said=said)
    for separator in (SEPARATOR, ",", "|"):
        if not any(separator in cell for cell in cells):
            continue
        parts = [part.strip() for cell in cells for part in cell.split(separator) if part.strip()]
        # Names of single classes may hold a comma, and then their parts do not occur elsewhere.
        if separator == SEPARATOR or len(set(parts)) < len(parts) / 2:
            why = f"cells with several labels, separated by '{separator}'"
            return TargetFacts("multilabel", name, counted_labels(parts), why, separator, said=said)
    return TargetFacts("classification", name, counted_labels(cells), f"{distinct} different labels", said=said)


def find_groups(frame: pd.DataFrame, target: str | None) -> list[str]:
    """Find columns that look like groups, if there is no column `group`."""
    if not frame["group"].isna().all():
        return []
    return [name for name in frame.columns if name.lower() in GROUP_NAMES and name != target]


def counted_labels(labels: list[str]) -> dict[str, int]:
    """Return the number of times that each label occurs, the commonest first."""
    return dict(Counter(sorted(labels)).most_common())


def _describe(cells: pd.Series) -> str:
    present = [str(cell) for cell in cells if not pd.isna(cell)]
    distinct = sorted(set(present))
    numbers = _numbers_in(distinct)
    if len(distinct) > MOST_CLASSES and len(numbers) == len(distinct):
        return f"numbers from {min(numbers):g} to {max(numbers):g}"
    return f"{len(distinct)} values such as {list_some(distinct, limit=2).split(' and ')[0]}"


def _numbers_in(cells: list[str]) -> list[float]:
    """Return the values of the cells that are finite numbers."""
    numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce")
    return [number for number in numbers.tolist() if math.isfinite(number)]
