"""Long sequences in chunks, and running answers: the answer of the whole, and never a frame too early."""

import tracemalloc

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqconv.errors import ConfigError, ManifestError, ShapeError
from seqconv.features import pieces_of
from seqconv.geometry import TimeLayer
from seqconv.models import build_model
from seqconv.models.stack import apply_head, apply_trunk
from seqconv.prediction.streaming.chunks import ChunkShape, chunk_shape, cut_windows
from seqconv.prediction.streaming.network import passes_of
from seqconv.prediction.streaming.running import running_answers, streaming_delay
from seqconv.prediction.streaming.whole import ChunkRunner, default_chunk_frames

MODELS = {
    "same": {"blocks": [{"filters": 6, "kernel_size": 5}, {"filters": 4, "kernel_size": 4, "strides": 3}]},
    "dilated": {"blocks": [{"filters": 6, "kernel_size": 3, "dilation_rate": 4, "norm": "none"}], "pooling": "max"},
    "causal": {
        "defaults": {"padding": "causal"},
        "blocks": [{"filters": 6, "kernel_size": 5, "strides": 2}, {"filters": 4, "dilation_rate": 3}],
        "pooling": ["mean", "max"],
    },
    "valid": {
        "defaults": {"padding": "valid"},
        "blocks": [{"filters": 6, "kernel_size": 5, "strides": 2}, {"filters": 4, "kernel_size": 4}],
    },
    "pools": {
        "blocks": [{"type": "max_pool", "pool_size": 3}, {"filters": 4}, {"type": "average_pool", "pool_size": 4}],
        "pooling": ["statistics", "last"],
    },
    "soft heads": {
        "blocks": [{"filters": 6, "padding": "valid"}],
        "pooling": ["attentive_statistics", "log_sum_exp", "generalized_mean"],
    },
    "tcn": {"blocks": [{"type": "tcn", "filters": 4, "dilations": [1, 2, 4]}], "dense_units": [5]},
    "inception": {"blocks": [{"filters": 4, "strides": 2}, {"type": "inception", "filters": 2}]},
    "squeeze": {"blocks": [{"type": "residual", "filters": 4, "strides": 2, "squeeze_excite": 2, "repeat": 2}]},
    "length": {
        "blocks": [
            {"type": "length", "reference": 30},
            {"filters": 4, "strides": 2},
            {"type": "length"},
            {"filters": 4},
        ]
    },
    "norms": {
        "blocks": [{"filters": 4, "norm": "instance", "padding": "valid"}, {"filters": 4, "strides": 3}],
        "pooling": [{"type": "attentive_statistics", "context": True}],
    },
    "frames": {"blocks": [{"filters": 6, "kernel_size": 5}, {"filters": 4, "strides": 2}], "pooling": "frames"},
}
# JAX computes in float64 only when the whole process does, and Keras's dense layers under torch in float32.
IS_DOUBLE = keras.backend.backend() == "tensorflow"
STREAMED = [name for name in MODELS if name not in ("squeeze", "length", "norms")]


@pytest.fixture(scope="module", autouse=True)
def double_precision():
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    if not IS_DOUBLE:
        yield
        return
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="module")
def model_named():
    made = {}

    def make(name):
        if name not in made:
            keras.utils.set_random_seed(3)
            model = build_model(MODELS[name], num_features=3, num_outputs=4)
            rng = np.random.default_rng(3)
            model.set_weights([w + 0.3 * np.abs(rng.normal(size=w.shape)) for w in model.get_weights()])
            made[name] = model
        return made[name]

    return make


def sequence(num_frames, seed=0):
    return np.random.default_rng(seed).normal(size=(num_frames, 3)).astype("float32")


def whole(model, x):
    return keras.ops.convert_to_numpy(model(x[None].astype(keras.config.floatx())))[0]


def in_chunks(model, pieces, chunk_frames):
    runner = ChunkRunner(model, chunk_frames, fill=np.nan)
    if model.predicts_frames:
        return np.concatenate(list(runner.frame_logits(pieces)))
    return runner.answer(pieces).logits


def assert_close(actual, expected):
    tolerance = 1e-9 if IS_DOUBLE else 1e-4
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max(initial=0))


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    left=st.integers(0, 12),
    interior=st.integers(1, 40),
    right=st.integers(0, 12),
)
@settings(derandomize=True, database=None)
def test_windows_show_each_frame_once_and_its_neighbors(lengths, left, interior, right):
    x = np.arange(1.0, sum(lengths) + 1)[:, None]
    pieces = np.split(x, np.cumsum(lengths)[:-1])
    windows = list(cut_windows(pieces, ChunkShape(left, interior, right, 1), fill=np.nan))
    padded = np.concatenate([np.full(left, np.nan), x[:, 0], np.full(interior + right, np.nan)])
    assert [window.start for window in windows] == list(range(0, len(x), interior))
    for window in windows:
        np.testing.assert_array_equal(window.features[:, 0], padded[window.start :][: left + interior + right])
        np.testing.assert_array_equal(window.is_real, np.isfinite(window.features[:, 0]))


def test_windows_begin_at_the_stride_and_hold_the_halo():
    geometry = (TimeLayer(5, stride=3), TimeLayer(4, stride=2, padding="causal"), TimeLayer(3, padding="valid"))
    shape = chunk_shape(geometry, 50)
    assert shape == ChunkShape(left=12, interior=48, right=18, stride=6)
    with pytest.raises(ConfigError, match="chunk_frames=5 is less than the total stride of the model, 6 frames"):
        chunk_shape(geometry, 5)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("strides", [1, 7])
def test_chunks_give_the_answer_of_the_whole(model_named, name, strides):
    model = model_named(name)
    runner = ChunkRunner(model, strides * model.total_stride, fill=np.nan)
    interior = strides * model.total_stride
    edges = {model.min_frames, interior, interior + 1, 47}
    for num_frames in sorted(frames for frames in edges if frames >= model.min_frames):
        x = sequence(num_frames)
        pieces = np.split(x, [num_frames // 3, num_frames // 2])
        if model.predicts_frames:
            assert_close(np.concatenate(list(runner.frame_logits(pieces))), whole(model, x))
        else:
            answer = runner.answer(pieces)
            assert_close(answer.logits, whole(model, x))
            assert answer.num_frames == num_frames


@pytest.mark.parametrize("name", ["causal", "squeeze"])
def test_every_chunk_size_gives_the_same_answer(model_named, name):
    model, x = model_named(name), sequence(20)
    for chunk_frames in range(model.total_stride, 26, 3 if name == "causal" else 7):
        assert_close(in_chunks(model, [x], chunk_frames), whole(model, x))


@pytest.mark.parametrize(("name", "passes"), [("same", 1), ("squeeze", 3), ("length", 3), ("norms", 3)])
def test_layers_that_look_at_the_whole_take_a_pass_each(model_named, name, passes):
    model, x, started = model_named(name), sequence(60), []

    class Counted:
        def __iter__(self):
            started.append(1)
            return iter(pieces_of(x, piece_frames=10))

    assert_close(in_chunks(model, Counted(), 12), whole(model, x))
    assert len(started) == passes == len(passes_of(model))


def test_sums_over_many_chunks_stay_exact():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        model = build_model(
            {"blocks": [{"filters": 4, "kernel_size": 1, "norm": "none"}]}, num_features=3, num_outputs=2
        )
    finally:
        keras.config.set_dtype_policy(policy)
    x = sequence(300_000) + np.float32(100)
    kernel, bias, dense, dense_bias = (w.astype("float64") for w in model.get_weights()[2:])
    expected = np.maximum(x @ kernel[0] + bias, 0).mean(axis=0) @ dense + dense_bias
    np.testing.assert_allclose(in_chunks(model, pieces_of(x), 512), expected, rtol=2e-6)


def test_memory_does_not_grow_with_the_length(model_named):
    runner = ChunkRunner(model_named("same"), 3000)
    piece = sequence(5000)
    peaks = []
    for count in (4, 40):
        tracemalloc.start()
        assert runner.answer([piece] * count).num_frames == 5000 * count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 100_000 < piece.nbytes * 20


def test_what_does_not_fit_is_refused(model_named):
    runner = ChunkRunner(model_named("valid"), 10)
    with pytest.raises(ManifestError, match="the sequence has 10 frames, but the model needs at least 11"):
        runner.answer([sequence(4), sequence(6)])
    with pytest.raises(ManifestError, match="the sequence has 0 frames"):
        runner.answer([])
    with pytest.raises(
        ShapeError, match=r"a piece of the sequence has shape \(5, 2\), but the model takes \(time, 3\)"
    ):
        runner.answer([np.zeros((5, 2))])
    with pytest.raises(ConfigError, match=r"'block0_.*' look at the whole sequence, which takes 3 passes"):
        ChunkRunner(model_named("squeeze")).answer(iter([sequence(40)]))


@pytest.mark.parametrize("block", [{"type": "lstm", "units": 3}, {"type": "gru", "units": 3}, {"type": "attention"}])
def test_layers_that_need_all_at_once_are_named(block):
    model = build_model({"blocks": [{"filters": 4}, block]}, num_features=3, num_outputs=2)
    with pytest.raises(ConfigError, match=f"'block1_{block['type']}.*' need all of it at once"):
        ChunkRunner(model)
    with pytest.raises(ConfigError, match=f"'block1_{block['type']}.*' need all of it at once"):
        running_answers(model, [sequence(5)], 5)


def test_the_default_chunk_is_large_beside_its_halo_and_small_in_memory(model_named):
    for name in MODELS:
        model = model_named(name)
        chunk = default_chunk_frames(model)
        assert chunk % model.total_stride == 0
        assert chunk >= 4 * sum(model.halo)
    wide = build_model({"blocks": [{"filters": 512}, {"filters": 512}]}, num_features=3, num_outputs=2)
    assert 4 * 512 * default_chunk_frames(wide) <= 8 << 20


def outputs_so_far(model, x, count):
    """Return the head's answer for the first output frames of the whole sequence."""
    flow = apply_trunk(model.stack, x[None].astype(keras.config.floatx()), np.ones((1, len(x)), bool))
    flow = flow._replace(features=flow.features[:, :count], segments=flow.segments[:, :count])
    return keras.ops.convert_to_numpy(apply_head(model.stack, flow))[0]


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("every", [1, 7.5])
def test_running_answers_are_over_what_has_been_received(model_named, name, every):
    model, x = model_named(name), sequence(50 if every > 1 else 20)
    answers = list(running_answers(model, [x[:11], x[11:19], x[19:]], every, fill=np.nan))
    delay, stride = streaming_delay(model), model.total_stride
    rows = []
    for answer in answers:
        seen = x[: answer.num_frames]
        if answer.is_final:
            expected = whole(model, x)
        else:
            assert answer.num_outputs == max(-(-(answer.num_frames - delay) // stride), 0)
            # The first `num_outputs` do not change, whatever comes after the frames that were received.
            future = np.concatenate([seen, 100 * sequence(40, seed=1)])
            expected = outputs_so_far(model, future, answer.num_outputs)
        rows.append(answer.logits)
        assert_close(np.concatenate(rows) if model.predicts_frames else answer.logits, expected)
    assert answers[-1].is_final
    assert answers[-1].num_frames == len(x)


@pytest.mark.parametrize("name", ["causal", "tcn"])
def test_a_causal_model_answers_without_delay(model_named, name):
    model, x = model_named(name), sequence(50)
    assert streaming_delay(model) == 0
    answers = list(running_answers(model, [x], 8))
    assert [answer.num_frames for answer in answers] == [8, 16, 24, 32, 40, 48, 50]
    for answer in answers:
        assert_close(answer.logits, whole(model, x[: answer.num_frames]))


def test_the_delay_is_the_reach_to_the_right(model_named):
    # 2 frames of the first layer, and 2 of the second (kernel 4: one before, two after) which are frames themselves.
    assert streaming_delay(model_named("same")) == 2 + 2
    assert streaming_delay(model_named("valid")) == 4 + 3 * 2


@pytest.mark.parametrize("name", ["squeeze", "length", "norms"])
def test_models_that_look_at_the_whole_cannot_answer_before_its_end(model_named, name):
    with pytest.raises(ConfigError, match=r"'block0_.*look at statistics of the whole sequence"):
        running_answers(model_named(name), [sequence(50)], 10)


def test_answers_between_frames_are_refused(model_named):
    with pytest.raises(ConfigError, match=r"an answer every 0\.5 frames cannot be"):
        running_answers(model_named("same"), [sequence(50)], 0.5)
    with pytest.raises(ManifestError, match="the sequence has 10 frames"):
        list(running_answers(model_named("valid"), [sequence(10)], 5))
