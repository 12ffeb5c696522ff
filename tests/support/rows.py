"""Sequences laid out alone, padded and packed, NaN wherever nothing may look, and a layer's answer for each of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from seqconv import layers
from seqconv.geometry import TimeLayer, next_start
from seqconv.layers import MaskedLayer

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


def answers(layer: Any, arrays: Arrays) -> Iterator[tuple[str, Arrays]]:
    """Name of a layout, and what the layer returns for each sequence in it."""
    yield "alone", [to_numpy(layer(x[None]))[0] for x in arrays]
    features, mask = padded(arrays)
    yield "padded, by a mask", _in_rows(layer, features, mask)
    yield "padded, by segments", _in_rows(layer, features, np.where(mask, 0, -1).astype("int32"))
    if layer.packable:
        for rows in (1, 2):
            yield f"packed in {rows}", _in_slots(layer, arrays, rows)


def _in_rows(layer: Any, features: np.ndarray, segments: np.ndarray) -> Arrays:
    if is_head(layer):
        return list(to_numpy(layer(features, segments)))
    outputs, segments = time_output(layer, features, segments)
    assert np.isfinite(outputs).all(), "NaN of the padding came through"
    return [row[is_real] for row, is_real in zip(outputs, _real(segments), strict=True)]


def _in_slots(layer: Any, arrays: Arrays, rows: int) -> Arrays:
    features, segments = packed(arrays, [] if layer.time_layer is None else [layer.time_layer], rows)
    places = [(index % rows, index // rows) for index in range(len(arrays))]
    num_slots = -(-len(arrays) // rows) + 1
    if is_head(layer):
        outputs = to_numpy(layer(features, segments, num_slots=num_slots))
        assert (outputs[:, -1] == 0).all(), "an empty slot is 0"
        return [outputs[row, slot] for row, slot in places]
    outputs, segments = time_output(layer, features, segments, num_slots)
    assert np.isfinite(outputs).all(), "NaN of the padding came through"
    return [outputs[row, segments[row] == slot] for row, slot in places]


def time_output(layer: Any, features: Any, segments: Any, num_slots: int | None = None) -> tuple[Any, Any]:
    """Output frames of a layer that is no head, and their segments, whatever the layer itself returns."""
    if layer.time_layer is not None:
        outputs, segments = layer(features, segments)
        return to_numpy(outputs), to_numpy(segments)
    options = {"num_slots": num_slots} if num_slots and layer.takes_slots else {}
    return to_numpy(layer(features, segments, **options)), segments


def every_layer() -> list[type[MaskedLayer]]:
    """The layers that seqconv offers."""
    offered = [getattr(layers, name) for name in layers.__all__]
    bases = (MaskedLayer, layers.Padding)
    return [each for each in offered if isinstance(each, type) and each not in bases]


def is_head(layer: Any) -> bool:
    """Whether the layer pools over all frames of a sequence."""
    return layer.values_per_channel > 0


def _real(segments: np.ndarray) -> np.ndarray:
    return segments if segments.dtype == bool else segments >= 0


def shake(layer: Any, channels: int = 4, seed: int = 1) -> Any:
    """The built layer with weights as after training: no zeros, no ones, variances positive."""
    layer.build((None, None, channels))
    rng = np.random.default_rng(seed)
    layer.set_weights([weight + 0.3 * np.abs(rng.normal(size=weight.shape)) for weight in layer.get_weights()])
    return layer


def assert_close(actual: np.ndarray, expected: np.ndarray, name: str = "") -> None:
    """Equal up to rounding, in whichever precision the backend computed."""
    # On other backends Keras's operations pass through float32 here and there, whatever they are given.
    is_double = actual.dtype == np.float64 and keras.backend.backend() == "tensorflow"
    rtol, atol = (1e-9, 1e-11) if is_double else (1e-4, 1e-5)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=name)
