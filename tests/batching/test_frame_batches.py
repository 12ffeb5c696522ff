"""Labels of frames in batches: where they lie, what they weigh, in every layout."""

import numpy as np
import pytest
from support.dummies import random_sequences

from seqconv.batching import FrameTargets, make_batch, make_plan, unpack_frames
from seqconv.batching.strategies import STRATEGIES
from seqconv.data.class_weights import class_weights, frame_class_weights
from seqconv.errors import ConfigError, ShapeError
from seqconv.geometry import TimeLayer
from seqconv.tasks.frame_arrays import read_frame_labels
from seqconv.tasks.target import Target, fit_target

LENGTHS = [7, 1, 12, 4, 30, 9, 2, 15]
GEOMETRIES = {1: (TimeLayer(5), TimeLayer(3)), 2: (TimeLayer(5, stride=2), TimeLayer(3)),
              6: (TimeLayer(3, stride=3), TimeLayer(3, stride=2))}  # fmt: skip


@pytest.fixture
def labels(rng):
    """One-hot rows of three classes, every fourth frame without a label, the last sequence without any."""
    arrays = [np.eye(3)[rng.integers(3, size=length)] for length in LENGTHS]
    for array in arrays:
        array[1::4] = np.nan
    arrays[-1][:] = np.nan
    return arrays


def batches(rng, targets, strategy, stride, weights=None):
    sequences = random_sequences(rng, LENGTHS, 2)
    size = {} if strategy == "single" else {"batch_size": 3}
    plan = make_plan(strategy, LENGTHS, time_geometry=GEOMETRIES[stride], **size)
    return [make_batch(layout, sequences, labels=targets, weights=weights, fill=np.nan) for layout in plan.epoch(0)]


@pytest.mark.parametrize("stride", GEOMETRIES)
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_each_output_frame_has_the_label_of_its_input_frame(rng, labels, strategy, stride):
    seen = 0
    for batch in batches(rng, FrameTargets(labels, 3, total_stride=stride), strategy, stride):
        width = -(-batch.layout.width // stride)
        assert batch.labels.shape == (batch.layout.rows, width, 3)
        assert batch.weights.shape == (batch.layout.rows, width)
        found = unpack_frames(batch.labels, batch.layout, GEOMETRIES[stride])
        weights = unpack_frames(batch.weights, batch.layout, GEOMETRIES[stride])
        for index, rows, shares in zip(batch.layout.indices, found, weights, strict=True):
            wanted = labels[index][::stride]
            np.testing.assert_array_equal(rows, np.nan_to_num(wanted))
            np.testing.assert_array_equal(shares > 0, ~np.isnan(wanted).any(axis=1))
            seen += 1
        # Nothing but the frames of sequences has a label or a weight.
        assert batch.labels.sum() == sum(rows.sum() for rows in found)
        assert batch.weights.sum() == pytest.approx(sum(shares.sum() for shares in weights))
        assert np.isfinite(batch.labels).all()
    assert seen == len(LENGTHS)


def test_every_sequence_weighs_the_same_unless_asked_for(rng, labels):
    weights = np.arange(1.0, len(LENGTHS) + 1)
    of_sequence = np.zeros(len(LENGTHS))
    for batch in batches(rng, FrameTargets(labels, 3, total_stride=2), "packed", 2, weights):
        shares = unpack_frames(batch.weights, batch.layout, GEOMETRIES[2])
        of_sequence[batch.layout.indices] = [share.sum() for share in shares]
    expected = weights.copy()
    expected[-1] = 0  # it has no label
    assert of_sequence == pytest.approx(expected)


def test_every_frame_weighs_the_same_where_asked_for(rng, labels):
    weights = {round(float(w), 6) for batch in batches(rng, FrameTargets(labels, 3, frame_weight=0.25), "packed", 1)
               for w in np.unique(batch.weights)}  # fmt: skip
    assert weights == {0.0, 0.25}


def test_cropped_sequences_have_the_labels_of_what_is_left(rng):
    labels = [np.arange(length, dtype=float)[:, None] for length in LENGTHS]
    plan = make_plan("padded", LENGTHS, frames_per_batch=20, too_long="crop", time_geometry=GEOMETRIES[2])
    cropped = 0
    for layout in plan.epoch(0):
        batch = make_batch(layout, labels, labels=FrameTargets(labels, 1, total_stride=2))
        found = unpack_frames(batch.labels, layout, GEOMETRIES[2])
        for rows, start, length in zip(found, layout.offset, layout.length, strict=True):
            assert rows[:, 0].tolist() == list(range(start, start + length, 2))
        cropped += (layout.length < np.take(LENGTHS, layout.indices)).sum()
    assert cropped == 1


def test_compact_labels_are_encoded_as_dense_ones(rng, labels):
    names = np.array(["x", "y", "z"], object)
    raw = [np.where(np.isnan(array[:, 0]), "", names[np.nan_to_num(array).argmax(axis=1)]) for array in labels]
    target = fit_target("classification", raw, kind="frame")
    assert target == Target("classification", ("x", "y", "z"), kind="frame")
    dense, compact = FrameTargets(labels, 3, 3), FrameTargets(target.encode_frames(raw), 3, 3)
    for index in range(len(LENGTHS)):
        for ours, theirs in zip(compact.of_sequence(index, 1), dense.of_sequence(index, 1), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_labels_that_do_not_fit_are_refused(rng, labels):
    with pytest.raises(ShapeError, match=r"labels of sequence 0 are \(4, 3\) for 4 output frames.*\(time, 2\)"):
        FrameTargets(labels, 2, 2).of_sequence(0, 0, 7)
    with pytest.raises(ShapeError, match=r"labels of sequence 3 are \(4, 3\) for 9 output frames"):
        FrameTargets(labels, 3).of_sequence(3, 0, 9)
    plan = make_plan("packed", LENGTHS, batch_size=4, time_geometry=GEOMETRIES[1])
    between = next(layout for layout in plan.epoch(0) if (layout.start % 6).any())
    with pytest.raises(ConfigError, match=r"between the output frames .* stride 6. Plan with time_geometry"):
        make_batch(between, labels, labels=FrameTargets(labels, 3, 6))


def test_balanced_classes_weigh_the_same_in_total(labels):
    target = Target("classification", ("x", "y", "z"), kind="frame")
    frames = FrameTargets(labels, 3, 2)
    balanced = frame_class_weights(target, frames, len(LENGTHS), "balanced")
    mass, total = np.zeros(3), 0.0
    for index in range(len(LENGTHS)):
        rows, weights = FrameTargets(labels, 3, 2, class_weights=balanced).of_sequence(index)
        mass += weights @ rows
        total += frames.of_sequence(index)[1].sum()
    assert mass == pytest.approx(mass.mean() * np.ones(3), rel=1e-5)
    assert mass.sum() == pytest.approx(total, rel=1e-5)


def test_one_frame_per_sequence_weighs_as_the_sequence_would():
    raw = ["a", "b", "a", "a", "c"]
    target = fit_target("classification", raw)
    frames = FrameTargets(target.encode(raw)[:, None], 3)
    wanted = class_weights(target, target.encode(raw), "balanced")
    of_classes = frame_class_weights(target, frames, len(raw), "balanced")
    assert (target.encode(raw) @ of_classes).tolist() == pytest.approx(wanted.tolist())


def test_class_weights_by_name():
    labels = read_frame_labels("multilabel", [[[1, 1], [0, 1], [0, 0], [np.nan, 1]]], names=["a", "b"])
    target = Target("multilabel", ("a", "b"), kind="frame")
    of_classes = frame_class_weights(target, FrameTargets(labels, 2), 1, {"a": 5})
    assert of_classes.tolist() == [5, 1]
    _, weights = FrameTargets(labels, 2, class_weights=of_classes, frame_weight=1.0).of_sequence(0)
    assert weights.tolist() == [3, 1, 1, 0]
    with pytest.raises(ConfigError, match="no class 'c'; the classes are 'a', 'b'"):
        frame_class_weights(target, FrameTargets(labels, 2), 1, {"c": 5})
    with pytest.raises(ConfigError, match=r"weighs classes, but target.task is 'regression'"):
        frame_class_weights(Target("regression", ("v",)), FrameTargets([[[1.0]]], 1), 1, "balanced")
