"""`audit`: stock stacks fail and name their layers, models of seqconv pass, each problem is found where it is."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from support.random_models import NUM_FEATURES, draw_model
from support.stock_models import FAILING, PASSING

from seqconv.batching import pad_sequences
from seqconv.errors import ManifestError, ModelError, ShapeError
from seqconv.features.ts import read_ts
from seqconv.inspection import audit
from seqconv.inspection.findings import FAULT, REMEDIES, VERDICTS
from seqconv.layers import MaskedBatchNormalization, MaskedConv1D, MaskedGlobalAveragePooling1D
from seqconv.models import build_model

pytestmark = pytest.mark.filterwarnings("ignore:.*destroy the mask information:UserWarning")
VOWELS = Path(__file__).parents[2] / "data" / "japanese_vowels" / "JapaneseVowels_TRAIN.ts"


@pytest.fixture(scope="module")
def vowels():
    return read_ts(VOWELS)[0][::11]


def stock(*stack, masking=True, features=12):
    keras.utils.set_random_seed(4)
    front = [layers.Masking()] if masking else []
    model = keras.Sequential([keras.Input((None, features)), *front, *stack], name="stock")
    rng = np.random.default_rng(4)
    model.set_weights(
        [weight + 0.3 * rng.normal(size=weight.shape) * (weight.ndim > 1) for weight in model.get_weights()]
    )
    return model


def convolutions():
    return [
        layers.Conv1D(16, 5, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.Conv1D(16, 3, padding="same", activation="relu"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(9, activation="softmax"),
    ]


def problems(result, severity=FAULT):
    return {(finding.layer.rstrip("_0123456789"), finding.problem) for finding in result.findings
            if finding.severity == severity}  # fmt: skip


@pytest.mark.parametrize("masking", [True, False])
def test_a_stock_stack_fails_on_japanese_vowels(vowels, masking):
    model = stock(*convolutions(), masking=masking)
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    model.fit(pad_sequences(vowels)[0], np.arange(len(vowels)) * 9 // len(vowels), epochs=15, batch_size=25, verbose=0)
    result = audit(model, vowels)
    assert not result.passes
    assert [each.frames for each in result.measurements] == [1, 2, 7, 64, None]
    assert not any(each.passes for each in result.measurements)
    changes = [each.largest_change for each in result.measurements[:4]]
    assert changes == sorted(changes)
    assert result.measurements[3].flipped > 0
    found = problems(result)
    assert ("batch_normalization", "unmasked_statistics") in found
    assert ("global_average_pooling1d", "pools_padding") in found
    assert (("conv1d", "drops_mask") in found) == masking
    assert {("", "changes_with_padding"), ("", "changes_with_mates")} < found


@pytest.mark.parametrize("pooling", ["mean", ["max", "attentive_statistics"], "frames"])
def test_a_model_of_seqconv_passes_on_japanese_vowels(vowels, pooling):
    blocks = [{"filters": 8, "kernel_size": 5, "strides": 2}, {"type": "squeeze_excite"}, {"filters": 8}]
    config = {"blocks": blocks, "pooling": pooling}
    keras.utils.set_random_seed(0)
    result = audit(build_model(config, num_features=12, num_outputs=9), vowels)
    assert result.passes
    assert result.findings == ()
    assert all(each.passes and each.flipped == 0 for each in result.measurements)
    assert "passes: one sequence, one answer" in result.text()


def test_recurrent_and_valid_models_of_seqconv_pass():
    config = {"blocks": [{"filters": 4, "kernel_size": 4, "padding": "valid"}, {"type": "lstm", "units": 3}]}
    assert audit(draw_model(config, 1)).passes


@pytest.mark.parametrize("name", FAILING)
def test_every_stack_that_the_contract_refuses_is_refused_with_a_reason(name):
    result = audit(stock(*FAILING[name](), layers.Dense(3), features=NUM_FEATURES))
    assert not result.passes
    assert any(finding.layer and finding.severity == FAULT for finding in result.findings)
    assert not all(each.passes for each in result.measurements)


@pytest.mark.parametrize("name", PASSING)
def test_stacks_that_keep_their_mask_pass_with_a_note(name):
    result = audit(stock(*PASSING[name](), layers.Dense(3), features=NUM_FEATURES))
    assert result.passes, result.text()
    assert problems(result, "note") == {("masking", "masks_silence")}


def functional(*, forgets):
    features, mask = keras.Input((None, 3)), keras.Input((None,), dtype="bool")
    x, kept = MaskedConv1D(4, 3)(features, mask)
    x = MaskedBatchNormalization()(x) if forgets else MaskedBatchNormalization()(x, kept)
    return keras.Model([features, mask], layers.Dense(2)(MaskedGlobalAveragePooling1D()(x, kept)))


def test_ones_own_functional_model_of_masked_layers_is_given_its_mask_and_garbage():
    assert audit(functional(forgets=False)).passes
    result = audit(functional(forgets=True))
    # In training its statistics count padding; no answer changes.
    assert problems(result, "note") == {("masked_batch_normalization", "no_mask_given")}
    assert result.passes


def test_garbage_reaches_a_model_that_reads_it():
    features, mask = keras.Input((None, 3)), keras.Input((None,), dtype="bool")
    kept = keras.ops.cast(mask, "float32")[..., None]
    outputs = layers.Dense(2)(keras.ops.sum(features * kept, axis=1))
    result = audit(keras.Model([features, mask], outputs))
    assert np.isnan(result.measurements[0].largest_change)
    assert result.to_dict()["measurements"][0]["largest_change"] is None
    assert not result.passes


SINGLE = {
    "strided_same": lambda: [layers.Conv1D(4, 3, strides=2, padding="same"), layers.GlobalMaxPooling1D()],
    "ignores_mask": lambda: [layers.Masking(), layers.GroupNormalization(1), layers.GlobalAveragePooling1D()],
    "runs_into_padding": lambda: [layers.LSTM(4)],
    "reads_padding": lambda: [layers.Dense(4), layers.Conv1D(4, 3), layers.GlobalMaxPooling1D()],
    "needs_fixed_length": lambda: [layers.Masking(), layers.LSTM(3, return_sequences=True), layers.Flatten()],
    "cuts_sequences": lambda: [layers.Reshape((-1, 2)), layers.GlobalMaxPooling1D()],
}


@pytest.mark.parametrize("problem", [name for name in SINGLE if name != "needs_fixed_length"])
def test_each_problem_is_found_where_it_is(problem):
    assert problem in {name for _, name in problems(audit(stock(*SINGLE[problem](), masking=False, features=4)))}


def test_an_operation_that_loses_the_mask_is_named():
    inputs = keras.Input((None, 3))
    x = layers.Masking()(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x * 2.0)))
    assert {name for _, name in problems(audit(model))} >= {"loses_mask", "pools_padding"}


def test_a_mask_that_leaves_the_model_is_noted():
    result = audit(stock(layers.Dense(3), features=3))
    assert result.passes
    assert ("dense", "mask_leaves_model") in problems(result, "note")


def test_a_fixed_length_is_told_and_nothing_measured():
    model = keras.Sequential([keras.Input((29, 12)), layers.Conv1D(4, 3), layers.Flatten(), layers.Dense(3)])
    result = audit(model)
    assert (result.passes, result.measurements) == (False, ())
    assert ("", "fixed_length") in problems(result)
    assert "only one length fits" in result.text()


def test_two_axes_are_padded_along_time():
    model = keras.Sequential(
        [
            keras.Input((None, 8, 1)),
            layers.Conv2D(3, 3, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    result = audit(model)
    assert not result.passes
    assert result.measurements[3].largest_change > 0


def test_kernels_along_bands_are_no_fault():
    model = keras.Sequential(
        [keras.Input((None, 8, 1)), layers.Conv2D(3, (1, 3), (1, 2), "same"), layers.MaxPooling2D((1, 2)),
         layers.GlobalMaxPooling2D(), layers.Dense(2)]
    )  # fmt: skip
    assert {name for _, name in problems(audit(model))} <= {
        "pools_padding",
        "changes_with_padding",
        "changes_with_mates",
    }


def test_tokens_are_drawn_from_the_vocabulary():
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(50, 8, mask_zero=True)(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    assert audit(model).passes


def test_the_report_is_json_and_has_a_remedy_for_every_finding(vowels):
    result = audit(stock(*convolutions()), vowels)
    written = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert written["passes"] is False
    assert all(finding["remedy"] and finding["verdict"] for finding in written["findings"])
    text = " ".join(result.text(80).split())
    assert all(" ".join(finding.remedy.split()) in text for finding in result.findings)
    assert set(REMEDIES) < set(VERDICTS)


def test_a_mask_value_of_ones_own_is_what_is_padded_with():
    stack = [layers.Masking(mask_value=-10.0), layers.LSTM(3), layers.Dense(2)]
    result = audit(stock(*stack, masking=False, features=3))
    assert result.passes, result.text()
    assert max(each.largest_change for each in result.measurements) < 1e-5


def test_a_mask_value_within_a_nested_model_and_after_dropout_is_found():
    front = keras.Sequential([keras.Input((None, 3)), layers.Dropout(0.5), layers.Masking(7.0)])
    assert audit(stock(front, layers.GRU(3), layers.Dense(2), masking=False, features=3)).passes


def test_time_distributed_in_an_exact_model_passes():
    stack = [layers.TimeDistributed(layers.Dense(2)), layers.SimpleRNN(2), layers.Dense(2)]
    sequences = list(np.random.default_rng(0).normal(size=(3, 4, 3)))
    result = audit(stock(*stack, features=3), [*sequences, sequences[0][:2]])
    assert result.passes, result.text()


def over_mels(inputs):
    x = layers.Permute((2, 1, 3))(layers.Conv2D(2, 3, padding="same")(inputs))
    return layers.Dense(2)(layers.LSTM(3)(layers.Reshape((-1, 16 * 2))(x)))


@pytest.mark.parametrize(
    ("shape", "build", "axis"),
    [
        ((16, None, 1), over_mels, 2),
        ((16, None, 1), lambda x: layers.Dense(2)(layers.GlobalAveragePooling2D()(x)), 2),
        ((3, None), lambda x: layers.Dense(2)(layers.GlobalMaxPooling1D()(layers.Permute((2, 1))(x))), 2),
        ((2, 16, None), lambda x: layers.Dense(2)(layers.GlobalMaxPooling2D(data_format="channels_first")(x)), 3),
    ],
)
def test_time_on_another_axis_is_named(shape, build, axis):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, build(inputs))
    with pytest.raises(ModelError, match=rf"time on axis {axis}\. What is measured needs time on axis 1") as caught:
        audit(model)
    line = str(caught.value).partition("(batch, time, ...): ")[2].removesuffix(".")
    turned = eval(line, {"keras": keras, "model": model})
    assert turned.input_shape[1] is None
    assert len(audit(turned).measurements) == 5


def test_what_changes_no_answer_is_a_note():
    stack = [layers.Conv1D(4, 1, activation="relu", use_bias=False), layers.GlobalMaxPooling1D(), layers.Dense(2)]
    result = audit(stock(*stack, masking=False, features=3))
    assert result.passes
    assert ("global_max_pooling1d", "pools_padding") in problems(result, "note")
    assert all(each.largest_change < 2e-7 for each in result.measurements)


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    """A model that Keras knows no graph of."""

    def __init__(self, **options):
        super().__init__(**options)
        self.convolution, self.dense = layers.Conv1D(4, 3, padding="same"), layers.Dense(2)

    def call(self, inputs):
        return self.dense(keras.ops.mean(self.convolution(inputs), axis=1))


def test_a_subclassed_model_is_measured_as_any_other():
    model = Subclassed()
    with pytest.raises(ModelError, match="has not been built"):
        audit(model)
    model(np.zeros((1, 7, 3), np.float32))
    result = audit(model)
    sequence = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    padded = np.concatenate([sequence, np.zeros((64, 3), np.float32)])
    change = np.abs(np.asarray(model(padded[None])) - np.asarray(model(sequence[None]))).max()
    assert audit(model, [sequence]).measurements[3].largest_change == pytest.approx(change, rel=1e-3)
    assert not result.passes


def test_a_sequential_that_kept_the_length_of_its_first_batch_is_measured_at_any():
    model = keras.Sequential([layers.Conv1D(4, 3), layers.GlobalAveragePooling1D(), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 9, 3)), np.ones((8, 2)), verbose=0)
    result = audit(model)
    assert ("", "fixed_length") not in problems(result)
    assert {name for _, name in problems(result)} == {"pools_padding", "changes_with_padding", "changes_with_mates"}


def test_states_and_several_outputs_are_refused():
    state = keras.Input(batch_shape=(4, None, 3))
    with pytest.raises(ModelError, match="is stateful: 'kept' begins a sequence in the state"):
        audit(keras.Model(state, layers.Dense(2)(layers.LSTM(2, stateful=True, name="kept")(state))))
    inputs = keras.Input((None, 3))
    pooled = layers.GlobalMaxPooling1D()(inputs)
    two = {"one": layers.Dense(2)(pooled), "other": layers.Dense(3)(pooled)}
    with pytest.raises(ModelError, match=r"has 2 outputs .* keras\.Model\(model\.inputs, model\.outputs\[0\]\)"):
        audit(keras.Model(inputs, two))


def test_tokens_of_the_user_are_measured():
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 4)(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    result = audit(model, [np.array([1, 2, 3]), np.array([[4], [8]])])
    assert result.data == "2 sequences of 2 to 3 frames"
    assert not result.passes
    with pytest.raises(ManifestError, match=r"'sequence 1' holds 9 .*whole numbers from 0 to 8"):
        audit(model, [np.array([1, 2, 3]), np.array([9])])


def test_data_that_does_not_fit_is_refused(vowels):
    model = stock(layers.LSTM(4), features=5)
    with pytest.raises(ShapeError, match=r"a sequence has shape \(\d+, 12\), but the model takes \(time, 5\)"):
        audit(model, vowels)
    long = stock(layers.Conv1D(2, 40), layers.GlobalMaxPooling1D())
    with pytest.raises(ManifestError, match="none of 25 sequences reaches the 40 frames"):
        audit(long, vowels)
    two = [keras.Input((None, 3)), keras.Input((None, 3))]
    with pytest.raises(ModelError, match="has 2 inputs"):
        audit(keras.Model(two, layers.Add()(two)))
