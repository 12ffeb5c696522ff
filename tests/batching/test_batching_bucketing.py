"""Boundaries against brute force; bucketed, padded and single plans."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plan_cases import prompts_like

from seqconv.batching import (
    assign_buckets,
    optimal_boundaries,
    padding_ratio,
    plan_bucketed,
    plan_padded,
    plan_single,
)
from seqconv.errors import ConfigError, ManifestError
from seqconv.geometry import TimeLayer

STRIDED = (TimeLayer(3, stride=4),)


def padded_frames(lengths, boundaries):
    """Frames after padding each length to the first boundary that holds it."""
    return sum(min(bound for bound in boundaries if bound >= length) for length in lengths)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 5))
def test_boundaries_are_optimal(lengths, num_buckets):
    boundaries = optimal_boundaries(lengths, num_buckets).tolist()
    distinct = sorted(set(lengths))
    size = min(num_buckets, len(distinct))
    choices = [(*inner, distinct[-1]) for inner in combinations(distinct[:-1], size - 1)]
    assert len(boundaries) == size
    assert boundaries == sorted(set(boundaries))
    assert padded_frames(lengths, boundaries) == min(padded_frames(lengths, choice) for choice in choices)


def test_boundaries_of_many_lengths_are_optimal_too():
    lengths = np.unique(np.random.default_rng(0).integers(1, 10**6, size=3000))
    boundaries = optimal_boundaries(lengths, 2)
    padded = [(i + 1) * width + (len(lengths) - i - 1) * lengths[-1] for i, width in enumerate(lengths[:-1])]
    assert boundaries.tolist() == [lengths[int(np.argmin(padded))], lengths[-1]]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 6))
def test_a_bucket_holds_lengths_up_to_its_boundary(lengths, num_buckets):
    boundaries = optimal_boundaries(lengths, num_buckets)
    for length, bucket in zip(lengths, assign_buckets(lengths, boundaries), strict=True):
        assert length <= boundaries[bucket]
        assert bucket == 0 or length > boundaries[bucket - 1]


def test_bad_boundaries_and_lengths_above_are_named():
    with pytest.raises(ManifestError, match=r"lengths\[1\] is 21, above the last boundary 20 \(2 such\).*at least 30"):
        assign_buckets([5, 21, 30], [10, 20])
    for wrong in ([20, 10], [10, 10], [], [0, 5], [1.5], 7):
        with pytest.raises(ConfigError, match="expected ascending whole numbers of frames"):
            assign_buckets([5], wrong)
    with pytest.raises(ConfigError, match="num_buckets=0"):
        optimal_boundaries([5], 0)


def test_more_buckets_never_pad_more():
    lengths = prompts_like(3000)
    ratios = [padding_ratio(lengths, optimal_boundaries(lengths, k)) for k in (1, 2, 4, 8, 16, 32)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[-1] < 0.1 < ratios[2]


@pytest.mark.parametrize("geometry", [(), STRIDED])
def test_a_bucket_has_as_few_batches_as_the_budget_allows_and_they_are_even(geometry):
    lengths = prompts_like(2000)
    plan = plan_bucketed(lengths, frames_per_batch=8000, time_geometry=geometry, num_buckets=12)
    assert len([shape for shape in plan.shapes if shape.width <= 8000]) == 12
    steps = Counter(layout.shape for layout in plan.epoch(0))
    for shape in plan.shapes:
        rows, width, num_slots = shape
        held = sum(len(layout.indices) for layout in plan.epoch(0) if layout.shape == shape)
        assert num_slots == 1
        assert width % (4 if geometry else 1) == 0
        assert rows * width <= 8000 or rows == 1
        assert steps[shape] == -(-held // max(1, 8000 // width))
        assert rows == -(-held // steps[shape])


def test_a_sequence_lies_in_the_narrowest_bucket_that_holds_it():
    lengths = prompts_like(500)
    plan = plan_bucketed(lengths, batch_size=8, time_geometry=STRIDED)
    widths = sorted({shape.width for shape in plan.shapes})
    for layout in plan.epoch(2):
        narrower = [width for width in widths if width < layout.width]
        assert np.all(layout.length <= layout.width)
        assert np.all(layout.length > max(narrower, default=0))


def test_buckets_are_shuffled_among_each_other():
    plan = plan_bucketed(prompts_like(2000), batch_size=8)
    widths = np.array([layout.width for layout in plan.epoch(0)], float)
    assert abs(np.corrcoef(widths[:-1], widths[1:])[0, 1]) < 0.2
    assert np.any(np.diff(widths) > 0)
    assert np.any(np.diff(widths) < 0)


def test_boundaries_by_hand_are_rounded_to_the_stride():
    plan = plan_bucketed([3, 5, 10, 11, 30], frames_per_batch=24, boundaries=[5, 10, 20], time_geometry=STRIDED)
    assert {(rows, width) for rows, width, _ in plan.shapes} == {(2, 8), (1, 12), (1, 20), (1, 32)}
    assert (plan.in_own_batch, plan.max_frames) == (1, 20)


@pytest.mark.parametrize("planner", [plan_bucketed, plan_padded, plan_single])
def test_too_long_in_each_mode(planner):
    lengths = [30, 80, 31, 90, 12]
    assert planner(lengths, max_frames=50).in_own_batch == 2
    dropped = planner(lengths, max_frames=50, too_long="drop")
    assert (dropped.dropped, dropped.num_sequences) == (2, 3)
    cropped = planner(lengths, max_frames=50, too_long="crop")
    assert cropped.cropped == 2
    taken = {int(i): int(n) for layout in cropped.epoch(0) for i, n in zip(layout.indices, layout.length, strict=True)}
    assert taken == {0: 30, 1: 50, 2: 31, 3: 50, 4: 12}
    with pytest.raises(ManifestError, match=r"sequence 1 has 80 frames, but a batch holds 50 \(2 such: '1', '3'\)"):
        planner(lengths, max_frames=50, too_long="error")


@pytest.mark.parametrize("planner", [plan_bucketed, plan_padded])
def test_a_plan_of_long_sequences_only(planner):
    plan = planner([80, 90, 200], max_frames=50, batch_size=2)
    assert plan.in_own_batch == 3
    assert sorted(int(layout.indices[0]) for layout in plan.epoch(0)) == [0, 1, 2]
    assert all(rows == 1 for rows, _, _ in plan.shapes)


def test_padded_rows_are_the_batch_size_and_widths_few():
    lengths = prompts_like(2000)
    plan = plan_padded(lengths, batch_size=16)
    assert {shape.rows for shape in plan.shapes} == {16}
    # 1.25 to the power of the number of widths spans from a typical short batch to the longest.
    assert len(plan.shapes) < 2 + np.log(lengths.max() / np.sort(lengths)[15]) / np.log(1.25)
    for layout in plan.epoch(3):
        assert layout.width <= max(1.25 * layout.length.max() + 1, plan.shapes[0].width)


def test_padding_to_the_longest_wastes_what_packing_saves():
    plan = plan_padded(prompts_like(3000))
    assert plan.padding_ratio > 0.6


def test_single_is_never_padded():
    plan = plan_single(prompts_like(100), time_geometry=STRIDED)
    assert plan.padding_ratio == 0
    assert all(layout.shape == (1, layout.length[0], 1) for layout in plan.epoch(0))


@pytest.mark.parametrize("planner", [plan_bucketed, plan_padded])
@pytest.mark.parametrize("max_shapes", [2, 3, 5, 9])
def test_no_more_shapes_than_asked_for(planner, max_shapes):
    lengths = np.r_[prompts_like(1000), np.geomspace(9000, 50_000, 20).astype(int)]
    plan = planner(lengths, max_frames=8600, max_shapes=max_shapes, time_geometry=STRIDED)
    assert plan.in_own_batch == 20
    assert len(plan.shapes) <= max_shapes
    assert max_shapes > 5 or len(planner(lengths, max_frames=8600, time_geometry=STRIDED).shapes) > max_shapes
    for layout in plan.epoch(0):
        assert layout.shape in plan.shapes
        assert np.all(layout.length <= layout.width)
    assert sorted(index for layout in plan.epoch(3) for index in layout.indices) == list(range(1020))


def test_boundaries_by_hand_beyond_the_number_of_shapes_are_refused():
    with pytest.raises(ConfigError, match=r"boundaries=\[5, 10, 20\] make 3 shapes, but max_shapes leaves 1 for them"):
        plan_bucketed([3, 8, 20, 30], frames_per_batch=40, boundaries=[5, 10, 20], max_shapes=2)
    assert len(plan_bucketed([3, 8, 20], frames_per_batch=40, boundaries=[5, 10, 20], max_shapes=3).shapes) == 3


@pytest.mark.parametrize("num_sequences", [5, 40, 150, 270])
def test_few_sequences_get_few_buckets(num_sequences):
    """Sixteen buckets of one small batch each would train on another batch size than was asked for."""
    lengths = prompts_like(num_sequences)
    plan = plan_bucketed(lengths, batch_size=32)
    full = plan.total_frames / max(shape.rows * shape.width for shape in plan.shapes)
    assert len(plan) <= 1.5 * full + 3
    assert plan.padding_ratio < plan_padded(lengths, batch_size=32).padding_ratio


def test_boundaries_of_a_million_sequences():
    """Ten thousand distinct lengths; the answer is checked where it is known: equal counts, two buckets."""
    lengths = np.tile(np.arange(1, 10_001), 100)
    assert optimal_boundaries(lengths, 2).tolist() == [5000, 10_000]
    bounds = optimal_boundaries(lengths, 32)
    assert len(bounds) == 32
    # Of equally frequent lengths, equal buckets pad least, up to rounding.
    assert np.all(np.abs(np.diff(bounds) - 10_000 / 32) <= 1.5)
