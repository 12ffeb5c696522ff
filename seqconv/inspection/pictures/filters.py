"""Filters of a layer as a grid, before and after training, and the weight of each input channel."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from seqconv.errors import ModelError
from seqconv.features import FeatureKind
from seqconv.inspection.arithmetic import input_channels
from seqconv.inspection.axes import Window
from seqconv.inspection.effects import windows_of
from seqconv.inspection.kernels import Array, kernels
from seqconv.inspection.pictures import scales
from seqconv.layers.base import contract_of

_MOST_CHANNELS = 16


def draw_filters(layer: Any, features: FeatureKind | None = None, *, title: str | None = None) -> Figure:
    """Draw all filters of a convolution in one grid with one scale of colors.

    Over time, a tile has taps from left to right and input channels from bottom to top, over time and bands it has the
    bands there; over two axes it is the kernel of one input channel, or where there are more than 16, the norm over
    them. Kernels of size 1 are one matrix.

    Args:
        features: of the input, where the layer is the first: axes are in milliseconds and Hz then. Over bands, Hz are
            those from the middle of the kernel, where that lies on the band next to 1000 Hz.
        title: default: the name of the layer and what is shown.

    Raises:
        ModelError: the layer is no convolution.
    """
    tiles, note = _tiles(layer, kernels(layer))
    if kernels(layer).ndim == 3 and tiles.shape[2] == 1:
        return _draw_matrix(layer, tiles[:, :, 0], features, title)
    figure = _grid([tiles], [layer], features)
    figure.suptitle(title or f"{layer.name}: {note}")
    return figure


def draw_before_after(before: Any, after: Any, features: FeatureKind | None = None) -> Figure:
    """Draw the filters of a layer before and after training, side by side, on one scale of colors.

    Raises:
        ModelError: the kernels have other shapes.
    """
    first, second = kernels(before), kernels(after)
    if first.shape != second.shape:
        raise ModelError(
            f"'{before.name}' has kernels {first.shape} and '{after.name}' {second.shape}: these are not the same "
            "layer before and after training."
        )
    change = float(np.linalg.norm(second - first) / (np.linalg.norm(first) or 1))
    figure = _grid([_tiles(before, first)[0], _tiles(after, second)[0]], [before, after], features)
    figure.suptitle(f"{after.name} before (left) and after (right): changed by {change:.0%} of its norm")
    return figure


def draw_channel_norms(layer: Any, features: FeatureKind | None = None) -> Figure:
    """Draw the weight of each input channel: the norm of the kernel over taps and filters.

    Raises:
        ModelError: the layer is no convolution.
    """
    norms = channel_norms(layer)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.bar(np.arange(len(norms)), norms, width=0.9, color="#31688e")
    axes.set(xlabel="input channel", ylabel="norm of the kernel", xlim=(-0.6, len(norms) - 0.4))
    axes.set_title(f"{layer.name}: what each input channel weighs")
    axes.spines[["top", "right"]].set_visible(False)
    upper, marks = axes.twiny(), scales.frequency_ticks(features, len(norms), scales.TICKS[1:-1])
    if marks is None:
        upper.set_axis_off()
        return figure
    ticks, places = marks
    upper.set_xlim(-0.6, len(norms) - 0.4)
    upper.set_xticks(places, [f"{tick:g} Hz" for tick in ticks])
    upper.spines[["top", "right"]].set_visible(False)
    return figure


def channel_norms(layer: Any) -> Array:
    """Return the norm of the kernel of each input channel, `(in_channels,)`, over all groups together."""
    values = kernels(layer)
    parts = values.reshape(input_channels(layer) // values.shape[-1], -1, values.shape[-1])
    norms: Array = np.sqrt((parts**2).sum(axis=1))
    return norms.ravel()


def _tiles(layer: Any, values: Array) -> tuple[Array, str]:
    """Return images `(tiles, rows, columns)`: rows are channels, bands or the first axis, columns are taps in time."""
    if values.ndim == 3:
        return values.transpose(0, 2, 1), f"{len(values)} filters"
    if contract_of(layer).takes_bands:
        values = values.swapaxes(1, 2)
    flat = values.reshape(*values.shape[:1], -1, *values.shape[-2:])
    if values.shape[-1] == 1:
        return flat[..., 0], f"{len(values)} filters"
    if values.shape[-1] <= _MOST_CHANNELS:
        tiles = flat.transpose(0, 3, 1, 2).reshape(-1, *flat.shape[1:3])
        return tiles, f"{len(values)} filters, their {values.shape[-1]} input channels one after the other"
    return np.linalg.norm(flat, axis=-1), f"{len(values)} filters, norms over {values.shape[-1]} input channels"


def _grid(groups: Sequence[Array], layers: Sequence[Any], features: FeatureKind | None) -> Figure:
    """Draw groups of tiles side by side, one scale of colors for all."""
    count, rows, columns = groups[0].shape
    # Tall tiles stay narrow, so that each tap can be seen and all filters fit.
    ratio = min(max(rows / columns, 0.6), 2.2)
    across = min(count, max(1, ceil(np.sqrt(count * ratio * 1.5 / len(groups)))))
    down = ceil(count / across)
    width = min(15.0 / (across * len(groups)), 1.3)
    size = (max(6.0, width * across * len(groups) + 1.6), max(3.2, width * ratio * down + 1.2))
    figure = Figure(figsize=size, layout="constrained")
    ratios = [*([1.0] * across), *([0.4, *([1.0] * across)] * (len(groups) - 1))]
    grid = figure.subplots(down, len(ratios), squeeze=False, width_ratios=ratios)
    for axes in grid.ravel():
        axes.set_axis_off()
    colors = scales.color_scale(*groups)
    for number, (tiles, layer) in enumerate(zip(groups, layers, strict=True)):
        part = grid[:, number * (across + 1) : number * (across + 1) + across]
        _draw_tiles(part, tiles, layer, colors, features)
    figure.colorbar(ScalarMappable(**colors), ax=list(grid.ravel()), shrink=0.6, aspect=30)
    return figure


def _draw_tiles(grid: Any, tiles: Array, layer: Any, colors: dict[str, Any], features: FeatureKind | None) -> None:
    _, rows, columns = tiles.shape
    window, seconds = windows_of(layer)[0], scales.seconds_of(features)
    bands = contract_of(layer).band_layer
    is_time = len(windows_of(layer)) == 1 or bands is not None
    places = scales.tap_times(columns, window.left, window.dilation, seconds) if is_time else np.arange(columns)
    half = (places[1] - places[0]) / 2 if columns > 1 else 0.5
    edges = (float(places[0] - half), float(places[-1] + half))
    extent = (*edges, -0.5, rows - 0.5) if is_time else (*edges, rows - 0.5, -0.5)
    for axes, tile in zip(grid.ravel(), tiles, strict=False):
        axes.set_axis_on()
        scales.draw_image(axes, tile, **colors, origin="lower" if is_time else "upper", extent=extent)
        axes.set(xticks=[], yticks=[])
    # The labels of one tile: they are the same for all.
    corner = grid[-1, 0]
    if not is_time:
        corner.set(xlabel="width", ylabel="height")
        return
    corner.set_xticks(sorted({float(places[0]), float(places[-1])}))
    corner.tick_params(labelsize=7)
    corner.set_xlabel("frames" if seconds is None else "ms", fontsize=8)
    if bands is None:
        scales.mark_channels(corner, features, rows)
    else:
        scales.mark_bands(corner, features, Window(*bands))
    corner.yaxis.label.set_size(8)


def _draw_matrix(layer: Any, matrix: Array, features: FeatureKind | None, title: str | None) -> Figure:
    """Draw kernels of size 1: filters along one axis, input channels along the other."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    image = scales.draw_image(axes, matrix.T, **scales.color_scale(matrix, is_signed=True))
    axes.set_xlabel("filter")
    scales.mark_channels(axes, features, matrix.shape[1])
    axes.set_title(title or f"{layer.name}: {len(matrix)} filters of size 1")
    figure.colorbar(image, ax=axes)
    return figure
