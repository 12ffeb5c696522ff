"""`check_layer` says which rule a layer breaks: in which layout, at which frame, and what to do."""

import keras
import numpy as np
import pytest
from keras import ops

from seqconv.errors import ModelError
from seqconv.geometry import TimeLayer
from seqconv.layers import (
    MaskedConv1D,
    MaskedGlobalAveragePooling1D,
    MaskedLayer,
    MaskedLengthChannel,
    Padding,
    zero_padding,
)
from seqconv.layers.masking import map_segments
from seqconv.testing import check_layer


class Difference(MaskedLayer):
    """Each frame minus the one before it, the first minus zero: right in every respect."""

    padding_after = Padding.FINITE

    def __init__(self, scale=1.0, **options):
        super().__init__(**options)
        self.scale = scale

    @property
    def time_layer(self):
        return TimeLayer(2, padding="causal")

    def call(self, inputs, segments=None):
        features = zero_padding(inputs, segments)
        outputs = self.scale * (features - ops.pad(features, [(0, 0), (1, 0), (0, 0)])[:, :-1])
        return outputs if segments is None else (outputs, segments)


class ReadsPadding(MaskedConv1D):
    def call(self, inputs, segments=None, known=Padding.ANY):
        outputs = super().call(inputs)
        return outputs if segments is None else (outputs, map_segments(segments, self.time_layer))


class IgnoresSegments(Difference):
    """Keeps padding out, but declares no reach: no gap parts it from its neighbor."""

    time_layer = None

    def call(self, inputs, segments=None):
        outputs = super().call(inputs, segments)
        return outputs if segments is None else outputs[0]


class LiesOfPadding(Difference):
    padding_after = Padding.ZERO


class Forgetful(Difference):
    def __init__(self, power, **options):
        super().__init__(**options)
        self.exponent = power


class Untracked(Difference):
    """Saved, but with weights of which Keras knows nothing."""

    def build(self, input_shape):
        self.factors = [np.random.default_rng(id(self)).normal()]

    def call(self, inputs, segments=None):
        return super().call(self.factors[0] * inputs, segments)


class StrayGradient(MaskedLayer):
    """The right answers, with a gradient that also counts padding."""

    padding_after = Padding.ZERO

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, inputs, segments=None):
        features = zero_padding(inputs, segments)

        @ops.custom_gradient
        def scale(features, factor):
            def gradient(*arguments, upstream=None):
                upstream = arguments[0] if upstream is None else upstream
                return upstream * factor, ops.sum(upstream * features) + ops.sum(0 * features + 0.01)

            return features * factor, gradient

        return scale(features, ops.add(self.factor, 0))


class SumsOverTime(MaskedLayer):
    """Centers each sequence of its row; chunkable only if one looks at padding alone."""

    packable = False
    padding_after = Padding.ZERO

    def call(self, inputs, segments=None):
        features = zero_padding(inputs, segments)
        is_real = ops.ones_like(features[..., :1]) if segments is None else zero_padding(features * 0 + 1, segments)
        mean = ops.sum(features, axis=1, keepdims=True) / ops.sum(is_real, axis=1, keepdims=True)
        return zero_padding(features - mean, segments)


class WrongSegments(Difference):
    def call(self, inputs, segments=None):
        if segments is None:
            return super().call(inputs)
        outputs, segments = super().call(inputs, segments)
        return outputs, ops.roll(segments, 1, axis=1)


class WrongChannels(Difference):
    def call(self, inputs, segments=None):
        outputs = super().call(inputs, segments)
        return outputs[..., :2] if segments is None else (outputs[0][..., :2], segments)


class ShortSighted(MaskedConv1D):
    """Says that it reads each frame by itself, and shortens sequences."""

    time_layer = None

    def call(self, inputs, segments=None, known=Padding.ANY):
        return MaskedConv1D.call(self, inputs)[:, ::2]


class SumsWhenSummarized(MaskedGlobalAveragePooling1D):
    @staticmethod
    def merge(first, second):
        return first


class Explodes(MaskedLayer):
    def call(self, inputs, segments=None):
        return ops.log(inputs)


class Refuses(MaskedLayer):
    def call(self, inputs, segments=None):
        if segments is not None and "int" in str(segments.dtype) and ops.max(segments) > 0:
            raise IndexError("one sequence a row")
        return zero_padding(inputs, segments)


class NeedsSegments(MaskedLayer):
    def call(self, inputs, segments):
        return inputs


@pytest.mark.parametrize(
    "layer",
    [
        Difference(0.5),
        MaskedLengthChannel(dtype="float64"),
        MaskedConv1D(3, 4, padding="valid", strides=2, dtype="mixed_float16"),
        keras.layers.Activation("tanh"),
        keras.layers.Dropout(0.5),
        keras.layers.GlobalAveragePooling1D(),
    ],
    ids=lambda layer: layer.name,
)
def test_a_layer_that_keeps_the_contract_passes_and_stays_as_it_was(layer):
    layer.build((None, None, 4))
    before = layer.get_weights()
    check_layer(layer)
    for ours, expected in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize(
    ("layer", "layout", "fault", "remedy"),
    [
        (ReadsPadding(3, 5), "padded", "channel 0 of frame 0 .* is nan instead of", "zero_padding"),
        (keras.layers.Conv1D(3, 5, padding="same"), "padded", "channel 0 of frame 0 .* is nan instead of", "zero_padd"),
        (IgnoresSegments(), "packed", "channel 0 of frame 0 of the sequence of .* frames is .* instead", "time_layer"),
        (LiesOfPadding(), "padded", "padding_after is ZERO, but frame 1 of row 0, which is padding", "Padding.FINITE"),
        (Forgetful(2), "saved and loaded", None, None),
        (Untracked(), "saved and loaded", "channel 0 of frame 0 of the sequence", "create weights in build"),
        (StrayGradient(), "the gradient, bucketed instead of padded", "gradient of .*factor", "reduce over real"),
        (SumsOverTime(), "chunkable, in pieces", "channel 0 of frame 0 of the sequence of 30", "Set chunkable = False"),
        (SumsWhenSummarized(), "chunkable, in pieces", "number 0 of the sequence of 30", "merge"),
        (WrongSegments(), "padded", "the segments that it returns are not those of its output frames", "map_segments"),
        (WrongChannels(), "a sequence alone", r"shape \(1, 1, 2\), but .* says \(1, 1, 4\)", "output_channels"),
        (ShortSighted(3, 1), "a sequence alone", "7 frames give 4, .* should give 7", "TimeLayer"),
        (Explodes(), "a sequence alone", "is not finite", "Guard"),
        (NeedsSegments(), "a sequence alone", "TypeError: .*'segments'", "Without segments, all frames are real"),
        (Refuses(), "packed", "it raises IndexError: one sequence a row", "packable = False"),
        (keras.layers.BatchNormalization(), "training, padded", "the gradient nan", "zero_padding"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, keras.Layer) else "",
)
def test_a_layer_that_breaks_a_rule_is_told_which(layer, layout, fault, remedy):
    name = f"layer '{layer.name}' \\({type(layer).__name__}\\)"
    if fault is None:
        match = f"{name} does not keep its argument 'power', .* Set self.power = power"
    else:
        match = rf"{name}, {layout}.*: (.*){fault}.*\. .*{remedy}"
    with pytest.raises(ModelError, match=match):
        check_layer(layer)


def test_the_shortest_sequence_is_tried():
    class Greedy(MaskedConv1D):
        def call(self, inputs, segments=None, known=Padding.ANY):
            if inputs.shape[1] == 5 and segments is None:
                raise ValueError("too short")
            return super().call(inputs, segments, known)

    with pytest.raises(ModelError, match="a sequence of 5 frames alone: it raises ValueError: too short"):
        check_layer(Greedy(3, 5, padding="valid"))


def test_output_segments_are_those_of_the_geometry():
    segments = np.array([[0, 0, 0, -1, 1, 1, 1, 1]], "int32")
    found = map_segments(ops.convert_to_tensor(segments), TimeLayer(2, padding="valid"))
    np.testing.assert_array_equal(ops.convert_to_numpy(found), [[0, 0, -1, -1, 1, 1, 1]])
