"""Padding of packed plans, on the lengths of real recordings and on harder ones: little, and lengths stay mixed."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from seqconv.batching import padding_ratio, plan_bucketed, plan_packed
from seqconv.batching.plans import draw_order
from seqconv.cli.lengths import read_lengths
from seqconv.geometry import TimeLayer

PROMPTS = Path(__file__).parents[2] / "data" / "prompts" / "lengths.csv"
NUM_SEQUENCES = 10_000
# Four convolutions, as the benchmark trains them; they need two empty frames between sequences.
STACK = (TimeLayer(5), TimeLayer(5), TimeLayer(3), TimeLayer(3))
SIZES = ({"batch_size": 32}, {"frames_per_batch": 8192}, {"frames_per_batch": 16384})


@cache
def prompts() -> np.ndarray:
    return np.array(read_lengths(PROMPTS))


@cache
def lengths_of(name: str) -> np.ndarray:
    generator = np.random.default_rng(7)
    every_prompt = np.resize(generator.permutation(prompts()), NUM_SEQUENCES)
    made = {
        "prompts": lambda: every_prompt,
        "clipped": lambda: np.minimum(every_prompt, 1000),
        "log-normal": lambda: np.ceil(np.exp(generator.normal(np.log(150), 1, NUM_SEQUENCES))),
        "uniform": lambda: generator.integers(1, 1001, NUM_SEQUENCES),
        "bimodal": lambda: generator.choice([20, 2000], NUM_SEQUENCES),
        "500": lambda: np.full(NUM_SEQUENCES, 500),
        "700": lambda: np.full(NUM_SEQUENCES, 700),
    }
    return made[name]().astype(np.int64)


NAMES = ("prompts", "clipped", "log-normal", "uniform", "bimodal", "500", "700")


def places_of(plan, epoch=0):
    """The sequences of an epoch as they come, and each one's batch."""
    layouts = plan.epoch(epoch)
    steps = np.repeat(np.arange(len(layouts)), [len(layout.indices) for layout in layouts])
    return np.concatenate([layout.indices for layout in layouts]), steps


@pytest.mark.parametrize(
    ("size", "geometry"),
    [*((size, STACK) for size in SIZES), (SIZES[1], ())],
    ids=["32", "8192", "16384", "8192 without gaps"],
)
@pytest.mark.parametrize("name", NAMES)
def test_padding_and_gaps_are_at_most_one_and_a_half_percent(name, size, geometry):
    lengths = lengths_of(name)
    plan = plan_packed(lengths, time_geometry=geometry, **size)
    total = sum(layout.rows * layout.width for layout in plan.epoch(0))
    assert 1 - lengths.sum() / total <= 0.015
    assert plan.padding_ratio == pytest.approx(1 - lengths.sum() / total, abs=1e-12)


@pytest.mark.parametrize("most", [1000, 10**6])
def test_the_prompts_themselves_are_packed_as_tightly_in_every_epoch(most):
    """2,831 sequences are some 90 steps: a nearly empty last one would cost a whole percent."""
    lengths = np.minimum(prompts(), most)
    plan = plan_packed(lengths, time_geometry=STACK)
    for epoch in range(5):
        frames = sum(layout.rows * layout.width for layout in plan.epoch(epoch))
        assert 1 - lengths.sum() / frames <= 0.015


@pytest.mark.parametrize("frames_per_batch", [8192, 16384])
@pytest.mark.parametrize("length", [150, 257, 400, 600, 999])
def test_constant_lengths_fill_their_rows_though_they_divide_no_budget(length, frames_per_batch):
    """A batch may be a tenth smaller than the budget: enough to fit wherever the budget holds ten sequences."""
    plan = plan_packed(np.full(NUM_SEQUENCES, length), frames_per_batch=frames_per_batch)
    assert plan.padding_ratio <= 0.015
    for rows, width, _ in plan.shapes:
        assert 0.9 * frames_per_batch <= rows * width <= frames_per_batch


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_the_plan_keeps_close_to_the_order_of_the_draw(name, shuffle):
    plan = plan_packed(lengths_of(name), time_geometry=STACK, shuffle=shuffle)
    order = draw_order(np.arange(NUM_SEQUENCES), seed=0, epoch=0, shuffle=shuffle)
    drawn = np.empty(NUM_SEQUENCES, np.int64)
    drawn[order] = np.arange(NUM_SEQUENCES)
    # Ranks without ties, so that this is Spearman's.
    assert np.corrcoef(drawn[places_of(plan)[0]], np.arange(NUM_SEQUENCES))[0, 1] > 0.99


@pytest.mark.parametrize("name", ["prompts", "clipped", "log-normal", "uniform"])
def test_early_and_late_batches_hold_the_same_lengths(name):
    lengths = lengths_of(name)
    plan = plan_packed(lengths, time_geometry=STACK)
    slopes, quarters = [], []
    for epoch in range(4):
        placed, steps = places_of(plan, epoch)
        drawn = lengths[placed]
        slopes.append(np.corrcoef(steps, drawn)[0, 1] * np.sqrt(NUM_SEQUENCES))
        quarters.append([part.mean() for part in np.array_split(drawn, 4)])
    # In units of sampling error: a mean of four, where one alone has deviation 1.
    assert abs(np.mean(slopes)) < 4 / np.sqrt(4)
    error = lengths.std() / np.sqrt(4 * NUM_SEQUENCES / 4)
    assert np.all(np.abs(np.mean(quarters, axis=0) - lengths.mean()) < 4 * error)


def test_the_worst_mix_to_pack_is_unbiased_but_for_a_window_at_both_ends():
    """Rows want two sequences of 20 for each of 2000: the short ones of a window go first, and long ones are left."""
    lengths = lengths_of("bimodal")
    plan = plan_packed(lengths, time_geometry=STACK, lookahead=200)
    for epoch in range(3):
        middle = lengths[places_of(plan, epoch)[0]][500:-500]
        parts = np.array([part.mean() for part in np.array_split(middle, 4)])
        assert np.all(np.abs(parts - lengths.mean()) < 4 * lengths.std() / np.sqrt(len(middle) / 4))


def test_bucketing_pads_more_than_packing_and_less_than_few_buckets():
    lengths = lengths_of("prompts")
    packed, bucketed = plan_packed(lengths, time_geometry=STACK), plan_bucketed(lengths, time_geometry=STACK)
    assert packed.padding_ratio < 0.2 * bucketed.padding_ratio
    assert bucketed.padding_ratio < plan_bucketed(lengths, time_geometry=STACK, num_buckets=8).padding_ratio < 0.3
    assert padding_ratio(lengths) > 0.9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", SIZES[:2], ids=["32", "8192"])
def test_epochs_beyond_those_tried_need_no_more_steps(size, seed):
    # Shapes are chosen by the first epochs; a last batch that is full to the brim there spills over in others.
    lengths = np.random.default_rng(seed).permutation(np.minimum(prompts(), 1000))
    plan = plan_packed(lengths, time_geometry=STACK, seed=seed, **size)
    assert [plan.num_steps(epoch) for epoch in range(4, 12)].count(len(plan)) >= 7
