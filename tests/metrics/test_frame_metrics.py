"""Scores of frames from sums by sequence: the same as from the frames themselves."""

import numpy as np
import pytest

from seqconv.errors import ConfigError
from seqconv.metrics import bootstrap_intervals
from seqconv.tasks import find_task

NAMES = ["a", "b", "c"]
OWNERS = np.repeat([0, 1, 3, 4], [5, 12, 1, 30])  # sequence 2 has no labeled frame


def made(task, rng):
    count = len(OWNERS)
    if task == "classification":
        raw = rng.random((count, 3))
        return rng.integers(3, size=count), raw / raw.sum(axis=1, keepdims=True)
    if task == "multilabel":
        # Rounded, so that probabilities tie.
        return (rng.random((count, 3)) < 0.3).astype(float), rng.random((count, 3)).round(1)
    targets = rng.normal(1e6, 1, (count, 3))
    return targets, targets + rng.normal(size=(count, 3))


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_sums_by_sequence_give_the_scores_of_all_frames(task, rng):
    targets, predictions = made(task, rng)
    scorer = find_task(task).frame_scorer(targets, predictions, OWNERS, 5)
    plain = find_task(task).headline_scorer(targets, predictions)
    for drawn in ([0, 1, 2, 3, 4], [4], [0, 0, 3], [1, 4, 4, 2]):
        frames = np.concatenate([np.flatnonzero(sequence == OWNERS) for sequence in drawn])
        wanted = plain(frames)
        found = scorer(np.array(drawn))
        assert set(wanted) - set(found) <= {"spearman"}
        for name, value in found.items():
            assert value == pytest.approx(wanted[name], rel=1e-6, nan_ok=True), (drawn, name)
    everything = find_task(task).score(targets, predictions, NAMES)
    for name, value in scorer(np.arange(5)).items():
        assert value == pytest.approx(everything[name], rel=1e-9)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_sequences_without_a_labeled_frame_have_no_score(task, rng):
    targets, predictions = made(task, rng)
    found = find_task(task).frame_scorer(targets, predictions, OWNERS, 5)(np.array([2]))
    assert len(found) >= 3
    assert np.isnan(list(found.values())).all()


def test_intervals_are_wider_when_frames_of_a_sequence_agree():
    rng = np.random.default_rng(0)
    owners = np.repeat(np.arange(40), 50)
    is_right = rng.random(40) < 0.7
    targets = np.zeros(len(owners), int)
    probabilities = np.where(is_right[owners][:, None], [[0.9, 0.1]], [[0.1, 0.9]])
    task = find_task("classification")
    by_sequence = bootstrap_intervals(task.frame_scorer(targets, probabilities, owners, 40), 40)
    by_frame = bootstrap_intervals(
        find_task("classification").headline_scorer(targets, probabilities), len(owners), repeats=200
    )
    widths = [np.diff(interval["accuracy"])[0] for interval in (by_sequence, by_frame)]
    assert widths[0] > 5 * widths[1]


def test_an_unknown_task_is_refused():
    with pytest.raises(ConfigError, match="there is no task 'ranking'"):
        find_task("ranking").frame_scorer([0], [[1.0]], [0], 1)
