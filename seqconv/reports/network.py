"""The model in a report: its layers as a table, and the filters of the first."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqconv.errors import ModelError
from seqconv.reports.drawings import Drawing, render
from seqconv.reports.tables import make_table, number

MOST_FILTERS, MOST_COLUMNS = 64, 16
_POSITIVE, _NEGATIVE = (0.16, 0.45, 0.75), (0.85, 0.4, 0.1)


def draw_filters(model: Any, seconds: float | None) -> Drawing | None:
    """Draw the filters of the first convolution over time, `(kernel_size, in_channels)` each, on one scale of color."""
    found = _first_convolution(model)
    if found is None:
        return None
    layer, kernels = found
    shown = kernels[:MOST_FILTERS]
    count, size, channels = shown.shape
    most = float(np.abs(shown).max()) or 1.0

    columns = min(MOST_COLUMNS, count)

    def fill(figure: Figure) -> Axes:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.imshow(_tiled(_tinted(shown.transpose(0, 2, 1)[:, ::-1] / most), columns), aspect="auto")
        return axes

    svg, _ = render("filters", fill, (7.2, max(1.6, 0.75 * -(-count // columns) + 0.1)))
    norms = np.linalg.norm(kernels.reshape(len(kernels), -1), axis=1)
    rows = list(zip(range(len(kernels)), norms, kernels.min(axis=(1, 2)), kernels.max(axis=(1, 2)), strict=True))
    unit = "bands" if hasattr(layer, "band_layer") and layer.band_layer is not None else "channels"
    span = f"{size} frames" if seconds is None else f"{size} frames ({size * seconds * 1000:g} ms)"
    return Drawing(
        "filters",
        f"Filters of the first convolution, {layer.name}",
        f"{count} of {len(kernels)} filters of {layer.name}, each {span} wide and {channels} {unit} high, on one "
        f"scale of color up to {number(most)}.",
        svg,
        make_table(["filter", "norm", "smallest weight", "largest weight"], rows),
        caption=f"Each is {span} wide and {channels} {unit} high; time runs to the right, {unit} upwards. Blue is "
        "positive, orange negative, pale is near zero.",
    )


def _first_convolution(model: Any) -> tuple[Any, np.ndarray] | None:
    """Return the first convolution over time, and bands, and its kernels `(filters, kernel_size, in_channels)`."""
    from seqconv.inspection import kernels

    stack = getattr(model, "stack", None)
    for layer in model.layers if stack is None else stack.layers():
        try:
            found = kernels(layer)
        except ModelError:
            continue
        if found.ndim == 4 and hasattr(layer, "band_layer"):
            # The bands of the first channel, then those of the second: one after the other upwards.
            found = found.swapaxes(2, 3).reshape(*found.shape[:2], -1)
        if found.ndim == 3:
            return layer, found
    return None


def _tinted(values: np.ndarray) -> np.ndarray:
    """Return RGBA: the sign is the color, the size its strength, so that zero is the page."""
    colors = np.where(values[..., None] >= 0, _POSITIVE, _NEGATIVE)
    return np.concatenate([colors, np.abs(values)[..., None].clip(0, 1)], axis=-1)


def _tiled(images: np.ndarray, columns: int) -> np.ndarray:
    """Return images `(n, height, width, 4)` next to and below each other, with empty space between them."""
    count, height, width, _ = images.shape
    gaps = (max(1, height // 8), max(1, width // 5))
    rows = -(-count // columns)
    padded = np.pad(images, [(0, rows * columns - count), (0, gaps[0]), (0, gaps[1]), (0, 0)])
    sheet = padded.reshape(rows, columns, *padded.shape[1:]).transpose(0, 2, 1, 3, 4)
    return sheet.reshape(rows * (height + gaps[0]), columns * (width + gaps[1]), 4)[: -gaps[0], : -gaps[1]]
