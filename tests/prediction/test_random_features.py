"""Random convolutions by compiled kernels: the answer of the graph, and who takes which way."""

import sys
import warnings

import keras
import numba
import numpy as np
import pytest
from keras import ops

from seqconv.data.sequences import Sequences
from seqconv.layers import (
    FeatureNormalization,
    MaskedCompression,
    MaskedDifference1D,
    MaskedLengthChannel,
    MaskedSequenceStandardization,
    MaskedThresholdPooling1D,
)
from seqconv.layers.threshold_pooling import STATISTICS
from seqconv.models import SequenceModel, build_model
from seqconv.models.pooled_model import PooledModel
from seqconv.models.stack import apply_trunk
from seqconv.prediction import random_features
from seqconv.prediction.forward import forward
from seqconv.prediction.random_features import features, kernels
from seqconv.prediction.random_features.branches import compiled_kernels
from seqconv.prediction.random_features.forms import form_of, sums_above
from seqconv.prediction.random_features.kernels import BLOCK
from seqconv.training.run import adaptation

FORMS = (
    "frames", "differences", "compressed", "smoothed",
    "standardized", "standardized_differences", "standardized_smoothed",
)  # fmt: skip
THRESHOLDS = {"type": "thresholds", "thresholds": 2, "statistics": list(STATISTICS)}


def make_model(inputs, num_features=1, pooling=(THRESHOLDS, "max"), standardize_pooled=False, **options):
    """Build a model with thresholds and statistics of features that are not those it begins with."""
    block = {"type": "random_convolutions", "dilations": [1, 3, 3, 40], "inputs": list(inputs), **options}
    settings = {
        "blocks": [block, {"type": "length"}],
        "pooling": list(pooling),
        "standardize_pooled": standardize_pooled,
    }
    model = build_model(settings, num_features=num_features, num_outputs=3)
    rng = np.random.default_rng(1)
    # Powers of two: what the kernels read is then the same to the last bit.
    model.stack.trunk[0].adapt(rng.integers(-2, 3, num_features), 4.0 ** rng.integers(-1, 2, num_features))
    for layer in model.stack.poolings:
        if isinstance(layer, MaskedThresholdPooling1D):
            layer.levels.assign(rng.normal(size=layer.levels.shape))
    return model


def make_sequences(num_features):
    """Make noise of many lengths, silence, a constant, a signal of 8 bits, and values far beyond the limit."""
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=(length, num_features)) * 4 for length in (1, 2, 5, 9, 32, 33, 150, BLOCK + 76)]
    shape = (60, num_features)
    steps = np.repeat(rng.normal(size=(6, num_features)) * 9, 10, axis=0)
    others = [np.zeros(shape), np.full(shape, 0.3), rng.integers(0, 256, shape), steps, rng.normal(size=shape) * 1e6]
    return Sequences([np.asarray(each, np.float32) for each in (*noise, *others)])


def of_graph(model, source):
    return forward(model, source, strategy="bucketed")


@pytest.mark.parametrize("num_features", [1, 3])
def test_kernels_give_the_features_of_the_graph(num_features):
    model, source = PooledModel(make_model(FORMS, num_features)), make_sequences(num_features)
    assert random_features.qualifies(model)
    found, expected = forward(model, source), of_graph(model, source)
    assert found.shape == expected.shape
    # By statistic, by threshold, by form.
    ends = np.cumsum([num_features, *[4 * 84] * len(FORMS)])
    groups = [(f"{name} {level}", 2 * number + level) for number, name in enumerate(STATISTICS) for level in range(2)]
    for name, number in (*groups, ("max", 2 * len(STATISTICS))):
        channels = slice(number * (ends[-1] + 1), (number + 1) * (ends[-1] + 1))
        parts, wanted = (np.split(each[:, channels], ends, axis=1) for each in (found, expected))
        for form, part, want in zip(("as they are", *FORMS, "length"), parts, wanted, strict=True):
            if form in FORMS:
                assert np.mean(np.std(want, axis=0) > 0) > 0.85, (name, form)
            if name.split()[0] in ("proportion", "longest", "stretches"):
                np.testing.assert_array_equal(part, want, err_msg=f"{name} of {form}")
            else:
                np.testing.assert_allclose(part, want, rtol=1e-5, atol=1e-5, err_msg=f"{name} of {form}")


def test_branches_and_poolings_are_joined_in_the_order_of_the_graph():
    one = {"type": "thresholds", "thresholds": 3, "statistics": ["spread", "proportion"]}
    model = make_model(["smoothed", "frames"], 2, pooling=["max", one], most_features=1, seed=5)
    for subject in (PooledModel(model), model):
        found, expected = forward(subject, make_sequences(2)), of_graph(subject, make_sequences(2))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("pooling", [["max"], [{"type": "thresholds", "statistics": ["mean"]}]])
def test_a_single_pooling_without_the_frames_themselves(pooling):
    model = PooledModel(make_model(["differences"], 1, pooling, keep_inputs=False))
    source = make_sequences(1)
    np.testing.assert_allclose(forward(model, source), of_graph(model, source), rtol=1e-5, atol=1e-5)


def test_thresholds_beyond_all_values():
    model, source = make_model(["frames"], 1), make_sequences(1)
    model.stack.poolings[0].levels.assign(np.full(model.stack.poolings[0].levels.shape, [[-1e30], [1e30]]))
    found, expected = forward(PooledModel(model), source), of_graph(PooledModel(model), source)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert set(np.unique(found[:, : 2 * 338])) == {0.0, 1.0}


def test_causal_kernels_are_left_to_the_graph():
    model = PooledModel(make_model(["frames", "smoothed"], 2, padding="causal"))
    centered = PooledModel(make_model(["frames", "smoothed"], 2))
    assert random_features.qualifies(centered)
    assert not random_features.qualifies(model)
    found = forward(model, make_sequences(2))
    np.testing.assert_allclose(found, of_graph(model, make_sequences(2)), rtol=1e-5, atol=1e-5)
    assert not np.allclose(found, forward(centered, make_sequences(2)), atol=1e-2)


def test_a_model_of_a_ridge_standardizes_what_is_pooled():
    model = make_model(["frames", "standardized_smoothed"], 2, standardize_pooled=True)
    layer, rng = model.stack.dense[0], np.random.default_rng(2)
    assert layer.name == "pooled_standardization"
    layer.adapt(rng.normal(size=layer.mean.shape), rng.uniform(0.5, 2, size=layer.mean.shape))
    found, expected = forward(model, make_sequences(2)), of_graph(model, make_sequences(2))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_large_dilations():
    model = PooledModel(make_model(["frames", "smoothed"], dilations=[5, 3000]))
    source = Sequences([np.random.default_rng(0).normal(size=(7000, 1)).astype(np.float32) + 0.5])
    np.testing.assert_allclose(forward(model, source), of_graph(model, source), rtol=1e-5, atol=1e-5)


def test_threads_do_not_change_a_bit():
    model, source = PooledModel(make_model(FORMS, 3)), make_sequences(3)
    one, two = (random_features.answer(model, source, threads).outputs for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


class Foreign:
    """A user's source, which checks nothing."""

    def __init__(self, arrays):
        self.arrays, self.lengths, self.ids = arrays, np.array([len(each) for each in arrays]), list("abcde")

    def __getitem__(self, index):
        return self.arrays[index]


def test_what_is_not_finite_passes_as_in_the_graph():
    arrays = [np.random.default_rng(seed).normal(size=(50, 1)).astype(np.float32) for seed in range(5)]
    for array, value in zip(arrays, (np.nan, np.inf, 3e38), strict=False):
        array[20] = value
    model = PooledModel(make_model(["frames", "differences", "standardized"]))
    found, expected = forward(model, Foreign(arrays)), of_graph(model, Foreign(arrays))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.isfinite(found[3:]).all()


def test_very_long_sequences_are_left_to_the_graph(monkeypatch):
    monkeypatch.setattr(features, "MOST_VALUES", 100)
    model, source = PooledModel(make_model(["frames"])), make_sequences(1)
    answers = random_features.answer(model, source)
    np.testing.assert_array_equal(answers.is_known, source.lengths <= 100)
    np.testing.assert_allclose(forward(model, source), of_graph(model, source), rtol=1e-5, atol=1e-5)


def test_who_qualifies():
    assert random_features.qualifies(make_model(["frames"]))
    conv = {"filters": 4}
    random = {"type": "random_convolutions", "dilations": [1]}
    for settings in (
        {"blocks": [conv], "pooling": ["max"]},
        {"blocks": [random, conv], "pooling": ["max"]},
        {"blocks": [random], "pooling": ["mean"]},
        {"blocks": [random], "pooling": "frames"},
        {"blocks": [{"type": "length"}, random], "pooling": ["max"]},
        {"blocks": [random, random], "pooling": ["max"]},
        {"blocks": [{**random, "padding": "causal"}], "pooling": ["max"]},
    ):
        assert not random_features.qualifies(build_model(settings, num_features=1, num_outputs=2))
    for dtype in ("float64", "mixed_float16"):
        assert not random_features.qualifies(SequenceModel({"blocks": [random], "pooling": ["max"]}, 1, 2, dtype=dtype))


@pytest.fixture
def tried_anew():
    compiled_kernels.cache_clear()
    yield
    compiled_kernels.cache_clear()


@pytest.mark.usefixtures("tried_anew")
def test_without_numba_the_graph_answers_and_nothing_is_said(monkeypatch, capfd):
    model = make_model(["frames"])
    expected = of_graph(model, make_sequences(1))
    capfd.readouterr()
    for name in [name for name in sys.modules if name.split(".")[0] == "numba" or name == kernels.__name__]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(random_features, "kernels", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled_kernels() is None
    assert not random_features.qualifies(model)
    np.testing.assert_allclose(forward(model, make_sequences(1)), expected, rtol=1e-5, atol=1e-5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("tried_anew")
@pytest.mark.parametrize("error", [OSError("no space"), numba.core.errors.TypingError("no"), SystemError("llvm")])
def test_kernels_that_do_not_compile_are_left_out(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(kernels, "summarize", fail)
    assert compiled_kernels() is None
    assert not random_features.qualifies(make_model(["frames"]))


@pytest.mark.usefixtures("tried_anew")
def test_kernels_that_are_not_compiled_are_left_out(monkeypatch):
    # As with NUMBA_DISABLE_JIT=1, with which it takes minutes.
    monkeypatch.setattr(kernels, "summarize", kernels.summarize.py_func)
    assert compiled_kernels() is None


def test_other_weights_of_the_kernels_do_not_qualify():
    model = make_model(["frames"])
    layer = next(layer for layer in model.stack.layers() if layer.name.endswith("conv"))
    layer.kernel.assign(ops.convert_to_numpy(layer.kernel) * 1.5)
    assert not random_features.qualifies(model)
    np.testing.assert_array_equal(forward(model, make_sequences(1)), of_graph(model, make_sequences(1)))


@pytest.mark.parametrize(
    "layer",
    [
        FeatureNormalization(),
        MaskedCompression(),
        MaskedCompression(0.5, 3),
        MaskedDifference1D(),
        MaskedSequenceStandardization(),
        MaskedLengthChannel(30.0),
    ],
)
def test_forms_are_those_of_the_layers(layer):
    for frames in make_sequences(2):
        expected = ops.convert_to_numpy(layer(frames[None]))[0]
        expected = expected[:, -1:] if isinstance(layer, MaskedLengthChannel) else expected
        np.testing.assert_array_max_ulp(form_of(layer)(frames), expected, maxulp=1)


def test_a_layer_without_a_form_is_named():
    with pytest.raises(TypeError, match="'spare' is a Dropout"):
        form_of(keras.layers.Dropout(0.5, name="spare"))


def test_sums_above_a_level():
    sums = sums_above(np.float32([[1], [0], [2], [3], [0]]), np.array([[0.5], [9.0]]))
    assert sums[:, :, 0].T.tolist() == [[3, 4.5, 5, 13, 2, 2], [0] * 6]


def test_frames_that_reach_the_poolings():
    model, sequence, places = make_model(FORMS, 2), make_sequences(2)[6], np.array([0, 3, 149])
    flow = apply_trunk(model.stack, ops.convert_to_tensor(sequence[None]), None)
    found = random_features.RandomFeatures(model).frames_at(sequence, places)
    np.testing.assert_allclose(found, ops.convert_to_numpy(flow.features)[0, places], rtol=1e-5, atol=1e-3)


def test_thresholds_are_those_of_the_graph(monkeypatch):
    def adapted():
        model = make_model(["frames", "smoothed"], 2)
        model.stack.poolings[0].levels.assign(model.stack.poolings[0]._initial)
        adaptation.adapt_poolings(model, make_sequences(2).subset(range(8)), seed=0)
        return ops.convert_to_numpy(model.stack.poolings[0].levels)

    found = adapted()
    monkeypatch.setattr(adaptation, "qualifies", lambda model: False)
    np.testing.assert_allclose(found, adapted(), rtol=1e-6)
