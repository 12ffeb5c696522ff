"""Pooling over time and bands: phase-fixed in time, as Keras's in bands, and over real frames only."""

from typing import Any

from seqconv.geometry import TimeLayer
from seqconv.layers.bands import band_edges, check_band_padding, time_and_bands
from seqconv.layers.pooling import AveragePooling, MaskedPooling, MaxPooling


class _MaskedPooling2D(MaskedPooling):
    """The part of a pooling over time and bands that is about bands."""

    takes_bands = True

    def __init__(self, pool_size: Any = 2, *, strides: Any = None, band_padding: str = "valid", **options: Any) -> None:
        strides = None if strides is None else time_and_bands("strides", strides)
        super().__init__(time_and_bands("pool_size", pool_size), strides=strides, **options)
        self.band_padding = check_band_padding(band_padding)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Refuses an unknown number of bands, where it matters.
        band_edges(input_shape[2], self.band_layer)
        super().build(input_shape)

    @property
    def band_layer(self) -> TimeLayer:
        return TimeLayer(self.pool_size[1], self.strides[1], 1, self.band_padding)


class MaskedMaxPooling2D(_MaskedPooling2D, MaxPooling):
    """The largest real value in each window over time and bands.

    Args:
        pool_size: frames and bands in a window; one number for both.
        strides: frames and bands from one window to the next (default: `pool_size`).
        padding: of time, as in `MaskedMaxPooling1D`: "same" or "causal".
        band_padding: of bands, as in Keras: "valid", only whole windows (the default), or "same".

    Call arguments:
        inputs: `(batch, time, bands, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.

    Returns:
        `(features, segments)` with `ceil(time / strides)` frames, or features alone when `segments` is None.
    """


class MaskedAveragePooling2D(_MaskedPooling2D, AveragePooling):
    """The mean of the real values in each window over time and bands.

    Args:
        pool_size: frames and bands in a window; one number for both.
        strides: frames and bands from one window to the next (default: `pool_size`).
        padding: of time, as in `MaskedAveragePooling1D`: "same" or "causal".
        band_padding: of bands, as in Keras: "valid", only whole windows (the default), or "same".

    Call arguments:
        inputs: `(batch, time, bands, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.

    Returns:
        `(features, segments)` with `ceil(time / strides)` frames, or features alone when `segments` is None.
    """
