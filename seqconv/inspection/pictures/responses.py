"""Frequency responses of the filters of a first layer on sound itself."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from seqconv.features import FeatureKind
from seqconv.features.kinds import RecordedKind
from seqconv.inspection.effects import windows_of
from seqconv.inspection.kernels import Array, kernels
from seqconv.inspection.pictures import scales
from seqconv.layers.reduction import as_double

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
    values = kernels(layer).astype(np.float64) / (1.0 if scale is None else scale)
    (window,) = windows_of(layer)
    filters, num_taps, width = values.shape
    step = hop_length * window.dilation
    impulse = np.zeros((filters, (num_taps - 1) * step + width))
    for tap in range(num_taps):
        impulse[:, tap * step : tap * step + width] += values[:, tap]
    size = max(512, 1 << int(impulse.shape[1] - 1).bit_length())
    gain = np.abs(np.fft.rfft(impulse, size, axis=1))
    return np.fft.rfftfreq(size, 1 / sample_rate), 20 * np.log10(np.maximum(gain, 1e-12))


def response_options(model: Any, settings: FeatureKind | None) -> dict[str, Any] | None:
    """Return arguments for `draw_responses` of the first convolution; None if the input is no waveform."""
    if not isinstance(settings, RecordedKind) or not settings.holds_samples:
        return None
    options: dict[str, Any] = {"sample_rate": settings.sample_rate, "hop_length": settings.hop_length}
    normalization = getattr(model, "feature_normalization", None)
    if normalization is not None:
        options["scale"] = np.sqrt(as_double(normalization.variance))
    return options


def draw_responses(layer: Any, sample_rate: int, *, hop_length: int = 1, scale: Array | None = None) -> Figure:
    """Draw the gain of each filter over frequency, filters ordered by the frequency that passes best.

    Args: as for `frequency_responses`.
    """
    frequencies, decibels = frequency_responses(layer, sample_rate, hop_length=hop_length, scale=scale)
    relative = decibels - decibels.max(axis=1, keepdims=True)
    order = np.argsort(relative.argmax(axis=1), kind="stable")
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    edges = (0, frequencies[-1], -0.5, len(order) - 0.5)
    image = scales.draw_image(axes, relative[order], cmap=scales.POSITIVE, vmin=_FLOOR, vmax=0, extent=edges)
    axes.set(xlabel="Hz", ylabel="filter, by its best frequency")
    axes.set_title(f"{layer.name}: frequency response of {len(order)} filters")
    figure.colorbar(image, ax=axes, label="dB below the filter's best frequency")
    return figure
