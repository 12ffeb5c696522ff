"""Features of another scale than random convolutions, or a ridge, take: refused by name, and no others."""

import numpy as np
import pytest
from support.training_data import quick

import seqconv
from seqconv.config import load_config
from seqconv.config.training import LEAST_STRENGTH
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.training.ridge.solution import fit_ridge

RANDOM = {"type": "random_convolutions", "num_dilations": 2, "inputs": ["frames", "differences"], "keep_inputs": False}
KERNELS = {"blocks": [RANDOM], "pooling": ["thresholds", "max"]}
POOLED = {"blocks": [{"type": "max_pool", "pool_size": 2}], "pooling": ["max", "mean"]}
AS_IT_IS = {"features": {"kind": "precomputed", "normalize": "none"}}


def fit(path, arrays, model=KERNELS, weights=None, **sections):
    config = {**quick(model=model, **sections), "training": {"solver": "ridge"}}
    labels = [("a", "b")[index % 2] for index in range(len(arrays))]
    train = Sequences(arrays[:-8], labels[:-8], weights=weights)
    return seqconv.train(config, path / "run", train_data=train, valid_data=Sequences(arrays[-8:], labels[-8:]))


def make_noise(num_features=1):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(30, num_features)).astype("float32") for _ in range(40)]


def test_two_levels_as_far_from_0_are_no_constant(tmp_path):
    """Their absolute values are: a square wave is told from another by its width."""
    arrays = []
    for index in range(40):
        wave = np.tile(np.repeat([1.0, -1.0], 2 + index % 2), 30 + 6 * index)[:, None]
        arrays.append(wave.astype("float32"))
    assert fit(tmp_path, arrays).metrics["valid"]["accuracy"] == 1
    assert all(abs(array.mean()) < 1e-6 for array in arrays)


def test_a_single_feature_beyond_the_limit_is_refused_by_its_number(tmp_path):
    arrays = make_noise(num_features=120)
    for array in arrays:
        array[:, 7] += 2000
    with pytest.raises(ConfigError, match=r"100\.0% of the values of feature 7 \(counted from 0\) are beyond 64"):
        fit(tmp_path, arrays, **AS_IT_IS)


def test_small_changes_far_from_0_are_refused_with_their_deviation(tmp_path):
    with pytest.raises(ConfigError, match="the deviation of these is 1e-05, which is rounded away"):
        fit(tmp_path, [5 + 1e-5 * array for array in make_noise()], **AS_IT_IS)


def test_a_difference_that_overflows_is_left_to_the_graph(tmp_path):
    arrays = make_noise()
    arrays[3][10:12, 0] = 3e38, -3e38
    assert np.isfinite(fit(tmp_path, arrays, **AS_IT_IS).metrics["valid"]["loss"])


def test_features_whose_squares_overflow_are_refused_with_a_remedy(tmp_path):
    arrays = [array * np.float32(1e30) for array in make_noise()]
    with pytest.raises(ConfigError, match=r"2 of its 2 features are NaN, or too large .* Set features\.normalize"):
        fit(tmp_path, arrays, POOLED, **AS_IT_IS)


def test_the_least_strength_is_one_whose_left_out_errors_are_no_rounding():
    rng = np.random.default_rng(0)
    x, groups = rng.normal(size=(30, 80)), np.arange(30) // 10
    y = x[:, :1] + rng.normal(size=(30, 1))
    standardized = (x - x.mean(axis=0)) / x.std(axis=0)
    for strength, is_exact in ((LEAST_STRENGTH, True), (LEAST_STRENGTH * 1e-4, False)):
        expected = np.empty(30)
        for group in range(3):
            rows, wanted = standardized[groups != group], y[groups != group, 0]
            mean, penalty = rows.mean(axis=0), strength * 80 * np.eye(len(rows))
            shares = np.linalg.solve((rows - mean) @ (rows - mean).T + penalty, wanted - wanted.mean())
            found = (standardized[groups == group] - mean) @ (rows - mean).T @ shares
            expected[groups == group] = found + wanted.mean()
        left_out = fit_ridge(x, y, None, groups, [strength]).left_out[:, 0]
        assert np.allclose(left_out, expected, atol=2e-3) == is_exact, strength
    with pytest.raises(ConfigError, match=r"training\.strength: expected a number of at least 1e-08, got 1e-12"):
        load_config({"training": {"solver": "ridge", "strength": 1e-12}})


def test_weights_that_are_all_0_are_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="all 32 training sequences have weight 0"):
        fit(tmp_path, make_noise(), weights=[0.0] * 32)
