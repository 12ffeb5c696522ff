"""Axes of pictures: milliseconds, Hz, and one scale of colors around 0."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from seqconv.features import FeatureKind

Array = npt.NDArray[Any]
SIGNED, POSITIVE = "RdBu_r", "magma"
_TICKS = (100, 250, 500, 1000, 2000, 4000, 8000, 16000)


def channel_frequencies(settings: FeatureKind | None) -> Array | None:
    """Return the frequency of each feature in Hz; None if features are something else.

    >>> channel_frequencies(FeatureKind(kind="log_mel", n_mels=3, sample_rate=8000)).round().tolist()
    [586.0, 1194.0, 2186.0]
    """
    return None if settings is None else settings.axis


def mark_channels(axes: Any, settings: FeatureKind | None, num_channels: int) -> None:
    """Set ticks and label of a vertical axis of channels: Hz if the features are frequencies."""
    frequencies = channel_frequencies(settings)
    if frequencies is None or len(frequencies) != num_channels:
        axes.set_ylabel("channel")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        return
    ticks = [tick for tick in _TICKS if frequencies[0] <= tick <= frequencies[-1]]
    axes.set_yticks(np.interp(ticks, frequencies, np.arange(num_channels)), [_hertz(tick) for tick in ticks])
    axes.set_ylabel("Hz")


def tap_times(num_taps: int, left: int, dilation: int, seconds: float | None) -> Array:
    """Return the times of a kernel's taps, 0 at the frame of an output; in ms if that is known.

    >>> tap_times(3, left=1, dilation=2, seconds=0.01).tolist()
    [-10.0, 10.0, 30.0]
    """
    times: Array = (np.arange(num_taps) * dilation - left) * (1.0 if seconds is None else 1000 * seconds)
    return times


def time_label(seconds: float | None, *, is_short: bool = False) -> str:
    """Return the label of a horizontal axis."""
    if seconds is None:
        return "frames"
    return "ms" if is_short else "seconds"


def symmetric_limit(*arrays: Array) -> float:
    """Return the largest absolute value of all arrays, so that one scale serves them, with 0 in its middle."""
    return max((float(np.abs(array).max(initial=0)) for array in arrays), default=0.0) or 1.0


def _hertz(frequency: float) -> str:
    return f"{frequency / 1000:g}k" if frequency >= 1000 else f"{frequency:g}"
