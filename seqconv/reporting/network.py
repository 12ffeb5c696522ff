"""The model in a report: its layers as a table, and the filters of the first."""

from typing import TYPE_CHECKING, Any

import numpy as np

from seqconv.reporting.drawings import Drawing, render
from seqconv.reporting.tables import Table, make_table, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FILTERS = 64
_POSITIVE, _NEGATIVE = (0.16, 0.45, 0.75), (0.85, 0.4, 0.1)


def layer_table(model: Any) -> Table:
    """Name, kind, shapes of the weights and number of parameters of each layer."""
    rows = []
    for layer in _layers(model):
        shapes = ", ".join("x".join(map(str, weight.shape)) or "scalar" for weight in layer.weights)
        rows.append((layer.name, type(layer).__name__, shapes, layer.count_params()))
    return make_table(["layer", "kind", "weights", "parameters"], rows)


def draw_filters(model: Any, seconds: float | None) -> Drawing | None:
    """The filters of the first convolution over time, `(kernel_size, in_channels)` each, on one scale of color."""
    found = next(((layer, kernel) for layer in _layers(model) if (kernel := _kernel(layer)) is not None), None)
    if found is None:
        return None
    layer, kernels = found
    shown = kernels[:MOST_FILTERS]
    count, size, channels = shown.shape
    most = float(np.abs(shown).max()) or 1.0

    def fill(figure: "Figure") -> "Axes":
        columns = min(16, count)
        grid = figure.subplots(-(-count // columns), columns, squeeze=False)
        for place, axes in enumerate(grid.ravel()):
            axes.set_axis_off()
            if place < count:
                axes.imshow(_tinted(shown[place].T / most), aspect="auto", origin="lower")
        return grid[0, 0]  # type: ignore[no-any-return]

    svg, _ = render("filters", fill, (7.2, 0.75 * -(-count // min(16, count)) + 0.1))
    norms = np.linalg.norm(kernels.reshape(len(kernels), -1), axis=1)
    rows = [(i, float(norms[i]), float(kernels[i].min()), float(kernels[i].max())) for i in range(len(kernels))]
    span = f"{size} frames" if seconds is None else f"{size} frames ({size * seconds * 1000:g} ms)"
    return Drawing(
        "filters",
        f"Filters of the first convolution, {layer.name}",
        f"{count} of {len(kernels)} filters of {layer.name}, each {span} wide and {channels} channels high, on one "
        f"scale of color up to {number(most)}.",
        svg,
        make_table(["filter", "norm", "smallest weight", "largest weight"], rows),
        caption="Blue is positive, orange negative; nothing is zero. Time runs to the right, channels upwards.",
    )


def _layers(model: Any) -> list[Any]:
    stack = getattr(model, "stack", None)
    layers = list(stack.layers()) if stack is not None else list(model.layers)
    normalization = getattr(model, "feature_normalization", None)
    return layers if normalization is None or normalization in layers else [normalization, *layers]


def _kernel(layer: Any) -> "np.ndarray | None":
    """Filters first: `(filters, kernel_size, in_channels)`; None where a layer has no kernel over time."""
    kernel = getattr(layer, "kernel", None)
    if kernel is None or len(kernel.shape) != 3:
        return None
    return np.transpose(np.asarray(kernel), (2, 0, 1))


def _tinted(values: "np.ndarray") -> "np.ndarray":
    """RGBA: the sign is the color, the size how much of it there is, so that zero is the page."""
    image = np.empty((*values.shape, 4))
    image[..., :3] = np.where(values[..., None] >= 0, _POSITIVE, _NEGATIVE)
    image[..., 3] = np.abs(values).clip(0, 1)
    return image
