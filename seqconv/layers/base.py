"""The base of all layers here: what a layer promises, and what it is called with."""

import inspect
from collections.abc import Iterator
from typing import Any

import keras

from seqconv.errors import ModelError
from seqconv.geometry import TimeLayer, conv_output_length
from seqconv.layers.masking import Padding, Tensor

# Activations that are 0 at 0.
ZERO_KEEPING = ("relu", "gelu", "silu", "elu", "leaky_relu", "tanh", "linear")


class LayerContract:
    """Promises of a layer. The defaults are those of a layer that works on each frame by itself.

    Attributes:
        packable: several sequences may share a row.
        chunkable: a long sequence may be fed piece by piece: in windows that are as much longer as `time_layer` reads,
            or in several passes if the layer is `per_sequence` or a global pooling.
        per_sequence: each frame depends on all frames of its sequence. The layer then has `summarize(inputs, segments,
            num_slots)` and `merge(first, second)`, and takes the merged statistics as the call argument `summary`.
        takes_slots: the call takes `num_slots`, the number of sequences that a row may hold.
        takes_known: the call takes `known`, what is known of the inputs in padding.
        takes_bands: inputs are `(batch, time, bands, channels)`. Layers without it, if they work on each value by
            itself or take sums of channels, take these as well.
        padding_after: what is known of the outputs in padding.
        values_per_channel: numbers that a global pooling returns for each channel; 0 for a layer that returns frames.
    """

    packable: bool = True
    chunkable: bool = True
    per_sequence: bool = False
    takes_slots: bool = False
    takes_known: bool = False
    takes_bands: bool = False
    padding_after: Padding = Padding.ANY
    values_per_channel: int = 0

    @property
    def time_layer(self) -> TimeLayer | None:
        """The taps of the layer in time; None if an output frame depends on its input frame only, or on all frames.

        A layer that has one returns `(features, segments)` when it is given segments.
        """
        return None

    @property
    def band_layer(self) -> TimeLayer | None:
        """The taps of the layer in bands, padded as Keras pads; None if a band depends on its input band only."""
        return None

    def output_bands(self, bands: int | None) -> int | None:
        """Return the number of bands that come out if `bands` go in; None if there are none, or it is unknown."""
        layer = self.band_layer
        return bands if bands is None or layer is None else conv_output_length(bands, layer)

    @property
    def sees_all(self) -> bool:
        """Whether each output frame depends on all frames of its sequence."""
        return self.per_sequence or not self.chunkable


class MaskedLayer(LayerContract, keras.layers.Layer):  # type: ignore[misc]
    """A layer that gets which frames are real, and gives a sequence the same answer in every layout.

    Derive your own from it, and let `seqconv.testing.check_layer` say whether it keeps the contract. Declare what
    differs from the defaults of `LayerContract`, write `call(inputs, segments=None)`, and keep each argument of the
    constructor under its own name: `get_config` reads it there.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.

    Example:

    >>> import numpy as np
    >>> from seqconv.layers import zero_padding
    >>> class Scale(MaskedLayer):
    ...     padding_after = Padding.ZERO
    ...     def __init__(self, factor=2.0, **options):
    ...         super().__init__(**options)
    ...         self.factor = factor
    ...     def call(self, inputs, segments=None):
    ...         return self.factor * zero_padding(inputs, segments)
    >>> layer = Scale(3.0)
    >>> layer.get_config()["factor"], np.array(layer(np.ones((1, 2, 1)), np.array([[True, False]]))).tolist()
    (3.0, [[[3.0], [0.0]]])
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Keras finds a saved layer by this name. Layers of others register under the names of their packages.
        if cls.__module__.startswith("seqconv.") and not cls.__name__.startswith("_"):
            keras.saving.register_keras_serializable(package="seqconv")(cls)

    def output_channels(self, channels: int) -> int:
        """Return the number of channels that come out if `channels` go in."""
        return channels

    def compute_output_spec(self, inputs: Tensor, segments: Tensor | None = None, *_: Any, **__: Any) -> Any:
        """Return shapes and types of the outputs, without running the layer."""
        # A vector has no time.
        batch, *axes, channels = inputs.shape
        layer, bands = self.time_layer, [self.output_bands(bands) for bands in axes[1:]]
        time = axes[:1]
        if layer is not None:
            time = [None if time[0] is None else conv_output_length(time[0], layer)]
        shape = (batch, *time, *bands, self.output_channels(channels))
        spec = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if layer is None or segments is None:
            return spec
        return spec, keras.KerasTensor((batch, *time), dtype=segments.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, each from the attribute of its name.

        Raises:
            ModelError: an argument is kept nowhere.
        """
        config: dict[str, Any] = super().get_config()
        for name in _arguments(type(self)):
            if name in config:
                continue
            if not hasattr(self, name):
                raise ModelError(
                    f"layer '{self.name}' ({type(self).__name__}) does not keep its argument '{name}', so that it "
                    f"cannot be saved. Set self.{name} = {name} in its constructor, or write get_config."
                )
            config[name] = getattr(self, name)
        return config


# The contract of Keras's own layers, and of layers of users that do not know the padding.
FRAMEWISE = LayerContract()


def contract_of(layer: Any) -> LayerContract:
    """Return what a layer promises; one that is no `MaskedLayer` is taken to work on each frame by itself."""
    return layer if isinstance(layer, MaskedLayer) else FRAMEWISE


def padding_after(layer: Any, before: Padding) -> Padding:
    """Return what is known of padding after a layer, from what was known before it."""
    if isinstance(layer, keras.layers.Dropout):
        return before
    if isinstance(layer, keras.layers.Activation):
        keeps_zero = layer.activation.__name__ in ZERO_KEEPING
        return before if keeps_zero else min(before, Padding.FINITE)
    return contract_of(layer).padding_after


def _arguments(cls: type) -> Iterator[str]:
    """Yield the names of constructor arguments, as far up as each constructor passes on what it does not know."""
    for each in cls.__mro__:
        if "__init__" not in vars(each):
            continue
        if each is MaskedLayer or not issubclass(each, MaskedLayer):
            return
        parameters = list(inspect.signature(vars(each)["__init__"]).parameters.values())[1:]
        yield from (each.name for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL))
        if not any(each.kind is each.VAR_KEYWORD for each in parameters):
            return
