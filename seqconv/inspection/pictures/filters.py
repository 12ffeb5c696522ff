"""Filters of a layer as a grid, before and after training, and the weight of each input channel."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from seqconv.errors import ModelError
from seqconv.features import FeatureKind
from seqconv.inspection.effects import windows_of
from seqconv.inspection.kernels import kernels
from seqconv.inspection.pictures.scales import POSITIVE, SIGNED, mark_channels, symmetric_limit, tap_times, time_label

Array = npt.NDArray[Any]
_MOST_CHANNELS = 16


def draw_filters(layer: Any, features: FeatureKind | None = None, *, title: str | None = None) -> Figure:
    """Draw all filters of a convolution in one grid with one scale of colors.

    Over time, a tile has taps from left to right and input channels from bottom to top; over two axes it is the kernel
    of one input channel, or where there are more than 16, the norm over them. Kernels of size 1 are one matrix.

    Args:
        features: of the input, where the layer is the first: axes are in milliseconds and Hz then.
        title: default: the name of the layer and what is shown.

    Raises:
        ModelError: the layer is no convolution.
    """
    tiles, note = _tiles(kernels(layer))
    limit = symmetric_limit(tiles)
    if tiles.shape[2] == 1:
        return _draw_matrix(layer, tiles[:, :, 0], features, title)
    figure = _grid([tiles], [layer], limit, features)
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
            f"layer "
            "before and after training."
        )
    pair = [_tiles(first)[0], _tiles(second)[0]]
    change = float(np.linalg.norm(second - first) / (np.linalg.norm(first) or 1))
    figure = _grid(pair, [before, after], symmetric_limit(*pair), features)
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
    upper = axes.twiny()
    _mark_above(upper, features, len(norms))
    return figure


def channel_norms(layer: Any) -> Array:
    """Return the norm of the kernel of each input channel, `(in_channels,)`, over all groups together."""
    values = kernels(layer)
    if hasattr(layer, "depth_multiplier") and not hasattr(layer, "pointwise_kernel"):
        values = values.reshape(-1, layer.depth_multiplier, *values.shape[1:-1])
        norms: Array = np.sqrt((values**2).sum(axis=tuple(range(1, values.ndim))))
        return norms
    groups = int(getattr(layer, "groups", 1))
    parts = values.reshape(groups, -1, *values.shape[1:])
    norms = np.sqrt((parts**2).sum(axis=tuple(range(1, parts.ndim - 1))))
    return norms.ravel()


def _mark_above(axes: Any, features: FeatureKind | None, count: int) -> None:
    """Mark Hz above the channels, if they are frequencies."""
    from seqconv.inspection.pictures.scales import channel_frequencies

    frequencies = channel_frequencies(features)
    if frequencies is None or len(frequencies) != count:
        axes.set_axis_off()
        return
    ticks = [tick for tick in (250, 500, 1000, 2000, 4000, 8000) if frequencies[0] <= tick <= frequencies[-1]]
    axes.set_xlim(-0.6, count - 0.4)
    axes.set_xticks(np.interp(ticks, frequencies, np.arange(count)), [f"{tick:g} Hz" for tick in ticks])
    axes.spines[["top", "right"]].set_visible(False)


def _tiles(values: Array) -> tuple[Array, str]:
    """Return images `(tiles, rows, columns)`: rows are channels (or the first axis), columns are taps along time."""
    if values.ndim == 3:
        return values.transpose(0, 2, 1), f"{len(values)} filters"
    flat = values.reshape(*values.shape[:1], -1, *values.shape[-2:])
    if values.shape[-1] == 1:
        return flat[..., 0], f"{len(values)} filters"
    if values.shape[-1] <= _MOST_CHANNELS:
        tiles = flat.transpose(0, 3, 1, 2).reshape(-1, *flat.shape[1:3])
        return tiles, f"{len(values)} filters, their {values.shape[-1]} input channels one after the other"
    return np.linalg.norm(flat, axis=-1), f"{len(values)} filters, norms over {values.shape[-1]} input channels"


def _grid(groups: Sequence[Array], layers: Sequence[Any], limit: float, features: FeatureKind | None) -> Figure:
    """Draw groups of tiles side by side, one scale of colors for all."""
    count, rows, columns = groups[0].shape
    # Tall tiles stay narrow, so that taps can be told apart and all filters fit.
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
    for number, (tiles, layer) in enumerate(zip(groups, layers, strict=True)):
        part = grid[:, number * (across + 1) : number * (across + 1) + across]
        _draw_tiles(part, tiles, layer, _scale(groups, limit), features)
    scale = ScalarMappable(*_scale(groups, limit))
    figure.colorbar(scale, ax=list(grid.ravel()), shrink=0.6, aspect=30)
    return figure


def _scale(groups: Sequence[Array], limit: float) -> tuple[Normalize, str]:
    """Return colors around 0, or from 0 on for norms."""
    is_signed = any((tiles < 0).any() for tiles in groups)
    return (Normalize(-limit, limit), SIGNED) if is_signed else (Normalize(0, limit), POSITIVE)


def _draw_tiles(
    grid: Any, tiles: Array, layer: Any, scale: tuple[Normalize, str], features: FeatureKind | None
) -> None:
    _, rows, columns = tiles.shape
    is_time = len(windows_of(layer)) == 1
    places = _places(layer, columns, features) if is_time else np.arange(columns)
    half = (places[1] - places[0]) / 2 if columns > 1 else 0.5
    edges = (float(places[0] - half), float(places[-1] + half))
    extent = (*edges, -0.5, rows - 0.5) if is_time else (*edges, rows - 0.5, -0.5)
    for axes, tile in zip(grid.ravel(), tiles, strict=False):
        axes.set_axis_on()
        axes.imshow(
            tile, norm=scale[0], cmap=scale[1], origin="lower" if is_time else "upper", aspect="auto",
            extent=extent, interpolation="nearest",
        )  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
    _mark_corner(grid[-1, 0], rows, places, features, is_time=is_time)


def _places(layer: Any, columns: int, features: FeatureKind | None) -> Array:
    """Return the times of the taps, 0 at the frame of an output."""
    (window,) = windows_of(layer)
    return tap_times(columns, window.left, window.dilation, None if features is None else features.seconds_per_frame)


def _mark_corner(axes: Any, rows: int, places: Array, features: FeatureKind | None, *, is_time: bool) -> None:
    """Label the axes of one tile; they are the same for all."""
    if not is_time:
        axes.set(xlabel="width", ylabel="height")
        return
    seconds = None if features is None else features.seconds_per_frame
    axes.set_xticks(sorted({float(places[0]), float(places[-1])}))
    axes.tick_params(labelsize=7)
    axes.set_xlabel(time_label(seconds, is_short=True), fontsize=8)
    mark_channels(axes, features, rows)
    axes.yaxis.label.set_size(8)


def _draw_matrix(layer: Any, matrix: Array, features: FeatureKind | None, title: str | None) -> Figure:
    """Draw kernels of size 1: filters along one axis, input channels along the other."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes, limit = figure.subplots(), symmetric_limit(matrix)
    image = axes.imshow(
        matrix.T, cmap=SIGNED, vmin=-limit, vmax=limit, origin="lower", aspect="auto", interpolation="nearest"
    )
    axes.set_xlabel("filter")
    mark_channels(axes, features, matrix.shape[1])
    axes.set_title(title or f"{layer.name}: {len(matrix)} filters of size 1")
    figure.colorbar(image, ax=axes)
    return figure
