"""Random convolutions are the same numbers on every backend, and statistics of thresholds those of plain loops.

Other backends run this file, too (tests/models/test_backends.py): what agrees with one reference agrees.
"""

from itertools import groupby, pairwise

import keras
import numpy as np
import pytest

from seqconv import layers
from seqconv.layers.random_convolution import KERNEL_SIZE, kernel_weights, power_above
from seqconv.layers.threshold_pooling import STATISTICS, choose_levels

to_numpy = keras.ops.convert_to_numpy
DILATIONS = (1, 2, 2, 7)
NOISE = np.random.default_rng(5).normal(size=(2, 60))


def ramp(count: int) -> np.ndarray:
    return np.linspace(-3, 3, count)


# Signals on which a sum that is rounded anyhow, or a threshold on a value, would tell backends apart.
SIGNALS = {
    "silence": np.zeros(60),
    "constant": np.full(60, 0.3),
    "steps": np.repeat([0.1, -2.7, 0.1, 1.3], 15),
    "8 bits": np.round(NOISE[0] * 20) / 127,
    "noise": NOISE[1],
    "out of limits": ramp(60) * 100,
    "a single frame": np.array([0.7]),
}


def reference(signal: np.ndarray, layer: layers.MaskedRandomConvolution1D) -> np.ndarray:
    """The same in whole numbers: `(time, 84 * dilations)`."""
    kernel = np.rint(to_numpy(layer.kernel)).astype(np.int64)
    step = layer.input_step if layer.smoothed else layer.step
    steps = np.rint(np.clip(signal.astype(np.float32), -layer.limit, layer.limit) / step).astype(np.int64)
    found = []
    for number, dilation in enumerate(layer.dilations):
        weights, before = kernel[number], KERNEL_SIZE - 1 if layer.padding == "causal" else KERNEL_SIZE // 2
        left, right = dilation * before, dilation * (KERNEL_SIZE - 1 - before)
        if layer.smoothed:
            sums = np.pad(np.cumsum(steps, axis=0), [(left, 0), (0, 0)])
            padded = np.pad(sums, [(0, right), (0, 0)], mode="edge")
        else:
            padded = np.pad(steps, [(left, right), (0, 0)])
        under = [padded[tap * dilation : tap * dilation + len(steps)] for tap in range(KERNEL_SIZE)]
        if layer.smoothed:
            # Means between two taps, up to a power of two, in steps.
            parts = step / power_above(dilation) / layer.step
            most = layer.limit / layer.step
            under = [np.rint(np.clip((b - a) * parts, -most, most)) for a, b in pairwise(under)]
            weights = -np.cumsum(weights, axis=0)[:-1]
        found.append(sum(frames @ weights[tap] for tap, frames in enumerate(under)))
    return np.concatenate(found, axis=1) * layer.step


@pytest.mark.parametrize("smoothed", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("padding", ["same", "causal"])
def test_sums_are_exact(smoothed, channels, padding):
    layer = layers.MaskedRandomConvolution1D(DILATIONS, smoothed=smoothed, padding=padding, most_features=2, seed=3)
    for name, signal in SIGNALS.items():
        features = np.stack([np.roll(signal, 5 * channel) * (1 + channel) for channel in range(channels)], axis=1)
        expected = reference(features, layer) if layer.built else None
        found = to_numpy(layer(features[None].astype("float32")))[0]
        expected = reference(features, layer) if expected is None else expected
        np.testing.assert_array_equal(found.astype(np.float64), expected, err_msg=name)


@pytest.mark.parametrize("dilation", [300, 2000, 12_500])
def test_large_dilations_round_no_signal_away(dilation):
    signal = np.random.default_rng(0).normal(size=(1, 4 * dilation, 1)).astype("float32") + 0.5
    for smoothed in (False, True):
        layer = layers.MaskedRandomConvolution1D([dilation], smoothed=smoothed)
        found = to_numpy(layer(signal[:, : 2 * dilation + 1]))[0]
        expected = reference(signal[0, : 2 * dilation + 1], layer)
        np.testing.assert_array_equal(found.astype(np.float64), expected)
        assert layer.step < 1e-3
        # What is rounded is far less than what kernels see: means of the noise are as small as this.
        plain = np.array([signal[0, :dilation, 0].mean()]) * dilation / power_above(dilation)
        assert abs(plain - np.rint(plain / layer.step) * layer.step) < 1e-3


def test_sums_of_constants_do_not_change_away_from_the_ends():
    constant = np.full((1, 60, 1), 1 / 3, "float32")
    plain, smoothed = (
        to_numpy(layers.MaskedRandomConvolution1D([3], smoothed=smoothed)(constant)) for smoothed in (False, True)
    )
    # Kernels sum to 0; those over means weigh them by what is to their right, and so also see the level.
    assert not plain[:, 12:-12].any()
    assert plain[:, :12].any()
    assert smoothed[:, 12:-12].any()
    assert (smoothed[:, 12:-12] == smoothed[:, 30:31]).all()


def test_kernels_are_those_of_minirocket():
    kernels = kernel_weights()
    assert kernels.shape == (9, 84)
    assert len(np.unique(kernels, axis=1).T) == 84
    assert set(np.unique(kernels)) == {-1, 2}
    assert not kernels.sum(axis=0).any()


def test_features_of_kernels_are_few_and_follow_the_seed():
    def kernels(seed: int) -> np.ndarray:
        layer = layers.MaskedRandomConvolution1D([1, 2], most_features=4, seed=seed)
        layer.build((None, None, 10))
        return to_numpy(layer.kernel)

    used = (kernels(0) != 0).any(axis=1).sum(axis=1)
    assert set(np.unique(used)) == {1, 2, 3, 4}
    assert (kernels(0) == kernels(0)).all()
    assert (kernels(0) != kernels(1)).any()


def test_a_threshold_is_never_a_value():
    frames = np.round(np.random.default_rng(1).normal(size=(500, 6)) * 3)
    frames[:, 0] = 4.0
    levels = choose_levels(frames.astype("float32"), 5)
    assert levels.shape == (5, 6)
    for channel in range(6):
        assert not np.isin(levels[:, channel], frames[:, channel]).any()
        assert (np.diff(np.sort(levels[:, channel])) >= 0).all()
    # A constant channel has nothing between: thresholds lie beside it, and what is above is all or nothing.
    assert set(levels[:, 0]) <= {3.5, 4.5}
    # Quantiles are spread over all channels.
    shares = (frames[:, 1:, None] > levels.T[None, 1:]).mean(axis=0)
    assert shares.min() < 0.15
    assert shares.max() > 0.85


def statistics_of(values: np.ndarray, level: float) -> dict[str, float]:
    """Statistics of one channel `(time,)`, as MiniRocket and MultiRocket describe them."""
    is_above = values > level
    places, count = np.flatnonzero(is_above), len(values)
    runs = [len(list(group)) for key, group in groupby(is_above.tolist()) if key]
    return {
        "proportion": len(places) / count,
        "mean": float((values[places] - level).mean()) if len(places) else 0.0,
        "mean_index": float((places.mean() + 0.5) / count) if len(places) else 0.5,
        "spread": float(places.std() / count) if len(places) else 0.0,
        "longest": max(runs, default=0) / count,
        "stretches": len(runs) / count,
    }


def test_statistics_are_those_of_plain_loops():
    layer = layers.MaskedThresholdPooling1D(2, STATISTICS)
    layer.build((None, None, 2))
    arrays = [np.stack([signal, signal[::-1]], axis=1).astype("float32") for signal in SIGNALS.values()]
    layer.adapt(np.concatenate(arrays))
    levels = to_numpy(layer.levels)
    for array in arrays:
        found = to_numpy(layer(array[None]))[0].reshape(len(STATISTICS), 2, 2)
        for threshold in range(2):
            for channel in range(2):
                expected = statistics_of(array[:, channel].astype(np.float64), float(levels[threshold, channel]))
                actual = dict(zip(STATISTICS, found[:, threshold, channel].tolist(), strict=True))
                assert actual == pytest.approx(expected, abs=1e-5, rel=1e-5)


def test_shares_of_frames_sum_to_the_statistics():
    layer = layers.MaskedThresholdPooling1D(2, STATISTICS)
    layer.build((None, None, 3))
    array = np.stack([SIGNALS["noise"], SIGNALS["steps"], SIGNALS["silence"]], axis=1)
    layer.adapt(array.astype("float32"))
    for frames in (array, array[:1], array[:3], array - 100):
        shares = layer.shares(frames, np.ones(len(frames), bool))
        pooled = to_numpy(layer(frames[None].astype("float32")))[0]
        np.testing.assert_allclose(shares.frames.sum(axis=0) + shares.rest, pooled, rtol=1e-4, atol=1e-5)


def test_compression_is_odd_and_grows_less_and_less():
    layer = layers.MaskedCompression(0.125, 7)
    values = np.concatenate([-np.geomspace(1e-3, 40, 50)[::-1], [0], np.geomspace(1e-3, 40, 50)])
    found = to_numpy(layer(values[None, :, None].astype("float32")))[0, :, 0]
    np.testing.assert_array_equal(found, -found[::-1])
    assert (np.diff(found) >= 0).all()
    slopes = np.diff(found[51:]) / np.diff(values[51:])
    assert (np.diff(slopes) <= 1e-3).all()
    # Near 0 as it is, in units; beyond, 1 for each octave.
    np.testing.assert_allclose(to_numpy(layer(np.array([[[0.1], [0.125], [0.25], [16.0]]])))[0, :, 0], [0.8, 1, 2, 8])


def test_standardized_constants_are_zero():
    array = np.full((1, 1000, 1), 1 / 3, "float32") * np.array([1.0, 1e4], "float32")
    assert not to_numpy(layers.MaskedSequenceStandardization()(array)).any()
    ordinary = np.random.default_rng(2).normal(size=(1, 100, 2)) * [1e-2, 1e3] + [5, -1e3]
    found = to_numpy(layers.MaskedSequenceStandardization()(ordinary.astype("float32")))[0]
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(axis=0), 1, rtol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MaskedRandomConvolution1D([]), r"dilations must be whole numbers of at least 1, got \[\]"),
        (lambda: layers.MaskedRandomConvolution1D([0, 2]), r"got \[0, 2\]"),
        (lambda: layers.MaskedRandomConvolution1D([1.5]), r"whole numbers of at least 1, got \[1.5\]"),
        (lambda: layers.MaskedRandomConvolution1D(most_features=0), "most_features must be 1 or more"),
        (lambda: layers.MaskedRandomConvolution1D(limit=0), "limit above 0, got 8 and 0"),
        (lambda: layers.MaskedCompression(0.5, -2), "pieces 0 or more, got 0.5 and -2"),
        (lambda: layers.MaskedThresholdPooling1D(0), "expected at least 1 threshold"),
        (lambda: layers.MaskedThresholdPooling1D(1, ["median"]), "got 1 and .'median'."),
        (lambda: layers.MaskedCompression(0.1), "unit must be a power of two and pieces 0 or more, got 0.1"),
    ],
)
def test_impossible_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
