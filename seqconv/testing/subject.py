"""A layer that is checked: how it is called, and how a fault of it is worded."""

import contextlib
import inspect
import re
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from seqconv.errors import ModelError
from seqconv.geometry import TimeGeometry
from seqconv.layers.base import MaskedLayer, contract_of
from seqconv.layers.masking import Padding, Tensor, frame_mask
from seqconv.layers.reduction import at_least_single

Array = npt.NDArray[Any]


class Tolerance(NamedTuple):
    """A difference that is rounding: relative to the number, and to the largest one of the same array."""

    of_number: float
    of_largest: float


TOLERANCES = {"float64": Tolerance(1e-9, 1e-10), "float32": Tolerance(1e-4, 1e-5)}
HALF = Tolerance(5e-2, 2e-2)


# Values that are put into padding, and what a layer may know of them.
FILLS = ((np.nan, Padding.ANY), (1e6, Padding.FINITE), (0.0, Padding.ZERO))


class Subject:
    """A layer, called as a model calls it.

    A `MaskedLayer` is called with what its contract names. Any other is given `segments` if its `call` takes them, else
    a boolean `mask` if it takes one, else features alone.

    Frames with bands, `num_bands` of them, are here as everywhere in batches: one vector each, `bands * channels`.
    """

    def __init__(self, layer: Any, num_bands: int | None = None) -> None:
        self.layer, self.contract, self.num_bands = layer, contract_of(layer), num_bands
        parameters = inspect.signature(layer.call).parameters
        self.argument = next((name for name in ("segments", "mask") if name in parameters), None)
        # For a layer that is no MaskedLayer, this is set after its first answer.
        self.pools = self.contract.values_per_channel > 0
        self.packable = self.contract.packable and self.argument != "mask"
        self.dtype = "float64" if layer.compute_dtype == "float64" else "float32"
        # Backends but TensorFlow pass through float32 here and there.
        is_double = self.dtype == "float64" and keras.backend.backend() == "tensorflow"
        precision = layer.compute_dtype if self.dtype == "float32" or is_double else "float32"
        self.tolerance = TOLERANCES.get(precision, HALF)

    @property
    def geometry(self) -> TimeGeometry:
        """The taps of the layer in time; empty if it has no `time_layer`."""
        return () if self.contract.time_layer is None else (self.contract.time_layer,)

    def shape(self, *shape: int | None) -> tuple[int | None, ...]:
        """Return the shape of the inputs of the layer, from that of features `(..., num_features)`."""
        return shape if self.num_bands is None else (*shape[:-1], self.num_bands, (shape[-1] or 0) // self.num_bands)

    def inputs(self, features: Any) -> Any:
        """Return features `(rows, time, num_features)` as the inputs of the layer."""
        return features if self.num_bands is None else ops.reshape(features, self.shape(*features.shape))

    def call(self, features: Any, segments: Any = None, num_slots: int | None = None, **options: Any) -> Any:
        """Return what the layer returns, bands as channels; `num_slots` is left out where it does not take it."""
        features = self.inputs(features)
        segments = None if segments is None else ops.convert_to_tensor(segments)
        if not isinstance(self.layer, MaskedLayer):
            if segments is not None and self.argument is not None:
                options[self.argument] = frame_mask(segments) if self.argument == "mask" else segments
            return _with_bands_as_channels(self.layer(features, **options))
        if self.contract.takes_slots and num_slots is not None:
            options["num_slots"] = num_slots
        # A layer that is called without segments must work, too.
        given = () if segments is None else (segments,)
        return _with_bands_as_channels(self.layer(features, *given, **options))

    def fault(self, layout: str, message: str, remedy: str) -> ModelError:
        """Return the error that names the layer and a layout."""
        return ModelError(f"layer '{self.layer.name}' ({type(self.layer).__name__}), {layout}: {message}. {remedy}")

    @contextlib.contextmanager
    def doing(self, layout: str, remedy: str) -> Iterator[None]:
        """Turn whatever the layer raises into a fault."""
        try:
            yield
        except ModelError:
            raise
        except Exception as error:
            raise self.fault(layout, f"it raises {_reason(error)}", remedy) from error

    def compare(self, found: list[Array], expected: list[Array], lengths: list[int], layout: str, remedy: str) -> None:
        """Refuse values of sequences that differ by more than rounding.

        Raises:
            ModelError: naming the first frame, or number, that differs.
        """
        for ours, alone, length in zip(found, expected, lengths, strict=True):
            sequence = f"the sequence of {length} frames"
            if ours.shape != alone.shape:
                raise self.fault(layout, f"{sequence} gives {ours.shape}, alone it gives {alone.shape}", remedy)
            differs = is_different(ours, alone, self.tolerance)
            if differs.any():
                place = tuple(np.argwhere(differs)[0].tolist())
                where = f"channel {place[-1]} of frame {place[0]}" if len(place) > 1 else f"number {place[0]}"
                problem = f"{where} of {sequence} is {ours[place]:.6g} instead of {alone[place]:.6g}"
                raise self.fault(layout, problem, remedy)


def is_different(found: Array, expected: Array, tolerance: Tolerance, unit: float = 0.0) -> npt.NDArray[np.bool_]:
    """Return where numbers differ by more than rounding; `unit` is how large those are that they were computed of."""
    floor = tolerance.of_largest * max(float(np.abs(expected).max(initial=0)), unit)
    close: npt.NDArray[np.bool_] = np.isclose(found, expected, rtol=tolerance.of_number, atol=floor)
    return ~close


def _with_bands_as_channels(returned: Any) -> Any:
    """Return what a layer returned, features `(batch, time, bands, channels)` as `(batch, time, bands * channels)`."""
    if isinstance(returned, tuple):
        return _with_bands_as_channels(returned[0]), *returned[1:]
    return returned if len(returned.shape) < 4 else ops.reshape(returned, flat_shape(returned.shape))


def flat_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of outputs whose bands are channels.

    >>> flat_shape((2, 7, 5, 3)), flat_shape((2, 3))
    ((2, 7, 15), (2, 3))
    """
    return (*shape[:2], prod(shape[2:])) if len(shape) > 2 else tuple(shape)


def as_array(values: Tensor) -> Array:
    """Return numbers as NumPy knows them, half precision as float32."""
    array: Array = np.asarray(ops.convert_to_numpy(at_least_single(values)))
    return array


def _reason(error: Exception) -> str:
    """Kind and first line of an error, without what Keras puts around it."""
    lines = [re.sub(r"\x1b\[\d*m", "", line).strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith("Exception encountered when calling")]
    return f"{type(error).__name__}: {said[0] if said else ''}".rstrip(". :")
