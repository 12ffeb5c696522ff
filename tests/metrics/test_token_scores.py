"""Error rates of tokens: by hand, by the edit distance of a table, pooled, and over parts of the sequences."""

import numpy as np
import pytest

from seqconv.errors import ShapeError
from seqconv.metrics.tokens import count_edits, token_scorer, token_scores


def distance(reference, answer):
    """The table of Levenshtein."""
    row = list(range(len(answer) + 1))
    for place, token in enumerate(reference, 1):
        before, row[0] = row[:], place
        for at, other in enumerate(answer, 1):
            row[at] = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (token != other))
    return row[-1]


def test_edits_are_as_few_as_possible():
    rng = np.random.default_rng(0)
    references = [rng.integers(3, size=rng.integers(0, 9)).tolist() for _ in range(60)]
    answers = [rng.integers(3, size=rng.integers(0, 9)).tolist() for _ in range(60)]
    counts = count_edits(references, answers)
    edits = [distance(*pair) for pair in zip(references, answers, strict=True)]
    assert counts[:, :3].sum(axis=1).tolist() == edits
    assert counts[:, 3].tolist() == [len(reference) for reference in references]
    # What is there is what was to be there, less what lacks, and what there is more.
    assert (counts[:, 3] - counts[:, 1] + counts[:, 2]).tolist() == [len(answer) for answer in answers]


def test_rates_are_pooled_over_tokens_and_empty_references_are_counted():
    counts = count_edits(["abcdefgh", "a", ""], ["abcdefgh", "bc", "x"])
    scores = token_scores(counts)
    # Of nine tokens one is another, and two are too many; the mean over sequences would be another number.
    assert scores["token_error_rate"] == pytest.approx(3 / 9)
    assert [scores[f"{name}_rate"] for name in ("substitution", "deletion", "insertion")] == [1 / 9, 0, 2 / 9]
    assert scores["sequence_accuracy"] == pytest.approx(1 / 3)
    assert scores["empty_references"] == 1
    assert (scores["substitutions"], scores["deletions"], scores["insertions"], scores["tokens"]) == (1, 0, 2, 9)


def test_without_any_token_there_is_no_rate_and_a_reason():
    scores = token_scores(count_edits([""], ["a"]))
    assert scores["token_error_rate"] is None
    assert scores["notes"]["token_error_rate"] == "no reference has a token"
    assert scores["sequence_accuracy"] == 0


def test_scores_of_some_are_those_of_them_alone():
    references, answers = ["ab", "abc", "b", "ca"], ["ab", "ac", "a", "cab"]
    scorer, some = token_scorer(count_edits(references, answers)), np.array([1, 1, 3])
    alone = token_scores(count_edits([references[i] for i in some], [answers[i] for i in some]))
    assert scorer(some) == {name: alone[name] for name in ("token_error_rate", "sequence_accuracy")}


def test_as_many_answers_as_references_are_needed():
    with pytest.raises(ShapeError, match="2 references but 1 answers"):
        count_edits(["a", "b"], ["a"])
