"""`describe` agrees with the model: parameters, lengths, receptive fields, masks."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers, ops
from support.random_models import draw_model, model_configs

from seqconv.errors import ModelError
from seqconv.inspection import describe
from seqconv.inspection.axes import WHOLE, Length
from seqconv.inspection.effects import follow_axes
from seqconv.inspection.graph import read_graph
from seqconv.layers import MaskedConv1D, MaskedGlobalAveragePooling1D
from seqconv.models import build_model

pytestmark = pytest.mark.filterwarnings("ignore:.*destroy the mask information:UserWarning")
QUICK = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def sequential(*stack, shape=(None, 3), name="stock"):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input(shape), *stack], name=name)


def forked():
    inputs = keras.Input((None, 3))
    x = layers.Conv1D(4, 5, padding="same", strides=2)(inputs)
    branch = layers.Conv1D(4, 7, padding="same", dilation_rate=2)(x)
    x = layers.Concatenate()([layers.Add()([x, branch]), layers.Conv1D(2, 3, padding="causal")(x)])
    return keras.Model(inputs, layers.Conv1D(3, 1)(x + 1.0 * x))


def nested():
    inner = sequential(layers.Conv1D(4, 3, padding="same"), layers.BatchNormalization(), name="inner")
    return sequential(layers.Conv1D(3, 3, strides=2), inner, layers.MaxPooling1D(3))


def crnn():
    return sequential(
        layers.Conv2D(4, 3, padding="same"),
        layers.MaxPooling2D((1, 2)),
        layers.Reshape((-1, 16)),
        layers.Conv1D(4, 3, dilation_rate=2, padding="causal"),
        shape=(None, 8, 1),
    )


STOCK = {
    "forked": forked,
    "nested": nested,
    "crnn": crnn,
    "valid, strided": lambda: sequential(layers.Conv1D(4, 5, strides=3), layers.Conv1D(4, 3, strides=2)),
    "separable": lambda: sequential(layers.SeparableConv1D(4, 5), layers.DepthwiseConv1D(4, depth_multiplier=2)),
    "transposed": lambda: sequential(
        layers.Conv1D(4, 4, strides=2, padding="same"), layers.Conv1DTranspose(3, 5, strides=3), layers.Conv1D(2, 4)
    ),
    "transposed same": lambda: sequential(layers.Conv1DTranspose(3, 5, strides=2, padding="same"), layers.Conv1D(2, 2)),
    "enlarged": lambda: sequential(layers.Conv1D(4, 3, strides=2), layers.UpSampling1D(2), layers.Conv1D(3, 3)),
    "cut and padded": lambda: sequential(layers.ZeroPadding1D((4, 1)), layers.Conv1D(4, 3), layers.Cropping1D((2, 0))),
    "pooled": lambda: sequential(layers.AveragePooling1D(3, strides=2, padding="same"), layers.MaxPooling1D(4)),
}


def to_numpy(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), np.float64)


def positive(model):
    """Weights above 0, so that no path cancels another and no ReLU is shut."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1.0, weight.shape) for weight in model.get_weights()])
    return model


def seen_frames(model, length, rng):
    """For each output frame the input frames that change it."""
    inputs = rng.uniform(0.5, 1.0, (1, length, *model.input_shape[2:])).astype("float32")
    moved = np.repeat(inputs, length + 1, axis=0)
    moved[np.arange(length), np.arange(length)] += 3.0
    outputs = np.concatenate([to_numpy(model(row[None])) for row in moved])
    change = np.abs(outputs[:-1] - outputs[-1:])
    changes = change.reshape(length, change.shape[1], -1).max(axis=-1)
    return (changes > 1e-4 * np.abs(outputs).max()).T


@pytest.mark.parametrize("name", STOCK)
def test_the_receptive_field_is_what_a_perturbation_shows(name, rng):
    model = positive(STOCK[name]())
    row = describe(model).rows[-1]
    seen = seen_frames(model, 70, rng)
    spans = [np.flatnonzero(frames) for frames in seen if frames.any()]
    widest = max(int(frames[-1] - frames[0] + 1) for frames in spans)
    assert widest == row.receptive_field[0]
    middle = [frames[0] for frames in spans if frames[0] > 0 and frames[-1] < 69]
    assert np.diff(middle).mean() == pytest.approx(row.stride[0], abs=0.3)


@QUICK
@given(model_configs(chunkable=True), st.integers(0, 99))
def test_ours_see_what_their_own_arithmetic_says(config, seed):
    model = draw_model(config, seed)
    described = describe(model)
    assert described.parameters == model.count_params()
    trunk = [row for row in described if row.stride]
    assert trunk[-1].stride == (model.total_stride,)
    whole = model.receptive_field is None
    assert trunk[-1].receptive_field == (WHOLE if whole else model.receptive_field,)


@pytest.mark.parametrize("name", STOCK)
def test_parameters_are_those_of_keras(name):
    model = STOCK[name]()
    assert describe(model).parameters == model.count_params()


@pytest.mark.parametrize("name", STOCK)
def test_lengths_are_those_of_the_outputs(name):
    model = STOCK[name]()
    graph = read_graph(model)
    length = follow_axes(graph)[graph.outputs[0]][0].length
    for num_frames in (41, 42, 43, 44, 60):
        assert length.at(num_frames) == model(np.zeros((1, num_frames, *model.input_shape[2:]), "float32")).shape[1]


@given(
    st.lists(
        st.tuples(st.sampled_from(["window", "scale"]), st.integers(1, 5), st.integers(1, 4), st.booleans()), max_size=5
    ),
    st.integers(60, 90),
)
def test_symbols_are_the_arithmetic_that_they_write(steps, num_frames):
    length, number = Length("T"), num_frames
    for kind, first, second, is_valid in steps:
        if kind == "scale":
            length, number = length.scaled(second, first), number * second + first
        else:
            length = length.windows(first, second, "valid" if is_valid else "same")
            number = -(-(number - (first - 1 if is_valid else 0)) // second)
    if number > 0:
        assert length.at(num_frames) == number
        written = str(length).replace("ceil(", "-int(-1 * (").replace(" x ", " * ")
        if "ceil" not in str(length) and "floor" not in str(length):
            assert eval(written, {"T": num_frames}) == number


def test_a_row_says_what_the_issue_asks_for():
    card = {"features": {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80}}
    blocks = [{"filters": 64, "kernel_size": 5, "norm": "none"}, {"filters": 128, "strides": 2, "norm": "none"}]
    model = build_model({"blocks": blocks}, num_features=64, num_outputs=3, card=card)
    first, second = describe(model)["block0_conv"], describe(model)["block1_conv"]
    assert first.kernel == "(kernel_size=5, in_channels=64, filters=64)"
    assert first.formula == "5 x 64 x 64 + 64 = 20,544"
    assert (second.output, second.stride, second.receptive_field) == ("(ceil(T/2), 128)", (2.0,), (7,))
    assert (second.milliseconds, second.multiply_adds_per_frame) == (70.0, 3 * 64 * 128 / 2)
    assert (first.mask, describe(model)["logits"].multiply_adds_per_sequence) == ("taken", 3 * 128.0)


def test_masks_are_followed_through_stock_layers():
    model = sequential(
        layers.Masking(),
        layers.Dense(4),
        layers.GroupNormalization(2),
        layers.LSTM(4, return_sequences=True),
        layers.Conv1D(4, 3),
        layers.GlobalMaxPooling1D(),
    )
    assert [row.mask for row in describe(model)] == ["made", "passed on", "ignored", "taken", "dropped", ""]
    inputs = keras.Input((None, 3))
    x = layers.Masking()(inputs)
    x = layers.GlobalAveragePooling1D()(x + x)
    assert [row.mask for row in describe(keras.Model(inputs, x))] == ["made", "dropped", ""]


def test_masks_of_ours_in_a_functional_model_are_those_given():
    features, mask = keras.Input((None, 3)), keras.Input((None,), dtype="bool")
    x, kept = MaskedConv1D(4, 3)(features, mask)
    forgotten = MaskedGlobalAveragePooling1D()(x)
    model = keras.Model([features, mask], MaskedGlobalAveragePooling1D()(x, kept) + forgotten)
    masks = {row.layer: row.mask for row in describe(model) if row.type.startswith("Masked")}
    assert sorted(masks.values()) == ["", "taken", "taken"]


def test_two_axes_are_written_out():
    model = sequential(layers.Conv2D(32, 3), layers.MaxPooling2D(), layers.Conv2D(8, 3), shape=(28, 28, 1))
    rows = describe(model).rows
    assert rows[0].kernel == "(kernel_size=(3, 3), in_channels=1, filters=32)"
    assert (rows[0].output, rows[2].receptive_field, rows[2].output) == ("(26, 26, 32)", (8, 8), "(11, 11, 8)")
    assert rows[0].multiply_adds_per_sequence == 26 * 26 * 9 * 32


def test_time_is_followed_through_time_distributed_layers_and_gates():
    model = sequential(
        layers.Conv2D(4, 3, padding="same"),
        layers.TimeDistributed(layers.Flatten()),
        layers.GRU(3, return_sequences=True),
        shape=(None, 8, 1),
    )
    assert [row.output for row in describe(model)] == ["(T, 8, 4)", "(T, 32)", "(T, 3)"]
    assert [row.receptive_field for row in describe(model)] == [(3, 3), (3,), (WHOLE,)]
    inputs = keras.Input((None, 4))
    gate = layers.Reshape((1, 4))(layers.Dense(4)(layers.GlobalAveragePooling1D()(inputs)))
    last = describe(keras.Model(inputs, layers.Multiply()([inputs, gate]))).rows[-1]
    assert (last.output, last.receptive_field) == ("(T, 4)", (WHOLE,))


def test_tokens_have_one_axis_and_attention_takes_their_mask():
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(50, 8, mask_zero=True)(inputs)
    x = layers.MultiHeadAttention(2, 4)(x, x)
    x = layers.Flatten()(layers.GlobalAveragePooling1D(keepdims=True)(x))
    described = describe(keras.Model(inputs, layers.Dense(2)(x)))
    assert [row.mask for row in described] == ["made", "taken", "taken", "", ""]
    assert [row.output for row in described] == ["(T, 8)", "(T, 8)", "(1, 8)", "(8,)", "(2,)"]


def test_shared_layers_count_once():
    inputs, twice = keras.Input((None, 3)), layers.Conv1D(3, 3, padding="same")
    model = keras.Model(inputs, twice(twice(inputs)))
    assert [row.parameters for row in describe(model)] == [30, 0]
    assert describe(model).rows[-1].receptive_field == (5,)


def test_a_subclassed_model_is_followed_once_it_was_called():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.convolution = layers.Conv1D(4, 3, padding="same")

        def call(self, inputs):
            return ops.relu(self.convolution(inputs))

    model = Own()
    with pytest.raises(ModelError, match="has not been built"):
        describe(model)
    model(np.zeros((1, 9, 2), "float32"))
    assert [(row.type, row.receptive_field) for row in describe(model)] == [("Conv1D", (3,)), ("Relu", (3,))]
    with pytest.raises(ModelError, match="expected a Keras model, got str"):
        describe("model.keras")


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_its_terminal_and_holds_the_numbers(width):
    text = describe(sequential(layers.Masking(), layers.Conv1D(128, 5), shape=(None, 64))).text(width)
    assert max(map(len, text.splitlines())) <= width
    for part in ("(kernel_size=5, in_channels=64, filters=128)", "5 x 64 x 128 + 128 = 41,088", "T - 4", "dropped"):
        assert part in text


def test_the_frame_has_a_row_for_each_layer():
    described = describe(nested())
    frame = described.to_frame()
    assert len(frame) == len(described)
    assert frame["parameters"].sum() == described.parameters
    assert list(frame["layer"])[1].startswith("inner/")


def test_time_distributed_does_its_work_at_each_frame():
    """By hand: 3 taps x 2 channels x 4 filters at 8 positions; 10 steps of an LSTM with (2 + 4) x 16 weights."""
    inner = keras.Sequential([keras.Input((8, 2)), layers.Conv1D(4, 3, padding="same")])
    assert (
        describe(sequential(layers.TimeDistributed(inner), shape=(None, 8, 2))).rows[0].multiply_adds_per_frame == 192
    )
    lstm = layers.TimeDistributed(layers.LSTM(4))
    assert describe(sequential(lstm, shape=(None, 10, 2))).rows[0].multiply_adds_per_frame == 960
    twice = layers.TimeDistributed(layers.TimeDistributed(layers.Dense(5)))
    assert describe(sequential(twice, shape=(None, 4, 6, 2))).rows[0].multiply_adds_per_frame == 4 * 6 * 10
    fixed = describe(sequential(layers.TimeDistributed(layers.Dense(5)), shape=(7, 2))).rows[0]
    assert (fixed.multiply_adds_per_frame, fixed.multiply_adds_per_sequence) == (0, 70)
    strided = sequential(layers.Conv1D(2, 3, 2), layers.TimeDistributed(layers.Dense(5)))
    assert describe(strided).rows[1].multiply_adds_per_frame == 5
    assert describe(sequential(lstm, shape=(None, None, 2))).rows[0].multiply_adds_per_frame is None


@pytest.mark.parametrize(
    ("layer", "shape", "output"),
    [
        (layers.Conv2D(4, 3, padding="same", data_format="channels_first"), (1, None, 64), "(4, T, 64)"),
        (layers.Conv2D(4, 3, padding="same", data_format="channels_first"), (4, 4, None), "(4, 4, T)"),
        (layers.Conv1D(4, 3, data_format="channels_first"), (2, None), "(4, T - 2)"),
        (layers.MaxPooling2D(2, data_format="channels_first"), (3, None, 8), "(3, floor(T/2), 4)"),
    ],
)
def test_channels_first_is_shown_as_keras_has_it(layer, shape, output):
    inputs = keras.Input(shape)
    assert describe(keras.Model(inputs, layer(inputs))).rows[0].output == output


def test_channels_are_followed_to_the_front_and_back():
    inputs = keras.Input((None, 3))
    front = layers.Permute((2, 1))(inputs)
    x = layers.Conv1D(4, 5, strides=2, padding="same", data_format="channels_first")(front)
    x = layers.Concatenate(axis=1)([x, layers.ReLU()(x)])
    x = layers.Conv1D(2, 3, padding="same")(layers.Permute((2, 1))(x))
    rows = describe(keras.Model(inputs, layers.GlobalMaxPooling1D()(x))).rows
    assert [row.output for row in rows] == [
        "(3, T)", "(4, ceil(T/2))", "(4, ceil(T/2))", "(8, ceil(T/2))", "(ceil(T/2), 8)", "(ceil(T/2), 2)", "(2,)"
    ]  # fmt: skip
    assert [row.receptive_field for row in rows[:-1]] == [(1,), (5,), (5,), (5,), (5,), (9,)]
    assert [row.multiply_adds_per_frame for row in rows if row.kernel] == [3 * 4 * 5 / 2, 8 * 2 * 3 / 2]


def test_an_image_of_mels_with_channels_moved_to_the_front():
    inputs = keras.Input((None, 64, 1))
    x = layers.Conv2D(4, 3, padding="same", data_format="channels_first")(layers.Permute((3, 1, 2))(inputs))
    rows = describe(keras.Model(inputs, x)).rows
    assert [row.output for row in rows] == ["(1, T, 64)", "(4, T, 64)"]
    assert rows[1].multiply_adds_per_frame == 64 * 9 * 4
