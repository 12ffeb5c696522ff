"""Sequences laid out alone, padded and packed, NaN wherever nothing may look, and a layer's answer for each of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from seqconv import layers
from seqconv.geometry import TimeLayer, next_start
from seqconv.layers import MaskedLayer
from seqconv.testing import layer_checks
from seqconv.testing.subject import FILLS, Subject

to_numpy = keras.ops.convert_to_numpy
# A single frame, and very unequal lengths.
LENGTHS = (1, 7, 12, 9, 30)
Arrays = list[np.ndarray]


def sequences(lengths: Sequence[int] = LENGTHS, channels: int = 4, seed: int = 0) -> Arrays:
    """A normal random array `(length, channels)` for each length."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, channels)) for length in lengths]


def padded(arrays: Arrays, extra: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """One sequence a row, NaN behind it; features and the mask of real frames."""
    width = max(map(len, arrays)) + extra
    features = np.full((len(arrays), width, arrays[0].shape[1]), np.nan, arrays[0].dtype)
    mask = np.zeros((len(arrays), width), bool)
    for row, array in enumerate(arrays):
        features[row, : len(array)], mask[row, : len(array)] = array, True
    return features, mask


def packed(arrays: Arrays, geometry: Sequence[TimeLayer] = (), rows: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Sequence i is slot `i // rows` of row `i % rows`; NaN between, and the smallest gap that the geometry allows."""
    ends, places = [0] * rows, []
    for index, array in enumerate(arrays):
        row = index % rows
        start = next_start(ends[row], geometry) if ends[row] else 0
        ends[row] = start + len(array)
        places.append((row, start))
    features = np.full((rows, max(ends) + 3, arrays[0].shape[1]), np.nan, arrays[0].dtype)
    segments = np.full(features.shape[:2], -1, "int32")
    for index, ((row, start), array) in enumerate(zip(places, arrays, strict=True)):
        features[row, start : start + len(array)] = array
        segments[row, start : start + len(array)] = index // rows
    return features, segments


def answers(layer: Any, arrays: Arrays, num_bands: int | None = None) -> Iterator[tuple[str, Arrays]]:
    """Name of a layout, and what the layer returns for each sequence in it, bands as channels."""
    subject = Subject(layer, num_bands)
    yield "alone", [to_numpy(subject.call(x[None]))[0] for x in arrays]
    for form, _, outputs in layer_checks.answers(subject, arrays, FILLS[:1]):
        yield form, outputs


def every_layer() -> list[type[MaskedLayer]]:
    """The layers that seqconv offers."""
    offered = [getattr(layers, name) for name in layers.__all__]
    bases = (MaskedLayer, layers.GlobalPooling1D, layers.Padding)
    return [each for each in offered if isinstance(each, type) and each not in bases]


def shake(layer: Any, channels: int = 4, seed: int = 1, bands: tuple[int, ...] = ()) -> Any:
    """The built layer with weights as after training: no zeros, no ones, variances positive."""
    layer.build((None, None, *bands, channels))
    rng = np.random.default_rng(seed)
    layer.set_weights([weight + 0.3 * np.abs(rng.normal(size=weight.shape)) for weight in layer.get_weights()])
    return layer


def assert_close(actual: np.ndarray, expected: np.ndarray, name: str = "") -> None:
    """Equal up to rounding, in whichever precision the backend computed."""
    # On other backends Keras's operations pass through float32 here and there, whatever they are given.
    is_double = actual.dtype == np.float64 and keras.backend.backend() == "tensorflow"
    rtol, atol = (1e-9, 1e-11) if is_double else (1e-4, 1e-5)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=name)
