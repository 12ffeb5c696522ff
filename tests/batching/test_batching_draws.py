"""Plans over a draw that differs by epoch: every entry once, the shapes the same, pure in seed and epoch."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plan_cases import prompts_like

from seqconv.batching import make_batch, make_plan, plan_packed
from seqconv.batching.epoch_sampling import count_repeats
from seqconv.errors import ManifestError, ShapeError
from seqconv.geometry import TimeLayer

STRATEGIES = ("packed", "bucketed", "padded", "single")
STACK = (TimeLayer(5), TimeLayer(3, stride=2), TimeLayer(3))


class Stretched:
    """As many sequences as there are, drawn with replacement, the short ones more often, each stretched anew."""

    def __init__(self, lengths, most=1.3, seed=0):
        self.of, self.most, self.seed = np.asarray(lengths), most, seed

    def indices(self, epoch):
        chance = 1 / self.of
        generator = np.random.default_rng([self.seed, epoch, 90])
        return generator.choice(len(self.of), len(self.of), p=chance / chance.sum())

    def lengths(self, epoch):
        factors = np.random.default_rng([self.seed, epoch, 91]).uniform(1 / self.most, self.most, len(self.of))
        return np.maximum(1, np.round(self.of[self.indices(epoch)] * factors)).astype(np.int64)

    def bounds(self):
        return max(1, int(self.of.min() / self.most) - 1), int(self.of.max() * self.most) + 1


class Everyone:
    """The entries of a plan without a sampler."""

    def __init__(self, lengths):
        self.of = np.asarray(lengths)

    def indices(self, epoch):
        return np.arange(len(self.of))

    def lengths(self, epoch):
        return self.of

    def bounds(self):
        return int(self.of.min()), int(self.of.max())


def entries(layouts):
    """Return the entries of layouts, as (sequence, frames, how often before)."""
    return Counter(
        entry
        for layout in layouts
        for entry in zip(layout.indices.tolist(), layout.length.tolist(), layout.repeat.tolist(), strict=True)
    )


def drawn(draw, epoch):
    indices = draw.indices(epoch)
    return Counter(zip(indices.tolist(), draw.lengths(epoch).tolist(), count_repeats(indices).tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(
    strategy=st.sampled_from(STRATEGIES),
    lengths=st.lists(st.integers(4, 300), min_size=1, max_size=50),
    options=st.sampled_from([{"batch_size": 7}, {"batch_size": 1}, {"frames_per_batch": 350}, {}]),
    geometry=st.sampled_from([(), STACK]),
    seed=st.integers(0, 99),
)
def test_every_entry_comes_once_in_shapes_that_do_not_change(strategy, lengths, options, geometry, seed):
    draw = Stretched(lengths, seed=seed)
    plan = make_plan(strategy, lengths, draw=draw, time_geometry=geometry, seed=seed, **options)
    for epoch in (0, 1, 5):
        layouts = list(plan.epoch(epoch))
        assert entries(layouts) == drawn(draw, epoch)
        assert {layout.shape for layout in layouts} <= set(plan.shapes)
        assert all(np.all(layout.start + layout.length <= layout.width) for layout in layouts)
        assert plan.num_steps(epoch) == len(layouts)
        frames = sum(layout.rows * layout.width for layout in layouts)
        assert plan.num_frames_of(epoch) == draw.lengths(epoch).sum()
        assert plan.padding_ratio_of(epoch) == pytest.approx(1 - draw.lengths(epoch).sum() / frames)
    assert plan.num_sequences == len(lengths)
    assert plan.mean_sequences == len(lengths) / len(plan)


@settings(max_examples=30, deadline=None)
@given(
    strategy=st.sampled_from(STRATEGIES),
    too_long=st.sampled_from(["drop", "crop"]),
    seed=st.integers(0, 99),
    max_frames=st.sampled_from([90, 120]),
)
def test_long_entries_are_dropped_or_cropped_epoch_by_epoch(strategy, too_long, seed, max_frames):
    lengths = np.random.default_rng(seed).integers(20, 200, 40)
    draw = Stretched(lengths, seed=seed)
    plan = make_plan(strategy, lengths, draw=draw, too_long=too_long, max_frames=max_frames, batch_size=30, seed=seed)
    assert plan.max_frames <= max_frames
    for epoch in range(6):
        layouts = list(plan.epoch(epoch))
        taken = np.concatenate([layout.length for layout in layouts])
        whole = draw.lengths(epoch)
        expected = whole[whole <= plan.max_frames] if too_long == "drop" else np.minimum(whole, plan.max_frames)
        assert sorted(taken) == sorted(expected)
        assert {layout.shape for layout in layouts} <= set(plan.shapes)
    is_long = draw.lengths(0) > plan.max_frames
    assert (plan.dropped, plan.cropped) == ((is_long.sum(), 0) if too_long == "drop" else (0, is_long.sum()))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_drawing_every_sequence_once_is_the_plan_without_a_draw(strategy):
    lengths = prompts_like(300)
    without, with_draw = (make_plan(strategy, lengths, seed=3, draw=draw) for draw in (None, Everyone(lengths)))
    assert [with_draw.epoch(epoch) for epoch in (0, 4)] == [without.epoch(epoch) for epoch in (0, 4)]
    if strategy != "single":  # whose shapes are those of every length that another epoch might have
        assert str(with_draw) == str(without)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("world_size", [2, 3, 8])
def test_processes_share_a_draw_in_equal_steps_and_shapes(strategy, world_size):
    lengths = prompts_like(200)
    draw = Stretched(lengths)
    plan = make_plan(strategy, lengths, draw=draw)
    shares = [plan.epoch(2, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert {len(share) for share in shares} == {plan.num_steps(2)}
    for layouts in zip(*shares, strict=True):
        assert len({layout.shape for layout in layouts}) == 1
    assert entries(layout for share in shares for layout in share) == drawn(draw, 2)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_plan_is_pure_in_seed_and_epoch(strategy):
    lengths = prompts_like(120)
    draw = Stretched(lengths)
    one, other = (make_plan(strategy, lengths, draw=draw, seed=5) for _ in range(2))
    # In another order of asking, and from the middle of an epoch.
    later = [other.epoch(epoch) for epoch in (3, 2, 1, 0)][::-1]
    assert [one.epoch(epoch) for epoch in range(4)] == later
    assert list(one.epoch(3, start=2)) == list(later[3])[2:]
    assert one.epoch(1) != one.epoch(2)
    assert one.epoch(1) != make_plan(strategy, lengths, draw=draw, seed=6).epoch(1)


@pytest.mark.parametrize("geometry", [(), STACK])
def test_packed_rows_stay_tight_in_all_epochs(geometry):
    lengths = prompts_like(10_000)
    draw = Stretched(lengths)
    plan = plan_packed(lengths, draw=draw, time_geometry=geometry)
    for epoch in range(4):
        # As tight as a plan that is made for what this epoch draws; short sequences have many gaps.
        alone = plan_packed(draw.lengths(epoch), time_geometry=geometry)
        assert plan.padding_ratio_of(epoch) <= alone.padding_ratio + 0.005
        assert plan.num_sequences / plan.num_steps(epoch) == pytest.approx(32, rel=0.05)


def test_repeats_tell_occurrences_apart_in_every_layout():
    lengths = [10, 20, 30]
    draw = Everyone(lengths)
    draw.indices = lambda epoch: np.array([0, 0, 2, 0, 2])
    draw.lengths = lambda epoch: np.array([10, 12, 30, 9, 33])
    draw.bounds = lambda: (9, 33)
    for strategy in STRATEGIES:
        found = entries(make_plan(strategy, lengths, draw=draw, batch_size=2).epoch(0))
        assert found == Counter([(0, 10, 0), (0, 12, 1), (0, 9, 2), (2, 30, 0), (2, 33, 1)])


def test_batches_take_the_drawn_sequences():
    sequences = [np.full((length, 1), index) for index, length in enumerate([4, 6, 5])]
    draw = Everyone([4, 6, 5])
    draw.indices = lambda epoch: np.array([2, 2, 0])
    draw.lengths = lambda epoch: np.array([5, 5, 4])
    for strategy in STRATEGIES:
        layouts = make_plan(strategy, [4, 6, 5], draw=draw).epoch(0)
        batches = [make_batch(layout, sequences, labels=[10, 11, 12]) for layout in layouts]
        assert Counter(np.concatenate([batch.labels[batch.weights > 0] for batch in batches])) == {12: 2, 10: 1}
        assert sum(batch.features.sum() for batch in batches) == 2 * 2 * 5


class Wrong(Everyone):
    def __init__(self, indices=(0, 1), lengths=(5, 9), bounds=(5, 9)):
        self.indices, self.lengths = (lambda epoch: np.array(indices, int)), (lambda epoch: np.array(lengths, int))
        self.bounds = lambda: bounds


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (Wrong((0, 1, 1)), ShapeError, r"indices of shape \(3,\) and lengths of shape \(2,\)"),
        (Wrong((), ()), ManifestError, "holds no sequence"),
        (Wrong((0, 2)), ManifestError, "sequences 0 to 2, but there are 2"),
        (Wrong(lengths=(5, 10)), ManifestError, "5 to 10 frames, but its bounds are 5 and 9"),
        (Wrong(bounds=(2, 9), lengths=(2, 9)), ManifestError, "of 2 frames; the model needs at least 5 frames"),
    ],
)
def test_a_draw_that_cannot_be_is_refused(strategy, wrong, error, message):
    with pytest.raises(error, match=message):
        make_plan(strategy, [5, 9], draw=wrong, time_geometry=(TimeLayer(5, padding="valid"),))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_an_epoch_may_hold_is_refused_before_any(strategy):
    # No sequence has more than 20 frames, but stretched ones may.
    with pytest.raises(ManifestError, match="may hold a sequence of 27 frames, but a batch holds 25"):
        make_plan(strategy, [20] * 9, draw=Stretched([20] * 9), frames_per_batch=25, too_long="error")
