"""Properties of every plan: each sequence once, pure, cut evenly, resumed exactly."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plan_cases import GEOMETRIES, STRATEGIES, prompts_like

from seqconv.batching import make_plan
from seqconv.errors import ConfigError, ManifestError, ShapeError
from seqconv.geometry import TimeLayer, total_stride

some_lengths = st.lists(st.integers(1, 60), min_size=1, max_size=80)
some_size = st.one_of(
    st.fixed_dictionaries({"batch_size": st.integers(1, 20)}),
    st.fixed_dictionaries({"frames_per_batch": st.integers(6, 300)}),
)


def check_layout(layout, lengths, geometry):
    """Check what is true for every layout of every plan, except cropping."""
    stride = total_stride(geometry)
    np.testing.assert_array_equal(layout.length, lengths[layout.indices])
    assert np.all(layout.offset == 0)
    assert np.all(layout.start % stride == 0)
    assert np.all(layout.start >= 0)
    assert np.all(layout.start + layout.length <= layout.width)
    assert np.all((layout.row >= 0) & (layout.row < layout.rows))
    assert np.all((layout.slot >= 0) & (layout.slot < layout.num_slots))
    for row in range(layout.rows):
        here = np.flatnonzero(layout.row == row)
        assert layout.slot[here].tolist() == list(range(len(here)))
        assert np.all(layout.start[here][1:] >= (layout.start + layout.length)[here][:-1])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(STRATEGIES), some_lengths, some_size, st.sampled_from(GEOMETRIES), st.integers(0, 9), st.booleans()
)
def test_each_sequence_once_in_every_epoch(strategy, lengths, size, geometry, epoch, shuffle):
    plan = make_plan(strategy, lengths, time_geometry=geometry, seed=3, shuffle=shuffle, **size)
    layouts = plan.epoch(epoch)
    placed = np.concatenate([layout.indices for layout in layouts])
    assert sorted(placed.tolist()) == list(range(len(lengths)))
    assert len(layouts) == plan.num_steps(epoch)
    for layout in layouts:
        check_layout(layout, np.array(lengths), geometry)
        assert layout.shape in plan.shapes
        assert len(layout.indices) >= 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_plan_is_a_pure_function(strategy):
    lengths = prompts_like(300)
    plan, again = (make_plan(strategy, lengths, batch_size=8, seed=5) for _ in range(2))
    # The second plan is asked in another order, so that nothing hangs on what was asked before.
    reversed_epochs = [again.epoch(epoch) for epoch in (3, 2, 1, 0)][::-1]
    assert [plan.epoch(epoch) for epoch in range(4)] == reversed_epochs
    assert plan.epoch(0) == plan.epoch(0)
    assert plan.shapes == again.shapes
    assert plan.epoch(0) != plan.epoch(1)
    assert plan.epoch(0) != make_plan(strategy, lengths, batch_size=8, seed=6).epoch(0)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_shuffling_every_epoch_is_the_same(strategy):
    plan = make_plan(strategy, prompts_like(100), batch_size=8, shuffle=False)
    assert plan.epoch(0) == plan.epoch(7)


@pytest.mark.parametrize("strategy", ["padded", "single"])
def test_without_shuffling_the_order_is_kept(strategy):
    plan = make_plan(strategy, prompts_like(50), batch_size=8, shuffle=False, too_long="own_batch", max_frames=400)
    placed = [index for layout in plan.epoch(0) for index in layout.indices.tolist()]
    within_limit = [index for index in placed if prompts_like(50)[index] <= 400]
    assert within_limit == sorted(within_limit)
    assert plan.in_own_batch == np.sum(prompts_like(50) > 400) > 0


@pytest.mark.parametrize("world_size", range(1, 9))
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ranks_share_every_batch_evenly(strategy, world_size):
    plan = make_plan(strategy, prompts_like(200), batch_size=9, time_geometry=(TimeLayer(3, stride=2),))
    whole = plan.epoch(1)
    shares = [plan.epoch(1, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert {len(share) for share in shares} == {len(whole)}
    for step, layout in enumerate(whole):
        parts = [share[step] for share in shares]
        assert len({part.shape for part in parts}) == 1
        assert np.concatenate([part.indices for part in parts]).tolist() == layout.indices.tolist()
        rows = [part.row + rank * part.rows for rank, part in enumerate(parts)]
        assert np.concatenate(rows).tolist() == layout.row.tolist()
        assert sum(part.rows for part in parts) - layout.rows in range(world_size)


@pytest.mark.parametrize("world_size", range(1, 9))
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_over_all_ranks_every_sequence_comes_once(strategy, world_size):
    """Also those that need a wider row than all others, and from any step on."""
    lengths = np.r_[prompts_like(150), [12_000, 20_000]]
    plan = make_plan(strategy, lengths, frames_per_batch=9000, time_geometry=(TimeLayer(5), TimeLayer(3, stride=2)))
    for epoch in range(2):
        ranks = [plan.epoch(epoch, rank=rank, world_size=world_size) for rank in range(world_size)]
        placed = np.concatenate([layout.indices for rank in ranks for layout in rank])
        assert np.sort(placed).tolist() == list(range(152))
        shapes = [[layout.shape for layout in rank] for rank in ranks]
        assert shapes == [shapes[0]] * world_size
        assert {len(rank) for rank in ranks} == {plan.num_steps(epoch)}
        for step, whole in enumerate(plan.epoch(epoch)):
            assert ranks[-1][step].rows == -(-whole.rows // world_size)
        late = [plan.epoch(epoch, rank=rank, world_size=world_size, start=2) for rank in range(world_size)]
        assert [list(rank) for rank in late] == [rank[2:] for rank in ranks]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_start_skips_exactly_that_many_steps(strategy):
    plan = make_plan(strategy, prompts_like(120), batch_size=8)
    whole = plan.epoch(2)
    for start in (0, 1, len(whole) - 1, len(whole)):
        rest = plan.epoch(2, start=start)
        assert list(rest) == whole[start:]
        assert len(rest) == len(whole) - start
    with pytest.raises(ConfigError, match=f"start={len(whole) + 1}, but the epoch has {len(whole)} steps"):
        plan.epoch(2, start=len(whole) + 1)


@pytest.mark.parametrize("strategy", ["packed", "bucketed", "padded"])
@pytest.mark.parametrize("batch_size", [8, 32])
def test_batch_size_is_the_average_number_of_sequences(strategy, batch_size):
    plan = make_plan(strategy, prompts_like(3000), batch_size=batch_size)
    assert plan.mean_sequences == pytest.approx(batch_size, rel=0.15)
    assert plan.mean_sequences == 3000 / len(plan)
    default = make_plan(strategy, prompts_like(3000))
    assert default.mean_sequences == pytest.approx(32, rel=0.15)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_padding_ratio_counts_every_frame_that_is_not_real(strategy):
    lengths = prompts_like(150)
    plan = make_plan(strategy, lengths, batch_size=8, time_geometry=(TimeLayer(9, stride=2),))
    total = sum(layout.rows * layout.width for layout in plan.epoch(0))
    assert plan.padding_ratio == pytest.approx((total - lengths.sum()) / total, abs=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([], ManifestError, "lengths is empty"),
        ([4, 0, 3], ManifestError, r"lengths\[1\] is 0; a sequence has at least 1 frame"),
        ([4, 3, -2, -1], ManifestError, r"lengths\[2\] is -2 \(2 such: '2', '3'\)"),
        ([4, 2.5], ManifestError, r"lengths\[1\] is 2.5; expected whole numbers"),
        ([4, float("nan")], ManifestError, r"lengths\[1\] is nan; expected whole numbers"),
        (["4"], ManifestError, "expected whole numbers of frames"),
        ([[4]], ShapeError, r"shape \(1, 1\); expected \(n,\)"),
        ([6, 5], ManifestError, r"lengths\[1\] is 5; the model needs at least 6 frames"),
    ],
)
def test_bad_lengths_are_named(strategy, lengths, error, message):
    with pytest.raises(error, match=message):
        make_plan(strategy, lengths, time_geometry=(TimeLayer(6, padding="valid"),) if lengths == [6, 5] else ())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 2, "frames_per_batch": 100}, "two ways to say the same. Give one"),
        ({"batch_size": 0}, "batch_size=0: expected a whole number, 1 or more"),
        ({"frames_per_batch": 1.5}, "frames_per_batch=1.5: expected a whole number"),
        ({"seed": -1}, "seed=-1: expected a whole number, 0 or more"),
        ({"too_long": "truncate"}, "too_long='truncate': expected one of 'error', 'drop', 'crop', 'own_batch'"),
        ({"max_frames": 0}, "max_frames=0: expected a whole number"),
    ],
)
def test_bad_options_are_named(strategy, options, message):
    with pytest.raises(ConfigError, match=message):
        make_plan(strategy, [5, 6, 7], **options)


def test_an_unknown_strategy_is_named():
    with pytest.raises(
        ConfigError, match=r"there is no batching strategy 'ragged'\. Known: packed, bucketed, padded, single"
    ):
        make_plan("ragged", [5])


def test_ranks_and_epochs_out_of_range_are_refused():
    plan = make_plan("packed", [5, 6])
    with pytest.raises(ConfigError, match="rank=2 with world_size=2"):
        plan.epoch(0, rank=2, world_size=2)
    with pytest.raises(ConfigError, match="epoch=-1: epochs count from 0"):
        plan.epoch(-1)


def test_printing_a_plan_reports_what_it_costs():
    plan = make_plan("bucketed", [10, 10, 20, 20, 90], frames_per_batch=40, num_buckets=2)
    report = str(plan)
    assert "bucketed: 5 sequences, 150 frames, 3 steps an epoch, 1.7 sequences a step" in report
    assert "2 x 20" in report
    assert "too long (over 40 frames): 1 in batches of their own" in report
    assert "padding ratio 0.0000" in report


def test_batching_needs_nothing_but_numpy():
    heavy = ["pandas", "pydantic", "ruamel", "tensorflow", "keras", "librosa", "scipy", "sklearn", "pyarrow", "rich"]
    code = f"import sys, seqconv.batching; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_integral_floats_are_lengths_and_reports_stay_short():
    plan = make_plan("single", np.arange(1.0, 40.0))
    assert plan.num_sequences == 39
    assert "and 27 more shapes" in str(plan)


def test_plans_and_layouts_compare_only_with_their_own():
    epoch = make_plan("packed", [5, 6]).epoch(0)
    assert epoch != [epoch[0]]
    assert epoch[0] != "a layout"
    assert repr(epoch[0]).startswith("Layout(rows=1, width=11, num_slots=4, 2 sequences, 11 of 11 frames")


def test_an_epoch_far_back_is_planned_again_the_same():
    plan = make_plan("packed", prompts_like(200), batch_size=8)
    steps = [plan.num_steps(epoch) for epoch in range(6)]
    assert [len(plan.epoch(epoch)) for epoch in range(6)] == steps
    assert plan.num_steps(2) == steps[2]
