"""One sequence, one answer: alone, padded, packed, reloaded; and one gradient, whatever the layout."""

import keras
import numpy as np
import pytest

from seqconv.batching import make_batch, plan_bucketed, plan_packed, plan_padded, plan_single
from seqconv.errors import ConfigError, ShapeError
from seqconv.models import build_model, load_model
from seqconv.models.card import ModelCard
from seqconv.tasks import find_task
from seqconv.tasks.target import Target

MODELS = {
    "plain": {"blocks": [{"filters": 8, "kernel_size": 5}, {"filters": 8, "kernel_size": 3}]},
    "strided": {
        "blocks": [{"filters": 8, "kernel_size": 4, "strides": 2}, {"filters": 8, "kernel_size": 3, "strides": 3}],
        "pooling": ["mean", "max"],
    },
    "dilated": {"blocks": [{"filters": 8, "dilation_rate": 3, "repeat": 2}, {"filters": 6, "padding": "causal"}]},
    "pooled": {
        "blocks": [
            {"filters": 8, "norm": "none", "activation": "gelu"},
            {"type": "max_pool"},
            {"filters": 8, "kernel_size": 1},
            {"type": "average_pool", "pool_size": 3, "strides": 2},
        ],
        "pooling": "max",
        "dense_units": [7],
    },
    "valid": {
        "blocks": [
            {"filters": 8, "kernel_size": 5, "padding": "valid"},
            {"filters": 4, "strides": 2, "padding": "valid"},
        ]
    },
    "grouped": {"blocks": [{"filters": 8}, {"filters": 8, "groups": 4, "strides": 2}]},
    "lstm": {"blocks": [{"filters": 8, "kernel_size": 1}, {"type": "lstm", "units": 5, "bidirectional": True}]},
}
NUM_FEATURES, NUM_CLASSES = 3, 4
LENGTHS = [40, 9, 23, 131, 12, 60, 17]


@pytest.fixture(params=MODELS, ids=str)
def model(request):
    keras.utils.set_random_seed(1)
    model = build_model(MODELS[request.param], num_features=NUM_FEATURES, num_outputs=NUM_CLASSES)
    rng = np.random.default_rng(2)
    # Weights as after training: biases, scales and moving statistics that are not zeros and ones.
    model.set_weights([w + 0.2 * np.abs(rng.normal(size=w.shape)) for w in model.get_weights()])
    return model


@pytest.fixture
def arrays(model):
    rng = np.random.default_rng(3)
    return [rng.normal(size=(n, NUM_FEATURES)).astype("float32") for n in (model.min_frames, *LENGTHS)]


def plans(model, arrays):
    lengths = [len(x) for x in arrays]
    options = {"batch_size": 4, "time_geometry": model.time_geometry, "shuffle": False}
    made = {
        "single": plan_single(lengths, time_geometry=model.time_geometry, shuffle=False),
        "padded": plan_padded(lengths, **options),
        "bucketed": plan_bucketed(lengths, num_buckets=3, **options),
    }
    if model.packable:
        made["packed"] = plan_packed(lengths, **options)
    return made


def logits_of(model, plan, arrays, fill):
    found = np.full((len(arrays), NUM_CLASSES), np.nan)
    for layout in plan.epoch(0):
        batch = make_batch(layout, arrays, fill=fill)
        logits = model.predict_on_batch(batch.as_inputs())
        found[layout.indices] = logits[layout.row, layout.slot]
    return found


@pytest.mark.parametrize("garbage", [np.nan, 1e6])
def test_logits_agree_in_every_layout(model, arrays, garbage):
    alone = np.concatenate([model.predict(x[None], verbose=0) for x in arrays])
    for name, plan in plans(model, arrays).items():
        logits = logits_of(model, plan, arrays, garbage)
        np.testing.assert_allclose(logits, alone, rtol=1e-4, atol=1e-5, err_msg=name)


def test_predict_with_lengths_ignores_what_lies_beyond(model, arrays):
    alone = np.concatenate([model.predict(x[None], verbose=0) for x in arrays])
    width = max(map(len, arrays)) + 11
    features = np.full((len(arrays), width, NUM_FEATURES), np.nan, "float32")
    for row, x in enumerate(arrays):
        features[row, : len(x)] = x
    logits = model.predict((features, [len(x) for x in arrays]), verbose=0)
    np.testing.assert_allclose(logits, alone, rtol=1e-4, atol=1e-5)


class RecordingOptimizer(keras.optimizers.SGD):
    """Keeps the gradients that training applies, and changes nothing."""

    def apply(self, grads, trainable_variables=None):
        self.recorded = [keras.ops.convert_to_numpy(g) for g in grads]


def one_step(model, plan, arrays, labels):
    """Loss, gradients and moved statistics of one training step over all sequences, as `fit` would do it."""
    before = model.get_weights()
    optimizer = RecordingOptimizer()
    loss = find_task("classification").make_loss()
    model.compile(optimizer=optimizer, loss=loss, run_eagerly=True)
    total, gradients = 0.0, None
    layouts = plan.epoch(0)
    assert len(layouts) == 1
    batch = make_batch(layouts[0], arrays, labels=labels, fill=np.nan)
    total = model.train_on_batch(batch.as_inputs(), batch.labels, sample_weight=batch.weights / 8)
    gradients = optimizer.recorded
    after = model.get_weights()
    model.set_weights(before)
    return total, gradients, after


def test_loss_gradients_and_statistics_agree_in_every_layout(model, arrays):
    rng = np.random.default_rng(5)
    labels = np.eye(NUM_CLASSES, dtype="float32")[rng.integers(NUM_CLASSES, size=len(arrays))]
    lengths = [len(x) for x in arrays]
    options = {"time_geometry": model.time_geometry, "shuffle": False}
    made = {
        "padded": plan_padded(lengths, batch_size=len(lengths), **options),
        "bucketed": plan_bucketed(lengths, num_buckets=1, batch_size=10 * len(lengths), **options),
    }
    if model.packable:
        made["packed"] = plan_packed(lengths, batch_size=3 * len(lengths), **options)
    results = {name: one_step(model, plan, arrays, labels) for name, plan in made.items()}
    loss, gradients, statistics = results.pop("padded")
    assert np.isfinite(loss)
    assert any(np.abs(g).max() > 1e-3 for g in gradients)
    for name, (other_loss, other_gradients, other_statistics) in results.items():
        np.testing.assert_allclose(other_loss, loss, rtol=1e-5, err_msg=name)
        for ours, theirs in zip(gradients, other_gradients, strict=True):
            # Sums over frames in another order: small against the largest entry of the same weight.
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5 * np.abs(ours).max() + 1e-6, err_msg=name)
        for ours, theirs in zip(statistics, other_statistics, strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-6, err_msg=name)


def test_reloaded_model_answers_alike(model, arrays, tmp_path):
    model.card = ModelCard(target=Target("classification", ("a", "b")), temperature=2.0, others={"lab": "here"})
    model.save(tmp_path / "model.keras")
    reloaded = load_model(tmp_path / "model.keras")
    assert reloaded.card == model.card
    assert reloaded.time_geometry == model.time_geometry
    for x in arrays:
        np.testing.assert_array_equal(reloaded.predict(x[None], verbose=0), model.predict(x[None], verbose=0))


def test_stock_keras_fails_the_same_check():
    """The check bites: a masked stock Keras stack changes its answer when zeros are appended."""
    stock = keras.Sequential(
        [
            keras.Input((None, NUM_FEATURES)),
            keras.layers.Conv1D(8, 5, padding="same", bias_initializer="random_normal"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(NUM_CLASSES),
        ]
    )
    x = np.random.default_rng(0).normal(size=(1, 20, NUM_FEATURES)).astype("float32")
    longer = np.concatenate([x, np.zeros((1, 13, NUM_FEATURES), "float32")], axis=1)
    assert not np.allclose(stock.predict(x, verbose=0), stock.predict(longer, verbose=0), rtol=1e-2)


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((5, 3), r"missing the batch axis.*Pass x\[None\]"),
        ((5,), r"batch and feature axes.*x\[None, :, None\]"),
        ((2, 9, 5), "has 5 features on its last axis, but the model was built for 3"),
        ((2, 3, 9), r"look swapped: pass x\.transpose"),
        ((1, 2, 9, 3), "1 axis too many"),
    ],
)
def test_wrong_shapes_say_which_axis(shape, match):
    model = build_model(MODELS["plain"], num_features=NUM_FEATURES, num_outputs=2)
    for ask in (model, lambda x: model.predict(x, verbose=0)):
        with pytest.raises(ShapeError, match=match):
            ask(np.zeros(shape, "float32"))


def test_a_list_of_arrays_is_refused_with_the_way_out():
    model = build_model(MODELS["plain"], num_features=NUM_FEATURES, num_outputs=2)
    with pytest.raises(ShapeError, match=r"seqconv\.prediction\.predict"):
        model.predict([np.zeros((4, 3)), np.zeros((5, 3)), np.zeros((6, 3))])
    with pytest.raises(ShapeError, match="segments is missing"):
        model({"features": np.zeros((1, 4, 3)), "lengths": np.array([[4]])})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"segments": np.array([[0, 0, 0, -1]])}, r"row 0 of a batch has 3 frames of slot 0 in segments, .* is 2"),
        ({"segments": np.array([[0, 0, 3, 3]])}, "frames of slot 3, but its lengths are those of 2 slots"),
        ({"segments": np.zeros((1, 5), int)}, r"features of shape \(1, 4, 3\), segments of shape \(1, 5\)"),
        ({"segments": np.array([[0.0, 0, 1, 1]])}, r"float64.* expected .* int32"),
        ({"lengths": np.array([2, 2])}, r"lengths of shape \(2,\): expected .* \(rows, num_slots\)"),
    ],
)
def test_a_batch_whose_lengths_are_not_those_of_its_segments_is_refused(change, match):
    model = build_model(MODELS["plain"], num_features=NUM_FEATURES, num_outputs=2)
    batch = {
        "features": np.zeros((1, 4, 3), "float32"),
        "segments": np.array([[0, 0, 1, 1]]),
        "lengths": np.array([[2, 2]]),
    }
    assert model(batch).shape == (1, 2, 2)
    with pytest.raises(ShapeError, match=match):
        model({**batch, **change})


def test_flatten_is_refused_with_reason_and_remedy():
    with pytest.raises(ConfigError, match=r"no fixed number of values to flatten.*Use mean, max"):
        build_model({"pooling": "flatten"}, num_features=3, num_outputs=2)


@pytest.mark.parametrize(
    ("block", "match"),
    [
        (
            {"filters": 4, "strides": 2, "dilation_rate": 2},
            r"strides=2 and dilation_rate=2 cannot both be more than 1.*block of its own",
        ),
        (
            {"filters": 4, "groups": 2},
            r"model\.blocks\.0\.groups: 2 groups cannot share 3 input channels.*divisor of 3",
        ),
        ({"filters": 4, "groups": 3}, "filters=4 must be a multiple of groups=3"),
    ],
)
def test_convolutions_that_cannot_be_are_refused_by_key(block, match):
    with pytest.raises(ConfigError, match=match):
        build_model({"blocks": [block]}, num_features=3, num_outputs=2)


def test_facts_of_a_model():
    model = build_model(MODELS["valid"], num_features=NUM_FEATURES, num_outputs=2)
    assert (model.input_shape, model.output_shape) == ((None, None, 3), (None, 2))
    assert (model.min_frames, model.receptive_field, model.total_stride) == (7, 7, 2)
    assert model.packable
    assert model.chunkable
    lstm = build_model(MODELS["lstm"], num_features=NUM_FEATURES, num_outputs=2)
    assert lstm.unpackable_layers == ["block1_lstm"]
    assert not lstm.chunkable
    assert lstm.receptive_field is None
