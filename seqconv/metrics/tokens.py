"""Scores of sequences of tokens: what has to be changed to make one out of the other."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ShapeError
from seqconv.metrics.checks import IntArray, Scores, plain

COUNTS = ("substitutions", "deletions", "insertions", "tokens")
Counts = IntArray


def count_edits(references: Sequence[Sequence[Any]], answers: Sequence[Sequence[Any]]) -> Counts:
    """Count the edits that turn each reference into its answer, as few as possible, `(n, 4)`: see `COUNTS`.

    A deletion is a token of the reference that the answer lacks, an insertion one that only the answer has. The last
    number is that of the tokens of the reference.

    >>> count_edits(["abc", ""], ["axcd", "b"]).tolist()
    [[1, 0, 1, 3], [0, 0, 1, 0]]
    """
    from rapidfuzz.distance import Levenshtein

    if len(references) != len(answers):
        raise ShapeError(f"there are {len(references)} references but {len(answers)} answers, expected as many.")
    counts = np.zeros((len(references), len(COUNTS)), np.int64)
    columns = {"replace": 0, "delete": 1, "insert": 2}
    for row, reference, answer in zip(counts, references, answers, strict=True):
        for edit in Levenshtein.editops(reference, answer):
            row[columns[edit.tag]] += 1
        row[-1] = len(reference)
    return counts


def describe_edits(reference: Sequence[str], answer: Sequence[str], separator: str = "") -> str:
    """Write an answer with what was to be said instead: `[a>b]` where b stands for a, `[-a]` and `[+b]`.

    >>> describe_edits("abcd", "xbd"), describe_edits(["one", "two"], ["one", "two", "two"], " ")
    ('[a>x]b[-c]d', 'one two [+two]')
    """
    from rapidfuzz.distance import Levenshtein

    written: list[str] = []
    for code in Levenshtein.opcodes(reference, answer):
        lacking, given = (reference[code.src_start : code.src_end], answer[code.dest_start : code.dest_end])
        if code.tag == "equal":
            written += given
        elif code.tag == "replace":
            written += [f"[{one}>{other}]" for one, other in zip(lacking, given, strict=True)]
        else:
            written += [*(f"[-{token}]" for token in lacking), *(f"[+{token}]" for token in given)]
    return separator.join(written)


def token_scores(counts: Counts) -> Scores:
    """Compute the token error rate, pooled over the tokens of all sequences, its parts, and the sequence accuracy.

    Args:
        counts: of `count_edits`.

    Returns:
        `token_error_rate`, its parts `substitution_rate`, `deletion_rate` and `insertion_rate`, `sequence_accuracy`
        (the part of the sequences without an edit), the numbers of `COUNTS` and of references without a token, and
        `notes`.

    >>> scores = token_scores(count_edits(["abc", "b"], ["axcd", "b"]))
    >>> scores["token_error_rate"], scores["sequence_accuracy"]
    (0.5, 0.5)
    """
    rates = {name: plain(value) for name, value in _rates(counts, np.arange(len(counts))).items()}
    totals = {name: int(total) for name, total in zip(COUNTS, counts.sum(axis=0), strict=True)}
    empty = int(np.count_nonzero(counts[:, -1] == 0))
    notes = {name: "no reference has a token" for name, value in rates.items() if value is None}
    return {**rates, **totals, **({"empty_references": empty} if empty else {}), "notes": notes}


def token_scorer(counts: Counts) -> Callable[[IntArray], dict[str, float]]:
    """Make the function from indices of sequences to their token error rate and sequence accuracy."""

    def scores(indices: IntArray) -> dict[str, float]:
        found = _rates(counts, indices)
        return {name: found[name] for name in ("token_error_rate", "sequence_accuracy")}

    return scores


def error_rate(references: Sequence[Sequence[Any]], answers: Sequence[Sequence[Any]]) -> float:
    """Compute the edits by token of the references, NaN without any.

    >>> error_rate([["one", "two"]], [["one"]])
    0.5
    """
    counts = count_edits(references, answers)
    return float(_rates(counts, np.arange(len(counts)))["token_error_rate"])


def _rates(counts: Counts, indices: npt.NDArray[np.int64]) -> dict[str, float]:
    chosen = counts[indices]
    substitutions, deletions, insertions, tokens = chosen.sum(axis=0).tolist()

    def share(number: int) -> float:
        return number / tokens if tokens else float("nan")

    return {
        "token_error_rate": share(substitutions + deletions + insertions),
        "substitution_rate": share(substitutions),
        "deletion_rate": share(deletions),
        "insertion_rate": share(insertions),
        "sequence_accuracy": float((chosen[:, :-1].sum(axis=1) == 0).mean()) if len(chosen) else float("nan"),
    }
