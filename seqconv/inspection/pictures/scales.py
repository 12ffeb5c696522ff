"""Axes of pictures: milliseconds, Hz, and one scale of colors around 0."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from seqconv.features import FeatureKind
from seqconv.inspection.axes import Window
from seqconv.layers.shares import Array

POSITIVE = "magma"
CENTER = 1000
TICKS = (100, 250, 500, 1000, 2000, 4000, 8000, 16000)


def draw_image(axes: Any, values: Array, **options: Any) -> Any:
    """Draw an array `(rows, columns)` with its first row at the bottom, each value as one even area."""
    return axes.imshow(values, **{"origin": "lower", "aspect": "auto", "interpolation": "nearest", **options})


def seconds_of(settings: FeatureKind | None) -> float | None:
    """Return the seconds of a frame; None if they are not known."""
    return None if settings is None else settings.seconds_per_frame


def frequency_ticks(
    settings: FeatureKind | None, num_channels: int, ticks: Sequence[int] = TICKS
) -> tuple[list[int], Array] | None:
    """Return those of some frequencies in Hz that occur, and their channels; None if features are something else.

    >>> frequency_ticks(FeatureKind(kind="log_mel", n_mels=3, sample_rate=8000), 3)[0]
    [1000, 2000]
    """
    frequencies = None if settings is None else settings.axis
    if frequencies is None or len(frequencies) != num_channels:
        return None
    ticks = [tick for tick in ticks if frequencies[0] <= tick <= frequencies[-1]]
    return ticks, np.interp(ticks, frequencies, np.arange(num_channels))


def mark_channels(axes: Any, settings: FeatureKind | None, num_channels: int) -> None:
    """Set ticks and label of a vertical axis of channels: Hz if the features are frequencies."""
    marks = frequency_ticks(settings, num_channels)
    if marks is None:
        axes.set_ylabel("channel")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        return
    ticks, places = marks
    axes.set_yticks(places, [f"{tick / 1000:g}k" if tick >= 1000 else f"{tick:g}" for tick in ticks])
    axes.set_ylabel("Hz")


def mark_bands(axes: Any, settings: FeatureKind | None, window: Window) -> None:
    """Set ticks and label of a vertical axis of the bands that a kernel reads: Hz from its middle, if known."""
    places = np.unique([0, window.left // window.dilation, window.kernel_size - 1])
    steps = places * window.dilation - window.left
    frequencies = None if settings is None else settings.axis
    if frequencies is None or len(frequencies) < window.span:
        axes.set_yticks(places, [f"{step:+d}" if step else "0" for step in steps])
        axes.set_ylabel("bands")
        return
    # Bands of a mel scale are not alike: those around one of them stand for all.
    center = int(np.clip(np.abs(frequencies - CENTER).argmin(), window.left, len(frequencies) - 1 - window.right))
    offsets = frequencies[center + steps] - frequencies[center]
    axes.set_yticks(places, [f"{offset:+.0f}" if offset else "0" for offset in offsets])
    axes.set_ylabel(f"Hz from {frequencies[center]:.0f}")


def tap_times(num_taps: int, left: int, dilation: int, seconds: float | None) -> Array:
    """Return the times of a kernel's taps, 0 at the frame of an output; in ms if that is known.

    >>> tap_times(3, left=1, dilation=2, seconds=0.01).tolist()
    [-10.0, 10.0, 30.0]
    """
    times: Array = (np.arange(num_taps) * dilation - left) * (1.0 if seconds is None else 1000 * seconds)
    return times


def color_scale(*arrays: Array, is_signed: bool | None = None) -> dict[str, Any]:
    """Return one scale of colors for all arrays: around 0 if `is_signed` (default: if they have negative values)."""
    limit = max(float(np.abs(array).max(initial=0)) for array in arrays) or 1.0
    if is_signed or (is_signed is None and any((array < 0).any() for array in arrays)):
        return {"norm": Normalize(-limit, limit), "cmap": "RdBu_r"}
    return {"norm": Normalize(0, limit), "cmap": POSITIVE}
