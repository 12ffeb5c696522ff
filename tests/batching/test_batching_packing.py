"""Packed plans: tight, of a constant total, with gaps that no layer reads across, fair to long sequences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plan_cases import prompts_like
from support.row_simulation import random_stack, run_alone, run_row

from seqconv.batching import make_batch, plan_packed
from seqconv.errors import ConfigError, ManifestError
from seqconv.geometry import TimeLayer, min_frames, next_start

TYPICAL_STACK = (TimeLayer(5), TimeLayer(3, stride=2), TimeLayer(3))


@pytest.mark.parametrize("seed", range(25))
def test_no_layer_reads_across_a_gap(seed):
    generator = np.random.default_rng(seed)
    layers = tuple(random_stack(generator))
    lengths = min_frames(layers) + generator.integers(0, 25, size=30)
    sequences = [generator.random((length, 1)) for length in lengths]
    plan = plan_packed(lengths, batch_size=10, time_geometry=layers, seed=seed)
    for layout in plan.epoch(1):
        batch = make_batch(layout, sequences, fill=np.nan)
        for row in range(layout.rows):
            outputs = run_row(batch.features[row, :, 0].astype(float), batch.segments[row], layers)
            for i in np.flatnonzero(layout.row == row):
                alone = run_alone(sequences[layout.indices[i]][:, 0], layers)
                np.testing.assert_allclose(outputs[int(layout.slot[i])], alone, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(20, 90), min_size=2, max_size=60))
def test_sequences_follow_each_other_at_next_start(seed, lengths):
    layers = tuple(random_stack(np.random.default_rng(seed), paddings=("same", "causal")))
    for layout in plan_packed(lengths, batch_size=6, time_geometry=layers).epoch(0):
        ends = layout.start + layout.length
        for i in range(len(ends)):
            expected = next_start(int(ends[i - 1]), layers) if layout.slot[i] else 0
            assert layout.start[i] == expected


@pytest.mark.parametrize(("geometry", "most"), [((), 0.008), (TYPICAL_STACK, 0.015)])
def test_padding_is_at_most_one_and_a_half_percent(geometry, most):
    for seed in range(3):
        plan = plan_packed(prompts_like(10_000, seed), time_geometry=geometry, seed=seed)
        assert plan.padding_ratio <= most
        assert plan.mean_sequences == pytest.approx(32, rel=0.02)


@pytest.mark.parametrize("max_shapes", [1, 2, 3, 4])
def test_rows_times_width_is_constant(max_shapes):
    lengths = prompts_like(2000)
    plan = plan_packed(lengths, batch_size=40, max_shapes=max_shapes, time_geometry=TYPICAL_STACK)
    totals = {rows * width for rows, width, _ in plan.shapes if width <= plan.max_frames}
    assert len(totals) == 1
    assert len(plan.shapes) <= max_shapes
    assert plan.in_own_batch == 0
    assert {layout.shape for epoch in range(5) for layout in plan.epoch(epoch)} <= set(plan.shapes)


def test_rows_are_few_and_hold_nearly_every_sequence():
    lengths = prompts_like(5000)
    plan = plan_packed(lengths)
    narrowest = plan.shapes[0]
    assert narrowest.rows == 4
    assert np.mean(lengths <= narrowest.width) >= 0.99


def test_slots_are_few_and_rarely_bind():
    lengths = prompts_like(5000)
    plan = plan_packed(lengths, time_geometry=TYPICAL_STACK)
    used = [int(layout.slot.max()) + 1 for epoch in range(1, 6) for layout in plan.epoch(epoch)]
    limits = [layout.num_slots for epoch in range(1, 6) for layout in plan.epoch(epoch)]
    assert np.mean(np.array(used) == np.array(limits)) < 0.02
    assert max(used) * 2 >= plan.shapes[0].num_slots


def test_slots_are_a_hard_limit_in_every_epoch():
    # A heap of short sequences: by chance, epochs differ much in the most that one row takes.
    lengths = np.r_[np.full(60, 2), np.full(40, 100)]
    plan = plan_packed(lengths, frames_per_batch=400)
    assert len(plan.shapes) == 1
    for epoch in range(60):
        assert all(int(layout.slot.max()) < plan.shapes[0].num_slots for layout in plan.epoch(epoch))


@pytest.mark.parametrize("frames_per_batch", [6, 97, 500])
def test_frames_per_batch_is_never_exceeded(frames_per_batch):
    lengths = np.random.default_rng(0).integers(1, 6, size=400)
    plan = plan_packed(lengths, frames_per_batch=frames_per_batch, time_geometry=(TimeLayer(3, stride=2),))
    assert all(rows * width <= frames_per_batch for rows, width, _ in plan.shapes)
    assert plan.shapes[0].rows * plan.shapes[0].width >= 0.9 * frames_per_batch


@pytest.mark.parametrize("num_sequences", [1, 2, 5, 31, 37, 70])
def test_a_small_set_gets_a_small_batch(num_sequences):
    lengths = prompts_like(num_sequences, seed=num_sequences)
    plan = plan_packed(lengths, time_geometry=TYPICAL_STACK)
    steps = [plan.num_steps(epoch) for epoch in range(6)]
    assert np.mean(steps) * plan.total_frames / len(plan) <= 1.25 * lengths.sum() + 4
    if num_sequences <= 31:
        assert steps == [1] * 6
    big = plan_packed(lengths, frames_per_batch=10**9)
    assert big.shapes[0][:2] == (1, lengths.sum())


def test_batches_mix_lengths():
    lengths = prompts_like(5000)
    plan = plan_packed(lengths)
    means = np.array([layout.length.mean() for layout in plan.epoch(0) if layout.rows == 4])
    # As batches of a random draw would spread, within a factor; sorted ones would spread five times as much.
    by_chance = lengths.std() / np.sqrt(32)
    assert means.std() < 2 * by_chance


def test_look_ahead_is_bounded():
    lengths = prompts_like(3000)
    plan = plan_packed(lengths, shuffle=False, lookahead=50)
    placed = np.concatenate([layout.indices for layout in plan.epoch(0)])
    # What is placed i-th was among the first i + 50 of the order.
    assert np.all(placed < np.arange(3000) + 50)


def test_own_batch_adds_one_rounded_shape_for_each_class():
    lengths = np.r_[np.full(300, 20), [900, 910, 2000]]
    plan = plan_packed(lengths, frames_per_batch=400)
    assert plan.in_own_batch == 3
    assert plan.max_frames == 400
    longer = [shape for shape in plan.shapes if shape.width > 400]
    assert [shape.rows for shape in longer] == [1, 1]
    assert longer[-1].width == 2000
    assert 910 <= longer[0].width <= 910 * 1.25
    assert "too long (over 400 frames): 3 in batches of their own" in str(plan)
    assert sorted(i for layout in plan.epoch(4) for i in layout.indices) == list(range(303))


@pytest.mark.parametrize("max_shapes", [2, 3, 4, 8])
def test_wider_rows_for_the_longest_count_among_the_shapes(max_shapes):
    lengths = np.r_[prompts_like(1000), np.geomspace(2500, 40_000, 30).astype(int)]
    plan = plan_packed(lengths, frames_per_batch=2400, max_shapes=max_shapes, time_geometry=TYPICAL_STACK)
    longer = [shape for shape in plan.shapes if shape.width > 2400]
    assert plan.in_own_batch == np.sum(lengths > plan.max_frames) >= 30
    assert 1 <= len(longer) <= len(plan.shapes) <= max_shapes
    assert len({rows * width for rows, width, _ in plan.shapes if width <= 2400}) == 1
    placed = [index for layout in plan.epoch(1) for index in layout.indices.tolist()]
    assert sorted(placed) == list(range(len(lengths)))


def test_a_budget_that_is_lowered_refuses_no_sequence_that_fits_it():
    """Rows of 700 would fit 1 x 7,700 frames well, but two sequences need all 8,192."""
    lengths = np.r_[np.full(2000, 700), [8192, 8000]]
    for too_long in ("error", "drop", "own_batch"):
        plan = plan_packed(lengths, frames_per_batch=8192, too_long=too_long)
        assert (plan.num_sequences, plan.dropped, plan.in_own_batch) == (2002, 0, 0)
        assert max(shape.width for shape in plan.shapes) == 8192


def test_crop_sizes_batches_by_what_is_left_of_the_sequences():
    plan = plan_packed(np.full(500, 1000), batch_size=20, max_frames=100, too_long="crop")
    assert plan.cropped == 500
    assert plan.mean_sequences == pytest.approx(20, rel=0.05)
    assert plan.padding_ratio < 0.05


def test_drop_leaves_out_what_is_too_long_and_counts_it():
    lengths = np.r_[np.full(30, 20), [900, 910]]
    plan = plan_packed(lengths, frames_per_batch=400, too_long="drop")
    assert plan.dropped == 2
    assert sorted(i for layout in plan.epoch(0) for i in layout.indices) == list(range(30))
    with pytest.raises(ManifestError, match="every sequence is longer than 10 frames"):
        plan_packed([11, 12], frames_per_batch=10, too_long="drop")


def test_crop_takes_another_window_each_epoch_keyed_by_sequence():
    lengths = np.r_[np.full(30, 20), [900, 1500]]
    plan = plan_packed(lengths, frames_per_batch=400, too_long="crop")
    assert plan.cropped == 2
    offsets = []
    for epoch in range(20):
        found = {}
        for layout in plan.epoch(epoch):
            for index, length, offset in zip(layout.indices, layout.length, layout.offset, strict=True):
                assert 0 <= offset <= lengths[index] - length
                assert length == min(lengths[index], 400)
                found[int(index)] = int(offset)
        offsets.append((found[30], found[31]))
    assert len(set(offsets)) == 20
    # The same window whatever the layout.
    other = plan_packed(lengths, frames_per_batch=800, max_frames=400, too_long="crop")
    assert (30, offsets[3][0]) in {
        (int(i), int(o)) for layout in other.epoch(3) for i, o in zip(layout.indices, layout.offset, strict=True)
    }


def test_error_names_the_sequence_and_the_remedy():
    with pytest.raises(
        ManifestError, match=r"sequence 1 has 900 frames.*Raise batching.frames_per_batch to at least 950"
    ):
        plan_packed([20, 900, 20, 950], frames_per_batch=400, too_long="error")


def test_a_budget_below_the_stride_is_refused():
    with pytest.raises(ConfigError, match="frames_per_batch=3 is below the model's total stride of 4"):
        plan_packed([5, 6], frames_per_batch=3, time_geometry=(TimeLayer(3, stride=4),))


def test_max_frames_and_own_batch_contradict_each_other():
    with pytest.raises(ConfigError, match="max_frames=10 with too_long='own_batch'"):
        plan_packed([5, 60], max_frames=10)


def test_one_very_long_sequence_spoils_neither_size_nor_mixing():
    plan = plan_packed([10] * 500 + [80_000, 100_000], batch_size=32, time_geometry=TYPICAL_STACK)
    assert plan.shapes[0].rows * plan.shapes[0].width < 700
    assert max(len(layout.indices) for layout in plan.epoch(0)) <= 2 * 32 + 8
    assert plan.in_own_batch == 2
