"""Frequency responses of the filters of a first layer on sound itself."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from seqconv.inspection.effects import windows_of
from seqconv.inspection.kernels import kernels

Array = npt.NDArray[Any]
_FLOOR = -40.0


def frequency_responses(
    layer: Any, sample_rate: int, *, hop_length: int = 1, scale: Array | None = None
) -> tuple[Array, Array]:
    """Return frequencies in Hz `(n,)` and the gain of each filter there in decibels `(filters, n)`.

    A filter over frames of a waveform is one long filter over samples: the taps of frame k begin `k * hop_length`
    samples later, and where frames overlap they add up.

    Args:
        layer: a convolution over samples `(time, 1)`, or over frames of them `(time, n_fft)`.
        sample_rate: Hz.
        hop_length: samples from one frame to the next; 1 where each frame is a sample.
        scale: what features are divided by before the layer, `(n_fft,)`: deviations of a feature normalization.
    """
    values = kernels(layer).astype(np.float64)
    values = values if scale is None else values / scale
    (window,) = windows_of(layer)
    filters, num_taps, width = values.shape
    step = hop_length * window.dilation
    impulse = np.zeros((filters, (num_taps - 1) * step + width))
    for tap in range(num_taps):
        impulse[:, tap * step : tap * step + width] += values[:, tap]
    size = max(512, 1 << int(impulse.shape[1] - 1).bit_length())
    gain = np.abs(np.fft.rfft(impulse, size, axis=1))
    return np.fft.rfftfreq(size, 1 / sample_rate), 20 * np.log10(np.maximum(gain, 1e-12))


def draw_responses(layer: Any, sample_rate: int, *, hop_length: int = 1, scale: Array | None = None) -> Figure:
    """Draw the gain of each filter over frequency, filters ordered by the frequency that passes best.

    Args: as for `frequency_responses`.
    """
    frequencies, decibels = frequency_responses(layer, sample_rate, hop_length=hop_length, scale=scale)
    relative = decibels - decibels.max(axis=1, keepdims=True)
    order = np.argsort(relative.argmax(axis=1), kind="stable")
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(
        relative[order], cmap="magma", vmin=_FLOOR, vmax=0, origin="lower", aspect="auto", interpolation="nearest",
        extent=(0, frequencies[-1], -0.5, len(order) - 0.5),
    )  # fmt: skip
    axes.set(xlabel="Hz", ylabel="filter, by its best frequency")
    axes.set_title(f"{layer.name}: frequency response of {len(order)} filters")
    figure.colorbar(image, ax=axes, label="dB below the filter's best frequency")
    return figure
