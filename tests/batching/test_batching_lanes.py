"""Rows filled by array operations, many at a time, against the same rule applied to one sequence after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqconv.batching import make_plan
from seqconv.batching.epochs import take_groups
from seqconv.batching.layouts import Shape
from seqconv.batching.vectorized_packing import Lanes, fill_rows
from seqconv.geometry import TimeLayer


def fill_one_by_one(lengths, takes, shapes, lookahead):
    """The rule of `Lanes` in plain Python: positions, sequences of each row, shape of each batch."""
    waiting, placed, row_counts, shape_ids = list(range(len(lengths))), [], [], []

    def place(position):
        waiting.remove(position)
        placed.append(position)
        return takes[position]

    while waiting:
        shape_id = next(i for i, shape in enumerate(shapes) if shape.width >= lengths[waiting[0]])
        rows, width, num_slots = shapes[shape_id]
        shape_ids.append(shape_id)
        for _ in range(rows):
            room, before = width, len(placed)
            while len(placed) - before < num_slots:
                fits_width = [p for p in waiting if lengths[p] <= width and p < len(placed) + lookahead]
                if not fits_width or lengths[fits_width[0]] > room:
                    break
                room -= place(fits_width[0])
            # The window stands still while the longest are taken: so far from the first that the width holds.
            within = [p for p in waiting if lengths[p] <= width]
            end = min(within[0], len(placed)) + lookahead if within else 0
            while len(placed) - before < num_slots:
                fitting = [p for p in waiting if p < end and lengths[p] <= room]
                if not fitting:
                    break
                room -= place(max(fitting, key=lambda p: (lengths[p], -p)))
            row_counts.append(len(placed) - before)
    return placed, row_counts, shape_ids


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
    st.integers(1, 70),
    st.integers(0, 3),
    st.integers(1, 12),
    st.sampled_from([(40,), (20, 40), (12, 24, 48), (30, 90)]),
)
def test_a_lane_does_what_one_sequence_after_the_other_would(lengths, lookahead, gap, num_slots, widths):
    lengths = np.array(lengths)
    shapes = [Shape(max(1, widths[-1] // (2 * width)), width, num_slots) for width in widths]
    filled = Lanes(lengths, lengths + gap, np.array([0, len(lengths)]), shapes, lookahead).fill()
    expected = fill_one_by_one(lengths.tolist(), (lengths + gap).tolist(), shapes, lookahead)
    assert [values.tolist() for values in filled] == list(expected)


@pytest.mark.parametrize("seed", range(3))
def test_lanes_know_nothing_of_each_other(seed):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 300, size=1500)
    bounds = np.array([0, 200, 201, 900, 1500])
    shapes = [Shape(4, 200, 9), Shape(2, 400, 9)]
    together = Lanes(lengths, lengths + 2, bounds, shapes, 50).fill()
    alone = [
        Lanes(part, part + 2, np.array([0, len(part)]), shapes, 50).fill() for part in np.split(lengths, bounds[1:-1])
    ]
    assert together.indices.tolist() == [
        place + low for low, filled in zip(bounds[:-1], alone, strict=True) for place in filled.indices.tolist()
    ]
    assert together.row_counts.tolist() == [count for filled in alone for count in filled.row_counts.tolist()]
    assert together.shape_ids.tolist() == [shape for filled in alone for shape in filled.shape_ids.tolist()]


def test_a_lane_stops_with_a_full_batch_and_says_what_is_left():
    lengths = np.random.default_rng(0).integers(1, 100, size=4000)
    lanes = Lanes(lengths, lengths, np.array([0, 1000, 4000]), [Shape(4, 400, 99)], 100)
    filled, left = lanes.fill(reserve=150), lanes.left()
    assert sorted([*filled.indices.tolist(), *left.tolist()]) == list(range(4000))
    assert left.tolist() == sorted(left.tolist())
    for low, high in ((0, 1000), (1000, 4000)):
        assert 0 < np.sum((left >= low) & (left < high)) <= 150
    row = np.repeat(np.arange(len(filled.row_counts)), filled.row_counts)
    assert np.bincount(row, lengths[filled.indices]).min() > 380


@pytest.mark.parametrize("shuffle", [True, False])
def test_two_hundred_thousand_sequences(shuffle):
    """Many lanes, and what they leave over in fewer."""
    generator = np.random.default_rng(2)
    lengths = np.ceil(np.exp(generator.normal(np.log(150), 1, 200_000))).astype(np.int64)
    geometry = (TimeLayer(5), TimeLayer(3, stride=2))
    plan = make_plan("packed", lengths, time_geometry=geometry, shuffle=shuffle)
    assert len(plan.shapes) <= 4
    epoch = plan.epoch(1)
    columns = [np.concatenate([getattr(layout, name) for layout in epoch]) for name in ("indices", "length", "start")]
    placed, length, start = columns
    assert np.array_equal(np.sort(placed), np.arange(200_000))
    assert np.array_equal(length, lengths[placed])
    assert not np.any(start % 2)
    assert all(np.all(layout.start + layout.length <= layout.width) for layout in epoch)
    assert all(layout.slot.max() < layout.num_slots for layout in epoch)
    assert np.mean([layout.shape == plan.shapes[0] for layout in epoch]) > 0.8
    incomplete = [layout for layout in epoch if len(np.unique(layout.row)) < layout.rows]
    # However many lanes there are, one batch of a shape at most stays incomplete.
    assert len(incomplete) <= 1
    assert plan.padding_ratio < 0.012
    if not shuffle:
        assert np.corrcoef(placed, np.arange(200_000))[0, 1] > 0.999


def test_very_long_rows_are_counted_without_overflow():
    """A row of more than two thousand million frames."""
    lengths = np.full(60, 60_000_000)
    filled = fill_rows(lengths, lengths + 100, [Shape(1, 3_000_000_000, 99)], lookahead=30)
    assert filled.row_counts.tolist() == [49, 11]


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=8), st.randoms())
def test_groups_are_taken_whole(groups, random):
    sequence = list(range(len(groups)))
    random.shuffle(sequence)
    taken = take_groups(np.concatenate(groups), np.array([len(group) for group in groups]), np.array(sequence))
    assert taken.tolist() == [value for i in sequence for value in groups[i]]
