"""A ridge in blocks: the same answer whatever the blocks, in bounded memory, and a refusal of what cannot fit."""

import tracemalloc

import numpy as np
import pytest
from support.training_data import classified, framed

from seqconv.batching import FrameTargets
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.models import build_model
from seqconv.models.card import ModelCard
from seqconv.models.pooled_model import PooledModel
from seqconv.prediction.forward import forward
from seqconv.tasks.target import fit_target
from seqconv.training.ridge import blocks, features
from seqconv.training.ridge.blocks import kept_array, weighted_moments
from seqconv.training.ridge.features import check_fits, compute_features
from seqconv.training.ridge.fit import fit_head
from seqconv.training.ridge.rows import collect_rows
from seqconv.training.ridge.solution import fit_ridge

CASES = [(30, 80), (80, 30), (200, 20)]


def drawn(rows, num_features, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, num_features)) * rng.uniform(0.1, 10, num_features)
    return x, rng.normal(size=(rows, 2)), rng.uniform(0.5, 3, rows)


@pytest.mark.parametrize(("rows", "num_features"), CASES)
@pytest.mark.parametrize("num_groups", [None, 3, 12])
def test_blocks_of_any_size_give_the_same_answer(rows, num_features, num_groups):
    x, y, weights = drawn(rows, num_features)
    groups = None if num_groups is None else np.random.default_rng(1).integers(0, num_groups, rows)
    whole = fit_ridge(x, y, weights, groups)
    # A row or a column at a time, a few, and some that leave a rest.
    for block_bytes in (1, 1000, 7000):
        parts = fit_ridge(x, y, weights, groups, block_bytes=block_bytes)
        assert parts.strength == whole.strength
        for name in ("coefficients", "intercept", "left_out", "error"):
            one, other = getattr(parts, name), getattr(whole, name)
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(other).max(), err_msg=name)


@pytest.mark.parametrize("block_bytes", [1, 1 << 27])
def test_large_means_cost_no_digits(block_bytes):
    x, y, weights = drawn(60, 8)
    plain = fit_ridge(x, y, weights, strengths=[0.1], block_bytes=block_bytes)
    moved = fit_ridge(x + 1e4 * np.arange(8), y, weights, strengths=[0.1], block_bytes=block_bytes)
    np.testing.assert_allclose(moved.coefficients, plain.coefficients, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(moved.left_out, plain.left_out, rtol=1e-7, atol=1e-9)


def test_moments_of_blocks_are_those_of_all():
    x, _, weights = drawn(50, 4)
    x[:, 2] = 12345.678
    x[:, 3] += 1e5
    shares = weights / weights.sum()
    mean = shares @ (x - x[0]) + x[0]
    for block_bytes in (1, 300, 1 << 27):
        found, deviation = weighted_moments(x, weights, block_bytes)
        np.testing.assert_allclose(found, mean, rtol=1e-13)
        np.testing.assert_allclose(deviation, np.sqrt(shares @ (x - mean) ** 2) * [1, 1, 0, 1], rtol=1e-9)
        assert deviation[2] == 0


def test_rows_without_a_target_are_not_looked_at():
    x, y, weights = drawn(80, 30)
    groups, is_known = np.arange(80) // 4, np.random.default_rng(3).random(80) < 0.7
    expected = fit_ridge(x[is_known], y[is_known], weights[is_known], groups[is_known])
    y[~is_known, 1], x[~is_known] = np.nan, np.nan
    found = fit_ridge(x, y, weights, groups)
    np.testing.assert_allclose(found.left_out[is_known], expected.left_out, rtol=1e-12)
    np.testing.assert_allclose(found.coefficients, expected.coefficients, rtol=1e-12)
    assert np.isnan(found.left_out[~is_known]).all()


def test_a_total_scales_the_strength_alone():
    """Each row four times, with a quarter of the weight, says what it said."""
    x, y, weights = drawn(40, 10)
    groups = np.repeat(np.arange(40), 4)
    once = fit_ridge(x, y, weights)
    often = fit_ridge(*(np.repeat(each, 4, axis=0) for each in (x, y, weights)), groups, total=40)
    assert often.strength == once.strength
    np.testing.assert_allclose(often.coefficients, once.coefficients, rtol=1e-9)
    np.testing.assert_allclose(often.left_out[::4], once.left_out, rtol=1e-9)


@pytest.mark.parametrize(("rows", "num_features"), [(20_000, 64), (64, 20_000)])
@pytest.mark.parametrize("is_grouped", [False, True])
def test_memory_is_that_of_blocks_and_products(rows, num_features, is_grouped, tmp_path):
    x = np.memmap(tmp_path / "features", np.float32, mode="w+", shape=(rows, num_features))
    x[:] = np.random.default_rng(0).normal(size=x.shape)
    y = np.random.default_rng(1).normal(size=(rows, 1))
    # Two groups are more than a block, and have more rows than there are directions.
    groups = (np.arange(rows) * 7 // rows).clip(0, 5) if is_grouped else None

    def peak(**options):
        tracemalloc.start()
        fit_ridge(x, y, None, groups, [0.01, 0.1], **options)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    whole = 8 * x.size
    assert peak() > whole
    assert peak(block_bytes=1 << 17) < whole / 3


def frame_model(pooling="frames", **block):
    block = {"type": "random_convolutions", "dilations": [1, 2], **block}
    return build_model({"blocks": [block], "pooling": pooling}, num_features=3, num_outputs=3)


@pytest.mark.parametrize("dilations", [[1], [1, 2, 4]])
def test_features_in_pieces_are_those_of_whole_sequences(dilations, monkeypatch):
    data, model = framed(20, missing=0.3), frame_model(dilations=dilations)
    target = fit_target("classification", data.labels, kind="frame")
    weights = np.ones(20, np.float32)
    weights[3] = 0
    rows = collect_rows(data, FrameTargets(target.encode_frames(data.labels), 3), weights)
    pooled = PooledModel(model)
    expected = [forward(pooled, data, strategy="single")[index] for index in range(20) if index != 3]
    expected = np.concatenate([found[mask] for found, mask in zip(expected, rows.is_kept, strict=True)])
    assert 0 < len(expected) == len(rows.weights) < data.lengths.sum()
    # Of sequences of 4 to 60 frames, many at once, some at once, and all in chunks.
    for frames in (10_000, 100, 1):
        monkeypatch.setattr(features, "BLOCK_BYTES", 4 * pooled.num_outputs * frames)
        np.testing.assert_allclose(compute_features(pooled, data, rows), expected, rtol=1e-5, atol=1e-5)


def test_what_is_large_lies_in_a_file_that_leaves_nothing(tmp_path, monkeypatch):
    assert type(kept_array((10, 10), tmp_path)) is np.ndarray
    monkeypatch.setattr(blocks, "KEPT_BYTES", 399)
    array = kept_array((10, 10), tmp_path)
    assert isinstance(array, np.memmap)
    array[:] = np.arange(100).reshape(10, 10)
    assert array[9, 9] == 99
    assert not list(tmp_path.iterdir())


class Reads(Sequences):
    """Sequences that count how often one is read."""

    count = 0

    def __getitem__(self, index):
        type(self).count += 1
        return super().__getitem__(index)


def test_what_does_not_fit_is_refused_before_any_feature_is_computed(monkeypatch):
    with pytest.raises(
        ConfigError,
        match=r"equations of 56,000 unknowns, for 56,000 features of 60,000 training sequences: a matrix of 25\.1 GB, "
        r"and 100\.4 GB in all, but at most .* Give the model fewer features: fewer inputs or num_dilations",
    ):
        check_fits(60_000, 56_000, "training sequences")
    # As many features of few sequences are equations of these.
    check_fits(300, 56_000, "training sequences")
    data = classified(20)
    model = build_model({"blocks": [{"filters": 50}], "standardize_pooled": True}, num_features=3, num_outputs=3)
    target = fit_target("classification", data.labels)
    model.card = ModelCard(target=target)
    counted = Reads([data[index] for index in range(20)], data.labels)
    labels, weights = target.encode(data.labels), np.ones(20, np.float32)
    Reads.count = 0
    monkeypatch.setattr(features, "MOST_BYTES", 8 * 4 * 20**2 - 1)
    with pytest.raises(ConfigError, match=r"50 features of 20 training sequences: .* at most 19 fit"):
        fit_head(model, counted, labels, weights, None)
    assert Reads.count == 0
    monkeypatch.setattr(features, "MOST_BYTES", 8 * 4 * 20**2)
    fit_head(model, counted, labels, weights, None)
    assert Reads.count >= 20


def test_features_that_no_disk_holds_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"keeps 1,000 features of 1,000,000,000,000 training frames in a file .* GB"):
        check_fits(10**12, 1000, "training frames", tmp_path)
