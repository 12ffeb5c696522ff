"""Stock Keras models of every kind: `predict` gives the answers of the model itself, or an error says what to do."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy.special import expit, softmax

from seqconv.data.sequences import Sequences
from seqconv.errors import ManifestError, ModelError, ShapeError
from seqconv.evaluation import evaluate
from seqconv.prediction import predict
from seqconv.prediction.forward import forward, min_frames
from seqconv.tasks.target import Target

CLASSES = Target("classification", ("a", "b", "c"))
LABELS = Target("multilabel", ("a", "b", "c"))
VALUE = Target("regression", ("value",), mean=(0.0,), std=(1.0,))
SEQUENCES = [np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32) for n in (9, 12, 30)]


def functional(build, shape=(None, 3), **options):
    keras.utils.set_random_seed(3)
    inputs = keras.Input(shape, **options)
    return keras.Model(inputs, build(inputs))


def mean(x):
    return layers.GlobalAveragePooling1D()(x)


def dense(x, activation="softmax", units=3):
    return layers.Dense(units, activation=activation, kernel_initializer="glorot_uniform")(mean(x))


def answers(model, sequences=SEQUENCES):
    """What Keras itself answers, each sequence alone; `model.predict` is wrong itself from the second length on."""
    return np.concatenate([ops.convert_to_numpy(model(each[None], training=False)) for each in sequences])


def predicted(model, target=CLASSES, sequences=SEQUENCES):
    table = predict(model, list(sequences), target=target)
    names = [name for name in table if name.startswith("p_")] or ["prediction"]
    return table[names].to_numpy(np.float64)


def my_softmax(x):
    return ops.exp(x) / ops.sum(ops.exp(x), axis=-1, keepdims=True)


def head(activation):
    return keras.Sequential([keras.Input((3,)), layers.Dense(3, activation=activation)])


PROBABILITIES = {
    "softmax of the last layer": dense,
    "nested": lambda x: head("softmax")(mean(x)),
    "nested twice": lambda x: keras.Sequential([keras.Input((3,)), head("softmax"), layers.Dropout(0.5)])(mean(x)),
    "operation": lambda x: ops.softmax(dense(x, None)),
    "layer": lambda x: layers.Softmax()(dense(x, None)),
    "activation": lambda x: layers.Activation("softmax")(dense(x, None)),
    "linear after it": lambda x: layers.Activation("linear")(dense(x)),
    "dropout after it": lambda x: layers.Dropout(0.5)(dense(x)),
    "reshaped after it": lambda x: layers.Reshape((3,))(layers.Reshape((1, 3))(dense(x))),
    "average of two": lambda x: layers.Average()([dense(x), dense(layers.ReLU()(x))]),
    "arithmetic": lambda x: (dense(x) + dense(layers.ReLU()(x))) / 2.0,
    "mean of frames": lambda x: mean(layers.Dense(3, activation="softmax")(x)),
    "each frame by itself": lambda x: mean(layers.TimeDistributed(layers.Dense(3, activation="softmax"))(x)),
    "a layer as activation": lambda x: dense(x, layers.Softmax()),
    "own function": lambda x: dense(x, my_softmax),
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_probabilities_are_those_of_the_model(name):
    model = functional(PROBABILITIES[name])
    np.testing.assert_allclose(predicted(model), answers(model), atol=2e-6)
    np.testing.assert_allclose(softmax(forward(model, Sequences(SEQUENCES)), axis=1), answers(model), atol=2e-6)


SIGMOIDS = {
    "last layer": lambda x: dense(x, "sigmoid"),
    "nested": lambda x: head("sigmoid")(mean(x)),
    "operation": lambda x: ops.sigmoid(dense(x, None)),
    "largest of the frames": lambda x: layers.GlobalMaxPooling1D()(layers.Dense(3, activation="sigmoid")(x)),
    "dropout after it": lambda x: layers.Dropout(0.5)(dense(x, "sigmoid")),
    "hard": lambda x: dense(x, "hard_sigmoid"),
    "shares of one": dense,
    "a head for each label": lambda x: layers.Concatenate()([dense(x, "sigmoid", 1) for _ in range(3)]),
    "product": lambda x: layers.Multiply()([dense(x, "sigmoid"), dense(x, "sigmoid")]),
}


@pytest.mark.parametrize("name", SIGMOIDS)
def test_probabilities_of_labels_are_those_of_the_model(name):
    model = functional(SIGMOIDS[name])
    np.testing.assert_allclose(predicted(model, LABELS), answers(model), atol=2e-6)


def test_logits_get_their_softmax_or_sigmoid_once():
    """Also where they look like probabilities: a bias alone, which sums to 1."""
    for build in (
        lambda x: dense(x, None),
        lambda x: layers.Dropout(0.5)(dense(x, "relu")),
        lambda x: head(None)(mean(x)),
    ):
        model = functional(build)
        np.testing.assert_allclose(predicted(model), softmax(answers(model), axis=1), atol=2e-6)
        np.testing.assert_allclose(predicted(model, LABELS), expit(answers(model)), atol=2e-6)
    model = functional(lambda x: dense(x, None))
    model.set_weights([np.zeros((3, 3)), np.array([0.5, 0.3, 0.2])])
    np.testing.assert_allclose(predicted(model)[0], softmax([0.5, 0.3, 0.2]), atol=2e-6)


def test_two_classes_from_one_sigmoid():
    model = functional(lambda x: layers.Dropout(0.1)(dense(x, "sigmoid", 1)))
    found = predicted(model, Target("classification", ("no", "yes")))
    np.testing.assert_allclose(found, np.hstack([1 - answers(model), answers(model)]), atol=2e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "softplus", None])
def test_a_regression_is_what_the_model_returns(activation):
    model = functional(lambda x: dense(x, activation, 1))
    model.set_weights([np.zeros((3, 1)), np.array([np.log(4.0)])])
    expected = {"sigmoid": 0.8, "softplus": np.log(5.0), None: np.log(4.0)}[activation]
    np.testing.assert_allclose(predicted(model, VALUE), expected, rtol=1e-5)


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    """A model that says neither its inputs nor its outputs."""

    def __init__(self, num_outputs=1, **options):
        super().__init__(**options)
        self.convolution, self.dense = layers.Conv1D(4, 5), layers.Dense(3, activation="softmax")
        self.each, self.num_outputs = layers.TimeDistributed(layers.Dense(3)), num_outputs

    def call(self, inputs):
        found = self.dense(ops.mean(self.each(self.convolution(inputs)), axis=1))
        return found if self.num_outputs == 1 else (found,) * self.num_outputs


@pytest.mark.parametrize("is_built", [False, True])
def test_a_subclassed_model_answers_as_it_does_itself(is_built):
    model = Subclassed()
    if is_built:
        model(SEQUENCES[0][None])
    evaluation = evaluate(model, Sequences(SEQUENCES, ["a", "b", "c"]), target=CLASSES, bootstrap=0)
    np.testing.assert_allclose(evaluation.predictions[["p_a", "p_b", "p_c"]], answers(model), atol=2e-6)
    np.testing.assert_allclose(predicted(model), answers(model), atol=2e-6)
    with pytest.raises(ManifestError, match=r"'0 \(4 frames\)'. It needs at least 5 frames"):
        predict(model, [SEQUENCES[0][:4]], target=CLASSES)
    with pytest.raises(ModelError, match=r"returns 2 outputs\. Build a model of one of them"):
        predict(Subclassed(2), SEQUENCES, target=CLASSES)


TIME_DISTRIBUTED = {
    "dense": lambda x: dense(layers.TimeDistributed(layers.Dense(4))(x)),
    "within a model": lambda x: dense(
        keras.Sequential([keras.Input((None, 3)), layers.TimeDistributed(layers.Dense(3, activation="tanh"))])(x)
    ),
    "a model": lambda x: dense(layers.TimeDistributed(head("tanh"))(x)),
    "twice": lambda x: dense(
        layers.TimeDistributed(layers.TimeDistributed(layers.Dense(3)))(layers.Reshape((-1, 3, 1))(x))[:, :, 1]
    ),
    "recurrent": lambda x: dense(layers.TimeDistributed(layers.LSTM(2))(layers.Reshape((-1, 3, 1))(x))),
    "both ways": lambda x: dense(
        layers.Bidirectional(layers.GRU(2, return_sequences=True))(
            layers.TimeDistributed(layers.BatchNormalization())(x)
        )
    ),
    "masked": lambda x: layers.Dense(3, activation="softmax")(
        layers.SimpleRNN(3)(layers.TimeDistributed(layers.Dense(2))(layers.Masking()(x)))
    ),
}


@pytest.mark.parametrize("name", TIME_DISTRIBUTED)
def test_time_distributed_sees_every_frame(name):
    model = functional(TIME_DISTRIBUTED[name])
    sequences = [SEQUENCES[0], SEQUENCES[1][:5], SEQUENCES[2][:11]]
    np.testing.assert_allclose(predicted(model, sequences=sequences), answers(model, sequences), atol=2e-6)
    np.testing.assert_allclose(model.predict(sequences[0][None], verbose=0)[0], answers(model)[0], atol=2e-6)
    evaluation = evaluate(model, Sequences(sequences, ["a", "b", "c"]), target=CLASSES, bootstrap=0)
    np.testing.assert_allclose(evaluation.predictions[["p_a", "p_b", "p_c"]], answers(model, sequences), atol=2e-6)


SHORT = {
    "average": (lambda x: dense(layers.AveragePooling1D(4)(x)), 4),
    "maxima": (lambda x: dense(layers.MaxPooling1D(4)(layers.MaxPooling1D(4)(x))), 16),
    "valid": (lambda x: dense(layers.Conv1D(3, 5)(x)), 5),
    "dilated": (lambda x: dense(layers.Conv1D(3, 3, dilation_rate=4)(x)), 9),
    "recurrent": (lambda x: layers.Dense(3)(layers.LSTM(3)(layers.MaxPooling1D(4)(x))), 4),
    "maximum": (lambda x: layers.Dense(3)(layers.GlobalMaxPooling1D()(layers.Conv1D(3, 6)(x))), 6),
    "cropped": (lambda x: dense(layers.Cropping1D((2, 3))(x)), 6),
    "nested": (lambda x: dense(keras.Sequential([layers.Conv1D(3, 5), layers.MaxPooling1D(3)])(x)), 7),
    "one of two ways": (lambda x: layers.Average()([dense(x), dense(layers.MaxPooling1D(3)(x))]), 3),
    "same": (lambda x: dense(layers.MaxPooling1D(4, padding="same")(layers.Conv1D(3, 5, padding="causal")(x))), 1),
}


@pytest.mark.parametrize("name", SHORT)
def test_what_is_too_short_is_named_with_what_is_needed(name):
    build, least = SHORT[name]
    model = functional(build)
    assert min_frames(model) == least
    enough = Sequences([SEQUENCES[2][:least]], ["a"])
    assert np.isfinite(predict(model, enough, target=CLASSES)["p_a"]).all()
    if least == 1:
        return
    data = Sequences([SEQUENCES[2], SEQUENCES[2][: least - 1]], ["a", "b"], ids=["long", "brief"])
    reason = rf"'brief \({least - 1} frames\)'. It needs at least {least} frames"
    with pytest.raises(ManifestError, match=reason):
        predict(model, data, target=CLASSES)
    with pytest.raises(ManifestError, match=reason):
        evaluate(model, data, target=CLASSES, bootstrap=0)


def test_files_that_are_too_short_have_a_row_without_a_prediction(tmp_path):
    model = functional(lambda x: dense(layers.AveragePooling1D(4)(x)))
    paths = [str(tmp_path / f"{name}.npy") for name in ("long", "brief", "other")]
    for path, features in zip(paths, (SEQUENCES[0], SEQUENCES[1][:3], SEQUENCES[2]), strict=True):
        np.save(path, features)
    bad = []
    with pytest.warns(UserWarning, match=r"brief.npy: has 3 frames, but the model needs at least 4"):
        table = predict(model, paths, target=CLASSES, features={"kind": "precomputed"}, quarantine=bad)
    assert table["id"].tolist() == paths
    assert np.isnan(table["p_a"]).tolist() == [False, True, False]
    assert [each.path for each in bad] == paths[1:2]


def stateful(wrap):
    return functional(lambda x: layers.Dense(3)(wrap(layers.LSTM(2, stateful=True))(x)), None, batch_shape=(4, None, 3))


REFUSED = {
    "states": (lambda: stateful(lambda layer: layer), "is stateful: 'lstm.* Build it with stateful=False"),
    "states of both ways": (lambda: stateful(layers.Bidirectional), "is stateful"),
    "outputs": (
        lambda: functional(lambda x: [dense(x), dense(x, units=2)]),
        r"has 2 outputs .* keras\.Model\(model\.inputs, model\.outputs\[0\]\)",
    ),
    "named outputs": (lambda: functional(lambda x: {"one": dense(x), "two": dense(x)}), "has 2 outputs"),
    "inputs": (
        lambda: keras.Model([a := keras.Input((None, 3)), b := keras.Input((None, 3))], dense(layers.Add()([a, b]))),
        "has 2 inputs",
    ),
    "axis": (
        lambda: functional(lambda x: dense(layers.Permute((2, 1))(x)), (3, None)),
        r"with time on axis 2, expected \(None, None, 3\). .*keras\.layers\.Permute\(\(2, 1\)\), model\]\)",
    ),
    "bands first": (
        lambda: functional(lambda x: layers.Dense(3)(layers.GlobalAveragePooling2D()(x)), (3, None, 1)),
        r"with time on axis 2, .*Input\(\(None, 3, 1\)\), keras\.layers\.Permute\(\(2, 1, 3\)\), model",
    ),
    "colors": (
        lambda: functional(lambda x: layers.Dense(3)(layers.GlobalAveragePooling2D()(x)), (None, 3, 2)),
        r"takes inputs of shape \(None, None, 3, 2\), expected \(None, None, num_features\)",
    ),
    "length": (
        lambda: functional(lambda x: layers.Dense(3)(layers.Flatten()(x)), (9, 3)),
        r"'1' has 12 frames, but .* a fixed length of 9 frames. Build it over keras.Input\(\(None, 3\)\)",
    ),
    "nan": (lambda: functional(lambda x: dense(ops.sqrt(x - 100.0))), r"returns NaN for '0' \(9 frames\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_predicted_says_what_to_do(name):
    build, reason = REFUSED[name]
    model = build()
    with pytest.raises(ModelError, match=reason):
        predict(model, SEQUENCES, target=CLASSES)
    with pytest.raises(ModelError, match=reason):
        evaluate(model, Sequences(SEQUENCES, ["a", "b", "c"]), target=CLASSES, bootstrap=0)


def test_the_remedies_work():
    turned = functional(lambda x: dense(layers.Permute((2, 1))(x)), (3, None))
    fixed = keras.Sequential([keras.Input((None, 3)), layers.Permute((2, 1)), turned])
    np.testing.assert_allclose(predicted(fixed), answers(turned, [each.T for each in SEQUENCES]), atol=2e-6)
    several = functional(lambda x: {"one": dense(x), "two": dense(x, units=2)})
    one = keras.Model(several.inputs, several.outputs[0])
    expected = [several.predict(each[None], verbose=0)["one"][0] for each in SEQUENCES]
    np.testing.assert_allclose(predicted(one), expected, atol=2e-6)


def over_bands(x):
    x = layers.MaxPooling2D((2, 1))(layers.Conv2D(2, 3, padding="same")(x))
    return layers.Dense(3, activation="softmax")(layers.GRU(2)(layers.Reshape((-1, 6))(x)))


def test_frames_are_the_rows_of_an_image():
    image = functional(over_bands, (None, 3, 1))
    np.testing.assert_allclose(predicted(image), answers(image, [each[..., None] for each in SEQUENCES]), atol=2e-6)
    with pytest.raises(ManifestError, match="It needs at least 2 frames"):
        predict(image, [SEQUENCES[0][:1]], target=CLASSES)
    bands = functional(lambda x: over_bands(layers.Permute((2, 1, 3))(x)), (3, None, 1))
    turned = keras.Sequential([keras.Input((None, 3, 1)), layers.Permute((2, 1, 3)), bands])
    np.testing.assert_allclose(predicted(turned), answers(bands, [each.T[..., None] for each in SEQUENCES]), atol=2e-6)


def test_one_output_in_a_dict_is_that_output():
    model = functional(lambda x: {"one": dense(x)})
    expected = np.concatenate([model(each[None])["one"] for each in SEQUENCES])
    np.testing.assert_allclose(predicted(model), expected, atol=2e-6)


def test_a_sequential_without_input_takes_the_lengths_that_keras_takes():
    model = keras.Sequential([layers.Conv1D(4, 3), layers.GlobalAveragePooling1D(), layers.Dense(3, "softmax")])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 9, 3)), np.ones((8, 3)), verbose=0)
    assert model.input_shape == (None, 9, 3)
    np.testing.assert_allclose(predicted(model), answers(model), atol=2e-6)
    with pytest.raises(ManifestError, match="It needs at least 3 frames"):
        predict(model, [SEQUENCES[0][:2]], target=CLASSES)


def tokens(**options):
    build = lambda x: dense(layers.Embedding(50, 3, **options)(x))  # noqa: E731
    return functional(build, (None,), dtype="int32" if options else "float32")


@pytest.mark.parametrize("options", [{}, {"mask_zero": True}], ids=str)
def test_models_over_tokens_take_rows_of_numbers(options):
    model, rows = tokens(**options), [np.array([1, 2, 3]), np.array([49, 0, 5, 6, 7])]
    expected = answers(model, rows)
    np.testing.assert_allclose(predicted(model, sequences=rows), expected, atol=2e-6)
    columns = Sequences([row[:, None] for row in rows], ["a", "b"])
    np.testing.assert_allclose(predict(model, columns, target=CLASSES)["p_b"], expected[:, 1], atol=2e-6)
    evaluation = evaluate(model, columns, target=CLASSES, bootstrap=0)
    np.testing.assert_allclose(evaluation.predictions["p_b"], expected[:, 1], atol=2e-6)
    square = np.arange(6).reshape(2, 3)
    np.testing.assert_allclose(predict(model, square, target=CLASSES)["p_a"], answers(model, square)[:, 0], atol=2e-6)
    assert predict(model, rows[1], target=CLASSES)["num_frames"].tolist() == [5]


def test_tokens_that_no_vocabulary_has_are_refused():
    model = tokens()
    for wrong in ([1, 50], [0, -1], [1, 0.5]):
        with pytest.raises(ManifestError, match=rf"'0' holds {wrong[1]} \(frame 1\).*whole numbers from 0 to 49"):
            predict(model, [np.array(wrong)], target=CLASSES)
    with pytest.raises(ShapeError, match="have 2 features in a frame"):
        predict(model, [np.zeros((4, 2))], target=CLASSES)


def test_certain_answers_stay_certain():
    model = functional(lambda x: dense(x, "sigmoid", 1))
    for bias, expected in ((1000.0, [0.0, 1.0]), (-1000.0, [1.0, 0.0])):
        model.set_weights([np.zeros((3, 1)), np.array([bias])])
        found = predicted(model, Target("classification", ("no", "yes")))
        np.testing.assert_allclose(found, [expected] * 3, atol=1e-15)


@pytest.mark.parametrize(("task", "names"), [("classification", "ab"), ("multilabel", "ab"), ("multilabel", "abcd")])
def test_another_number_of_outputs_is_counted(task, names):
    with pytest.raises(ModelError, match=rf"the model has 3 outputs, but the target has {len(names)}"):
        predict(functional(dense), SEQUENCES, target=Target(task, tuple(names)))
    with pytest.raises(ModelError, match=r"the model has 1 outputs, but the target has 2"):
        predict(functional(lambda x: dense(x, "sigmoid", 1)), SEQUENCES, target=Target("multilabel", ("a", "b")))
