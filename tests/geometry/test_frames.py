"""Frame arithmetic against brute force: every formula is checked by running the layers."""

import numpy as np
import pytest
from support.row_simulation import GRID, random_stack, run_alone, run_layer, run_row

from seqconv.geometry import (
    TimeLayer,
    conv_output_length,
    halo,
    min_frames,
    next_start,
    output_length,
    receptive_field,
    total_stride,
    widest,
)

SEEDS = range(40)


@pytest.mark.parametrize("layer", GRID, ids=str)
def test_a_layer_returns_as_many_frames_as_predicted(layer):
    for num_frames in range(layer.span, 20):
        outputs, _ = run_layer(np.ones(num_frames), np.zeros(num_frames, int), layer)
        assert len(outputs) == conv_output_length(num_frames, layer)


@pytest.mark.parametrize("layer", GRID, ids=str)
def test_each_output_reads_the_positions_of_the_definition(layer):
    num_frames = 17
    for position in range(num_frames):
        impulse = np.zeros(num_frames)
        impulse[position] = 1
        silent, _ = run_layer(np.zeros(num_frames), np.zeros(num_frames, int), layer)
        outputs, _ = run_layer(impulse, np.zeros(num_frames, int), layer)
        changed = np.flatnonzero(outputs != silent).tolist()
        taps = [k * layer.dilation - layer.left for k in range(layer.kernel_size)]
        expected = [p for p in range(len(outputs)) if position in [p * layer.stride + tap for tap in taps]]
        assert changed == expected


@pytest.mark.parametrize("layer", [layer for layer in GRID if layer.padding != "valid"], ids=str)
def test_frames_after_the_end_do_not_shift_what_came_before(layer):
    values = np.random.default_rng(0).random(11)
    alone, _ = run_layer(values, np.zeros(11, int), layer)
    for extra in (1, 2, 3, 7):
        segments = np.r_[np.zeros(11, int), np.full(extra, -1)]
        longer, kept = run_layer(np.r_[values, np.full(extra, np.nan)], segments, layer)
        np.testing.assert_array_equal(longer[kept == 0], alone)


@pytest.mark.parametrize("seed", SEEDS)
def test_receptive_field_is_the_span_of_frames_that_move_an_output(seed):
    layers = random_stack(np.random.default_rng(seed))
    field = receptive_field(layers)
    num_frames = 4 * field + 2 * total_stride(layers)
    base = run_alone(np.zeros(num_frames), layers)
    middle = len(base) // 2
    moved = [
        position
        for position in range(num_frames)
        if run_alone(np.eye(1, num_frames, position)[0], layers)[middle] != base[middle]
    ]
    assert moved[-1] - moved[0] + 1 == field


@pytest.mark.parametrize("seed", SEEDS)
def test_min_frames_is_the_shortest_with_an_output(seed):
    layers = random_stack(np.random.default_rng(seed))
    shortest = min_frames(layers)
    assert len(run_alone(np.ones(shortest), layers)) >= 1
    assert output_length(shortest, layers) >= 1
    assert shortest == 1 or output_length(shortest - 1, layers) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_output_length_is_that_of_the_stack(seed):
    generator = np.random.default_rng(seed)
    layers = random_stack(generator)
    for num_frames in min_frames(layers) + generator.integers(0, 40, size=5):
        assert len(run_alone(np.ones(num_frames), layers)) == output_length(int(num_frames), layers)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sequence_at_next_start_gives_what_it_gives_alone(seed):
    generator = np.random.default_rng(seed)
    layers = random_stack(generator)
    for _ in range(5):
        first, second = (generator.random(min_frames(layers) + generator.integers(0, 12)) for _ in range(2))
        start = next_start(len(first), layers)
        row = np.full(start + len(second), np.nan)
        segments = np.full(len(row), -1)
        row[: len(first)], segments[: len(first)] = first, 0
        row[start:], segments[start:] = second, 1
        outputs = run_row(row, segments, layers)
        np.testing.assert_allclose(outputs[0], run_alone(first, layers), rtol=1e-12)
        np.testing.assert_allclose(outputs[1], run_alone(second, layers), rtol=1e-12)
        assert start % total_stride(layers) == 0


@pytest.mark.parametrize("kernel_size", [2, 3, 5, 8])
@pytest.mark.parametrize("padding", ["same", "causal"])
def test_one_frame_earlier_is_too_early_without_strides(kernel_size, padding):
    layers = [TimeLayer(kernel_size, padding=padding), TimeLayer(1)]
    start = next_start(9, layers) - 1
    row = np.ones(start + 9)
    segments = np.r_[np.zeros(9, int), np.full(start - 9, -1), np.ones(9, int)]
    outputs = run_row(row, segments, layers)
    alone = run_alone(np.ones(9), layers)
    assert not (np.allclose(outputs[0], alone) and np.allclose(outputs[1], alone))


def test_next_start_advances_by_whole_strides():
    layers = (TimeLayer(5, stride=2), TimeLayer(3, stride=3, dilation=2))
    starts = [next_start(end, layers) for end in range(1, 60)]
    assert all(start % 6 == 0 for start in starts)
    assert [next_start(end + 6, layers) - 6 for end in range(1, 60)] == starts


@pytest.mark.parametrize("seed", SEEDS)
def test_halo_is_what_an_output_reads_before_and_after_the_frame_it_stands_for(seed):
    layers = random_stack(np.random.default_rng(seed))
    before, after = halo(layers)
    assert before + after + 1 == receptive_field(layers)
    stride = total_stride(layers)
    position = -(-before // stride) + 1
    num_frames = position * stride + after + 5
    base = run_alone(np.zeros(num_frames), layers)
    moved = [
        frame
        for frame in range(num_frames)
        if run_alone(np.eye(1, num_frames, frame)[0], layers)[position] != base[position]
    ]
    assert (moved[0], moved[-1]) == (position * stride - before, position * stride + after)


def test_the_widest_branch_gives_the_arithmetic_of_all():
    branches = [[TimeLayer(9)], [TimeLayer(1), TimeLayer(39)], [TimeLayer(20)], [TimeLayer(3), TimeLayer(1)]]
    best = widest(branches)
    assert receptive_field(best) == max(map(receptive_field, branches)) == 39
    for end in range(1, 60):
        assert next_start(end, best) == max(next_start(end, branch) for branch in branches)
    assert widest([[TimeLayer(3, 2)], [TimeLayer(5, 2)]]) == (TimeLayer(5, 2),)


def test_branches_that_cannot_be_joined_are_refused():
    with pytest.raises(ValueError, match=r"strides \[2, 1\] cannot be joined"):
        widest([[TimeLayer(3, 2)], [TimeLayer(3)]])
    with pytest.raises(ValueError, match="no branch reads farthest to both sides"):
        widest([[TimeLayer(5, padding="causal")], [TimeLayer(7)]])
    with pytest.raises(ValueError, match="no branch reads farthest to both sides"):
        # The second reads as far, but one layer of the first reaches farther at once, which a gap must hold.
        widest([[TimeLayer(5)], [TimeLayer(3), TimeLayer(3), TimeLayer(3)]])
