"""Arrays from layouts and back; lists of arrays padded and packed."""

import numpy as np
import pytest
from support.plan_cases import GEOMETRIES, STRATEGIES, prompts_like

from seqconv.batching import (
    make_batch,
    make_plan,
    pack_sequences,
    pad_sequences,
    padding_ratio,
    plan_packed,
    restore_order,
    unpack,
    unpack_frames,
)
from seqconv.errors import ConfigError, ManifestError, ShapeError


@pytest.fixture
def sequences():
    generator = np.random.default_rng(1)
    lengths = generator.integers(1, 40, size=50)
    return [generator.random((length, 3)).astype(np.float32) for length in lengths]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["none", "one", "strided"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_frame_is_in_its_place_and_padding_holds_the_fill(strategy, geometry, sequences):
    lengths = [len(sequence) for sequence in sequences]
    plan = make_plan(strategy, lengths, batch_size=8, time_geometry=geometry)
    for layout in plan.epoch(1):
        batch = make_batch(layout, sequences, fill=np.nan)
        assert (batch.features.dtype, batch.segments.dtype, batch.lengths.dtype) == (np.float32, np.int32, np.int32)
        np.testing.assert_array_equal(np.isnan(batch.features).all(-1), batch.segments == -1)
        np.testing.assert_array_equal(np.isnan(batch.features).any(-1), batch.segments == -1)
        for row in range(layout.rows):
            for slot in range(layout.num_slots):
                assert batch.lengths[row, slot] == np.sum(batch.segments[row] == slot)
        for index, row, slot in zip(layout.indices, layout.row, layout.slot, strict=True):
            np.testing.assert_array_equal(batch.features[row][batch.segments[row] == slot], sequences[index])
        assert set(batch.as_inputs()) == {"features", "segments", "lengths"}


def test_labels_and_weights_go_to_their_slots_and_unused_ones_hold_zero(sequences):
    labels = np.arange(1, 101).reshape(50, 2)
    weights = np.linspace(0.5, 2, 50)
    plan = plan_packed([len(sequence) for sequence in sequences], batch_size=8)
    layout = plan.epoch(0)[0]
    batch = make_batch(layout, sequences, labels=labels, weights=weights)
    used = batch.lengths > 0
    assert batch.labels.shape == (layout.rows, layout.num_slots, 2)
    np.testing.assert_array_equal(batch.labels[used], labels[layout.indices])
    np.testing.assert_allclose(batch.weights[used], weights[layout.indices], rtol=1e-6)
    assert np.all(batch.labels[~used] == 0)
    assert np.all(batch.weights[~used] == 0)
    plain = make_batch(layout, sequences)
    assert plain.labels is None
    np.testing.assert_array_equal(plain.weights, used.astype(np.float32))


def test_cropped_sequences_give_the_window_of_the_layout():
    sequences = [np.arange(100.0)[:, None], np.arange(30.0)[:, None]]
    for layout in plan_packed([100, 30], frames_per_batch=40, too_long="crop").epoch(3):
        batch = make_batch(layout, sequences)
        for i, index in enumerate(layout.indices):
            first = layout.offset[i]
            frames = batch.features[layout.row[i]][batch.segments[layout.row[i]] == layout.slot[i]]
            np.testing.assert_array_equal(frames, sequences[index][first : first + layout.length[i]])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_values_of_slots_come_back_in_the_original_order(strategy, sequences):
    plan = make_plan(strategy, [len(sequence) for sequence in sequences], batch_size=8)
    ids = np.arange(50) * 7 + 1
    parts = []
    for layout in plan.epoch(2):
        batch = make_batch(layout, sequences, labels=np.stack([ids, -ids], axis=1))
        parts.append((layout, unpack(batch.labels, layout)))
    np.testing.assert_array_equal(restore_order(parts, 50), np.stack([ids, -ids], axis=1))
    with pytest.raises(ManifestError, match="no value for sequences"):
        restore_order(parts[1:], 50)
    with pytest.raises(ManifestError, match="two values for"):
        restore_order([*parts, parts[0]], 50)
    with pytest.raises(ShapeError, match="pass what `unpack` returned"):
        restore_order([(layout, values[:-1]) for layout, values in parts], 50)


@pytest.mark.parametrize("world_size", [2, 3])
def test_shares_of_processes_make_the_whole_batch(world_size, sequences):
    plan = plan_packed([len(sequence) for sequence in sequences], batch_size=20)
    for step, layout in enumerate(plan.epoch(0)):
        whole = make_batch(layout, sequences)
        shares = [
            make_batch(plan.epoch(0, rank=rank, world_size=world_size)[step], sequences) for rank in range(world_size)
        ]
        features = np.concatenate([share.features for share in shares])
        segments = np.concatenate([share.segments for share in shares])
        np.testing.assert_array_equal(features[: layout.rows], whole.features)
        np.testing.assert_array_equal(segments[: layout.rows], whole.segments)
        assert np.all(segments[layout.rows :] == -1)


def test_a_share_without_any_sequence_is_a_batch_of_padding(sequences):
    empty = plan_packed([5]).epoch(0, rank=3, world_size=4)[0]
    batch = make_batch(empty, sequences, labels=np.ones((50, 2)))
    assert batch.features.shape == (1, 5, 3)
    assert batch.labels.shape == (1, empty.num_slots, 2)
    assert np.all(batch.segments == -1)
    assert not batch.weights.any()
    assert unpack(batch.labels, empty).shape == (0, 2)


def test_frames_come_back_by_sequence(sequences):
    geometry = GEOMETRIES[2]
    plan = plan_packed([len(sequence) for sequence in sequences], batch_size=10, time_geometry=geometry)
    for layout in plan.epoch(0):
        batch = make_batch(layout, sequences)
        for frames, index in zip(unpack_frames(batch.features, layout), layout.indices, strict=True):
            np.testing.assert_array_equal(frames, sequences[index])
        # Every sixth frame, as layers of total stride 6 leave them.
        for frames, index in zip(unpack_frames(batch.features[:, ::6], layout, geometry), layout.indices, strict=True):
            np.testing.assert_array_equal(frames, sequences[index][::6])


def test_wrong_shapes_are_named(sequences):
    layout = plan_packed([len(sequence) for sequence in sequences]).epoch(0)[0]
    flat = [sequence[:, 0] for sequence in sequences]
    with pytest.raises(ShapeError, match=r"expected \(time, d\). Use x\[:, None\] for one feature"):
        make_batch(layout, flat)
    short = [sequence[:-1] for sequence in sequences]
    with pytest.raises(ShapeError, match="the plan expects at least"):
        make_batch(layout, short)
    other = [sequence[:, : 2 + i % 2] for i, sequence in enumerate(sequences)]
    with pytest.raises(ShapeError, match="Plan with the lengths of these sequences"):
        make_batch(layout, other)
    with pytest.raises(ShapeError, match=r"labels have shape \(3,\); expected \(n, ...\) with n at least"):
        make_batch(layout, sequences, labels=[1, 2, 3])
    with pytest.raises(ShapeError, match=r"values have shape \(2, 2\); this layout gives"):
        unpack(np.ones((2, 2)), layout)
    with pytest.raises(ShapeError, match=r"values have shape \(9, 9\); expected"):
        unpack_frames(np.ones((9, 9)), layout)


def test_pad_sequences_keeps_values_dtype_and_lengths(sequences):
    padded, lengths = pad_sequences(sequences, length=64, value=-1)
    assert padded.shape == (50, 64, 3)
    assert padded.dtype == np.float32
    for row, sequence, length in zip(padded, sequences, lengths, strict=True):
        np.testing.assert_array_equal(row[:length], sequence)
        assert np.all(row[length:] == -1)
    assert pad_sequences([np.ones(3), np.ones(5)])[0].shape == (2, 5)
    with pytest.raises(ShapeError, match=r"more than length=10\. Cut it, or raise length"):
        pad_sequences(sequences, length=10)
    with pytest.raises(ShapeError, match=r"sequence 1 has shape .* only time may differ"):
        pad_sequences([np.ones((3, 2)), np.ones((3, 4))])


@pytest.mark.parametrize("gap", [0, 1, 4])
def test_pack_sequences_leaves_the_gap_and_loses_nothing(gap, sequences):
    batch = pack_sequences(sequences, width=60, gap=gap)
    layout = batch.layout
    for row in range(layout.rows):
        here = np.flatnonzero(layout.row == row)
        assert len(here) >= 1
        between = layout.start[here][1:] - (layout.start + layout.length)[here][:-1]
        assert np.all(between == gap)
    parts = unpack_frames(batch.features, layout)
    for index, frames in zip(layout.indices, parts, strict=True):
        np.testing.assert_array_equal(frames, sequences[index])
    assert sorted(layout.indices.tolist()) == list(range(50))
    with pytest.raises(ShapeError, match=r"more than width=10\. Raise width"):
        pack_sequences(sequences, width=10)
    with pytest.raises(ConfigError, match="gap=-1"):
        pack_sequences(sequences, width=60, gap=-1)


def test_padding_ratio_counts_padding():
    lengths = prompts_like(100)
    padded, _ = pad_sequences([np.full(n, 1.0) for n in lengths])
    assert padding_ratio(lengths) == pytest.approx(np.mean(padded == 0))
    assert padding_ratio(lengths, batches=[[i] for i in range(100)]) == 0
    with pytest.raises(ConfigError, match="boundaries or batches"):
        padding_ratio(lengths, [9000], batches=[[0]])
