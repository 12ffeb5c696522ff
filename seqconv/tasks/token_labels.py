"""Labels that are sequences of tokens: characters of a text, words, symbols between a separator, or lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.errors import ManifestError, list_some
from seqconv.metrics.checks import IntArray
from seqconv.tasks.forms import Array
from seqconv.tasks.frame_labels import describe, raise_listed
from seqconv.tasks.raw_labels import label_name, label_rows, sorted_names

BLANK_NAME = ""
"""The name of the blank among the names of a target: the output that says nothing. Its place there is its index."""

Tokens = tuple[str, ...]


def read_tokens(raw_labels: Any, separator: str, ids: Sequence[str] | None = None) -> list[Tokens]:
    """Return the tokens of each label.

    Args:
        raw_labels: text, numbers (read as text), or lists of tokens, one for each sequence.
        separator: between the tokens of a text; empty: every character is one; a space: any white space.
        ids: names of the sequences, for messages.

    Raises:
        ManifestError: labels without a token, or with nothing between two separators, or of a form without order.

    >>> read_tokens(["no", 12], ""), read_tokens(["a; bc"], ";"), read_tokens([["k", "ae", "t"]], "")
    ([('n', 'o'), ('1', '2')], [('a', 'bc')], [('k', 'ae', 't')])
    """
    values = label_rows(raw_labels)
    strange = [row for row, value in enumerate(values) if not _is_label(value)]
    if strange:
        raise ManifestError(
            f"{describe(strange, ids)} have labels that are neither text nor lists of tokens, the first "
            f"{values[strange[0]]!r:.60}. Write the tokens as text, or as a list in their order"
        )
    found = [split_tokens(value, separator) for value in values]
    empty = [row for row, tokens in enumerate(found) if not tokens]
    hollow = [row for row, tokens in enumerate(found) if "" in tokens]
    problems = []
    if empty:
        problems.append(
            f"{describe(empty, ids)} have an empty label: there is nothing to say. Write what is said in them, or "
            "leave them out"
        )
    if hollow:
        problems.append(f"{describe(hollow, ids)} have a token without any character. Remove one of the separators")
    raise_listed(problems)
    return found


def split_tokens(value: Any, separator: str) -> Tokens:
    """Return the tokens of one label as `read_tokens` does, none where it is empty.

    >>> split_tokens("one two", " "), split_tokens(None, "")
    (('one', 'two'), ())
    """
    if isinstance(value, list | tuple):
        return tuple(label_name(token) for token in value)
    return split_text(label_name(value), separator)


def split_text(text: str, separator: str) -> Tokens:
    """Return the tokens of a text, of which a single space may be one, none where it is empty.

    >>> split_text(" ", ""), split_text("k; ae", ";"), split_text("", ";")
    ((' ',), ('k', 'ae'), ())
    """
    if not separator or not text:
        return tuple(text)
    return tuple(text.split() if separator.isspace() else (part.strip() for part in text.split(separator)))


def _is_label(value: Any) -> bool:
    """Whether a label is one value, or a list of such."""
    parts = value if isinstance(value, list | tuple) else [value]
    return not any(isinstance(part, list | tuple | set | frozenset | dict) for part in parts)


def check_names(names: Sequence[str], separator: str) -> None:
    """Check that the text of an answer tells which tokens it has.

    Raises:
        ManifestError: tokens that the separator does not keep apart.
    """
    wrong = [name for name in names if split_text(name, separator) != (name,)]
    if wrong:
        between = (
            f"target.separator {separator!r}" if separator else "target.separator '', by which each character is one"
        )
        raise ManifestError(
            f"text of the tokens {list_some(wrong)} would be read as other ones, with {between}. Set target.separator "
            "to something that is in no token, such as ';'"
        )


def find_vocabulary(labels: Sequence[Tokens]) -> Tokens:
    """Return the names of the outputs: that of the blank, then the tokens that occur, sorted.

    >>> find_vocabulary([("10", "b"), ("9",)])
    ('', '9', '10', 'b')
    """
    return (BLANK_NAME, *sorted_names(token for tokens in labels for token in tokens))


def read_vocabulary(path: str | Path) -> Tokens:
    """Read the tokens of a file, one in each line, in their order; a space may be one.

    Raises:
        ManifestError: the file cannot be read, or has an empty line or a token twice.
    """
    try:
        tokens = Path(path).read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"target.vocabulary: '{path}' cannot be read: {error}") from error
    numbers = {token: number for number, token in reversed(list(enumerate(tokens, 1)))}
    wrong = [number for number, token in enumerate(tokens, 1) if not token or numbers[token] != number]
    if wrong:
        raise ManifestError(
            f"target.vocabulary: '{path}' has in line {wrong[0]} the token '{tokens[wrong[0] - 1]}', which is empty or "
            "stands in a line before. Write every token once"
        )
    return tuple(tokens)


def number_tokens(labels: Sequence[Tokens], names: Sequence[str], ids: Sequence[str] | None = None) -> list[IntArray]:
    """Return the places of the tokens of each label among `names`.

    Raises:
        ManifestError: tokens that are none of the names; the message lists them, who has them, and the known ones.

    >>> [numbers.tolist() for numbers in number_tokens([("b", "a")], ["", "a", "b"])]
    [[2, 1]]
    """
    places = {name: place for place, name in enumerate(names) if name != BLANK_NAME}
    strange = [row for row, tokens in enumerate(labels) if not places.keys() >= set(tokens)]
    if strange:
        unknown = sorted_names(token for row in strange for token in labels[row] if token not in places)
        raise ManifestError(
            f"{describe(strange, ids)} have tokens that are not in the vocabulary: {list_some(unknown)}. Known: "
            f"{list_some(places, 40)}. A model cannot learn them from train: move some of these sequences there, or "
            "name all tokens in target.vocabulary. If each should be several tokens, set target.separator"
        )
    return [np.array([places[token] for token in tokens], np.int64) for tokens in labels]


def state_rows(labels: Sequence[IntArray], blank: int) -> Array:
    """Return labels as `ctc.ctc_losses` reads them, int32 `(n, 1 + S)`: how many states there are, and these.

    >>> state_rows([np.array([2]), np.array([1, 1])], blank=0).tolist()
    [[3, 0, 2, 0, 0, 0], [5, 0, 1, 0, 1, 0]]
    """
    rows = np.full((len(labels), 2 + 2 * max(map(len, labels), default=0)), blank, np.int32)
    for row, tokens in zip(rows, labels, strict=True):
        row[0] = 2 * len(tokens) + 1
        row[2 : 1 + row[0] : 2] = tokens
    return rows


def frames_needed(rows: Array) -> IntArray:
    """Count the output frames that each label needs, `(n,)`: its tokens, and a blank between two that are the same.

    >>> frames_needed(state_rows([np.array([2]), np.array([1, 1, 2])], blank=0)).tolist()
    [1, 4]
    """
    tokens = rows[:, 2::2]
    is_there = np.arange(tokens.shape[1]) < rows[:, :1] // 2
    repeats = (tokens[:, 1:] == tokens[:, :-1]) & is_there[:, 1:]
    return np.asarray(is_there.sum(axis=1) + repeats.sum(axis=1), np.int64)
