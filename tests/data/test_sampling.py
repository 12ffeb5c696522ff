"""Epochs in which rare classes come more often: pure in seed and epoch, fair within a class."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqconv.data.sampling import BalancedSampler, draw_by_class
from seqconv.errors import ConfigError
from seqconv.tasks.frame_labels import FrameLabels
from seqconv.tasks.target import Target, fit_target

CLASSES = Target("classification", ("a", "b", "c"))
TAGS = Target("multilabel", ("a", "b"))


def drawn(sampling, classes, epochs=range(3), seed=0):
    """Class numbers that the epochs draw."""
    classes = np.asarray(classes)
    draw = draw_by_class(sampling, CLASSES, np.eye(3)[classes], np.arange(len(classes)) + 1, seed=seed)
    return [classes[draw.indices(epoch)] for epoch in epochs]


IMBALANCED = np.repeat([0, 1, 2], [81, 9, 9])


def test_natural_is_no_draw():
    assert draw_by_class("natural", CLASSES, np.eye(3), [1, 2, 3]) is None
    assert draw_by_class("natural", Target("regression", ("v",)), [[1.0]], [3]) is None


def test_balanced_draws_every_class_equally_often():
    for classes in drawn("balanced", IMBALANCED):
        assert np.bincount(classes).tolist() == [33, 33, 33]


def test_sqrt_lies_between():
    for classes in drawn("sqrt", IMBALANCED):
        # The roots of 81, 9 and 9 are as 3 to 1 to 1.
        assert np.bincount(classes).tolist() == [59, 20, 20]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.tuples(*[st.integers(1, 60)] * 3),
    sampling=st.sampled_from(["balanced", "sqrt"]),
    seed=st.integers(0, 99),
    epochs=st.integers(1, 12),
)
def test_over_the_epochs_all_of_a_class_come_equally_often(counts, sampling, seed, epochs):
    classes = np.repeat([0, 1, 2], counts)
    draw = draw_by_class(sampling, CLASSES, np.eye(3)[classes], np.arange(len(classes)) + 1, seed=seed)
    every = np.concatenate([draw.indices(epoch) for epoch in range(epochs)])
    assert len(every) == epochs * draw.counts.sum()
    assert max(len(classes), 3) <= draw.counts.sum() <= len(classes) + 2
    often = np.bincount(every, minlength=len(classes))
    for number in range(3):
        assert np.ptp(often[classes == number]) <= 1
        assert often[classes == number].sum() == epochs * draw.counts[number]


def test_a_draw_is_pure_in_seed_and_epoch():
    labels, lengths = np.eye(3)[IMBALANCED], np.arange(99) + 4
    one, other = (draw_by_class("balanced", CLASSES, labels, lengths, seed=3) for _ in range(2))
    later = [other.indices(epoch) for epoch in (2, 1, 0)][::-1]
    for epoch in range(3):
        np.testing.assert_array_equal(one.indices(epoch), later[epoch])
        np.testing.assert_array_equal(one.lengths(epoch), lengths[later[epoch]])
    assert sorted(later[0]) != sorted(later[1])
    another = draw_by_class("balanced", CLASSES, labels, lengths, seed=4)
    assert sorted(another.indices(0)) != sorted(later[0])
    assert one.bounds() == (4, 102)


def test_of_several_labels_the_rarest_decides():
    # 60 with a alone, 20 with a and b, 20 with none: b, and none, are in a fifth of them, a in four fifths.
    labels = np.repeat([[1, 0], [1, 1], [0, 0]], [60, 20, 20], axis=0)
    draw = draw_by_class("balanced", TAGS, labels, np.ones(100, int))
    # 60 / 0.8 = 75 to 20 / 0.2 = 100 to 100.
    assert np.bincount(draw.groups[draw.indices(0)]).tolist() == [27, 37, 36]
    assert str(draw) == "an epoch draws, of those there are: a 27 of 60, b 37 of 20, (none) 36 of 20"
    rooted = draw_by_class("sqrt", TAGS, labels, np.ones(100, int))
    assert np.bincount(rooted.groups[rooted.indices(0)])[0] in range(28, 61)


def test_missing_labels_count_neither_way():
    known = np.repeat([[1, 0], [0, 1], [0, 0]], [6, 2, 2], axis=0).astype(float)
    # As many again of which b is not known: it stays in a quarter of those where it is.
    unknown = np.repeat([[1, np.nan], [0, np.nan]], [6, 4], axis=0)
    draw = draw_by_class("balanced", TAGS, np.vstack([known, unknown]), np.ones(20, int))
    parts = np.array([12 / 20, 2 / 10, 6 / 20])
    expected = np.array([12, 2, 6]) / parts
    np.testing.assert_allclose(draw.shares, expected / expected.sum())


def test_a_sequence_of_which_nothing_is_known_comes_as_often_as_by_nature():
    labels = np.vstack([np.repeat([[1.0, 0], [0, 1]], [6, 2], axis=0), [[np.nan, np.nan]] * 2])
    draw = draw_by_class("balanced", TAGS, labels, np.ones(10, int))
    assert draw.names == ("a", "b", "(unknown)")
    assert draw.shares[2] == min(draw.shares)


def test_labels_of_frames_are_taken_together():
    labels = FrameLabels("classification", ("a", "b"), [np.array([0, 0, 1]), *[np.array([0, 0, -1])] * 9])
    draw = draw_by_class("balanced", Target("classification", ("a", "b"), kind="frame"), labels, np.full(10, 3))
    # b is in a tenth of them, a in all: one with b is worth ten others.
    assert (draw.indices(0) == 0).sum() == 5


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ConfigError, match=r"training\.sampling='often': expected one of natural, balanced, sqrt"):
        draw_by_class("often", CLASSES, np.eye(3), [1, 2, 3])
    with pytest.raises(ConfigError, match=r"'balanced' draws classes, but target\.task is 'regression'"):
        draw_by_class("balanced", fit_target("regression", [1.0, 2.0]), [[1.0], [2.0]], [3, 4])


def test_an_epoch_has_as_many_sequences_as_there_are_however_small_some_shares():
    groups = np.array([0, 1, 2] + [3] * 97)
    draw = BalancedSampler(groups, np.array([0.002, 0.003, 0.004, 0.991]), np.full(100, 5))
    assert draw.counts.tolist() == [1, 1, 1, 97]
    assert len(draw.indices(0)) == len(draw.indices(1)) == 100
