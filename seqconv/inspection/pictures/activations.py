"""Pictures of one recording over time: each layer's output, and contributions to a decision."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from seqconv.errors import ModelError
from seqconv.features import FeatureKind
from seqconv.inspection.attribution import Contributions, as_sequence
from seqconv.inspection.effects import ATTENTION, POINTWISE, RECURRENT, Axes, follow_axes, kind_of, windows_of
from seqconv.inspection.graph import Call, Graph, read_graph, run_until
from seqconv.inspection.pictures import scales
from seqconv.layers.base import contract_of
from seqconv.layers.reduction import as_double
from seqconv.layers.shares import Array
from seqconv.models.stock import answers_any_length

FOR, AGAINST = "#b2182b", "#2166ac"


def activations(model: Any, features: Array) -> dict[str, tuple[Array, int]]:
    """Return the output of each layer that looks at neighbors, after its activation, and the stride there.

    Args:
        features: one sequence `(time, num_features)`.

    Returns:
        `{name: (values (time, channels), stride)}`, in the order of the calls; of frames with bands, the bands of the
        first channel, then those of the second, and so on.

    Raises:
        ModelError: the model holds another one, or has no layer over time.
        ShapeError, ManifestError: the features are not one sequence that the model can take.
    """
    features, graph = as_sequence(model, features), read_graph(model, is_open=answers_any_length(model))
    axes = follow_axes(graph)
    ends = {call.name: _behind(call, graph) for call in graph.calls if _looks_around(call)}
    ends = {name: tensor for name, tensor in ends.items() if _is_over_time(axes[tensor])}
    if not ends:
        raise ModelError(f"model '{model.name}' has no layer over time, so there is nothing to draw over time.")
    outputs = run_until(model, graph, list(ends.values()), features)
    return {
        name: (_with_bands_side_by_side(as_double(values)[0]), int(axes[tensor][0].stride) or 1)
        for (name, tensor), values in zip(ends.items(), outputs, strict=True)
    }


def draw_activations(
    model: Any, features: Array, settings: FeatureKind | None = None, *, title: str = "", most: int = 10
) -> Figure:
    """Draw the features of one recording, and below them the output of each layer, over the same time.

    Args:
        features: one sequence `(time, num_features)`.
        settings: what they were computed with, for axes in seconds and Hz.
        most: panels at most; the first and the last layers are among them.
    """
    found = activations(model, features)
    chosen = [list(found)[i] for i in np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).astype(int))]
    figure = Figure(figsize=(10, 1.9 * (len(chosen) + 1)), layout="constrained")
    panels = figure.subplots(len(chosen) + 1, 1, sharex=True)
    draw_features(panels[0], features, settings)
    panels[0].set_title(title or "input")
    for axes, name in zip(panels[1:], chosen, strict=True):
        values, stride = found[name]
        extent = _extent(values, stride, settings)
        image = scales.draw_image(axes, values.T, **scales.color_scale(values), extent=extent)
        axes.set_ylabel("channel")
        stride_text = f", stride {stride}" if stride > 1 else ""
        axes.set_title(f"{name}: {values.shape[1]} values a frame{stride_text}", fontsize=10)
        figure.colorbar(image, ax=axes, pad=0.01)
    panels[-1].set_xlabel(_time_label(settings))
    return figure


def draw_contributions(
    found: Contributions, features: Array, settings: FeatureKind | None = None, *, title: str = ""
) -> Figure:
    """Draw the features of a recording, and under them what each frame adds to the logit.

    Args:
        found: what `contributions` returned.
        features: the sequence `(time, num_features)`.
        settings: what they were computed with, for axes in seconds and Hz.
        title: what recording this is.
    """
    figure = Figure(figsize=(10, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1.3])
    edges = draw_features(upper, features, settings)
    upper.set_title(title or "features")
    colors = np.where(found.frames >= 0, FOR, AGAINST).tolist()
    times = found.positions * (scales.seconds_of(settings) or 1.0)
    # As wide as frames are, and in long recordings wide enough to be seen.
    lower.vlines(times, 0, found.frames, colors=colors, linewidth=max(1.2, 600 / len(found.frames)))
    lower.axhline(0, color="0.4", linewidth=0.8)
    lower.set(xlim=edges, xlabel=_time_label(settings), ylabel="adds to the logit")
    lower.spines[["top", "right"]].set_visible(False)
    sign = "+" if found.bias >= 0 else "-"
    lower.set_title(
        f"'{found.label}': {found.frames.sum():.2f} from frames {sign} {abs(found.bias):.2f} bias = logit "
        f"{found.logit:.2f} ({'exact' if found.is_exact else 'shared out by a rule'})",
        fontsize=10,
    )
    return figure


def draw_features(axes: Any, features: Any, settings: FeatureKind | None) -> tuple[float, float]:
    """Draw a sequence as an image, in seconds and Hz if they are known; return the times of its left and right edge."""
    values = np.asarray(features)
    low, high = np.percentile(values, [2, 99.5])
    extent = _extent(values, 1, settings)
    scales.draw_image(axes, values.T, cmap=scales.POSITIVE, vmin=low, vmax=max(high, low + 1e-6), extent=extent)
    scales.mark_channels(axes, settings, values.shape[1])
    return extent[:2]


def _extent(values: Array, stride: int, settings: FeatureKind | None) -> tuple[float, float, float, float]:
    """Return the edges of an image of `(time, channels)` in which row p stands for input frame `p * stride`."""
    unit = scales.seconds_of(settings) or 1.0
    return (-0.5 * unit, (len(values) * stride - 0.5) * unit, -0.5, values.shape[1] - 0.5)


def _time_label(settings: FeatureKind | None) -> str:
    return "frames" if scales.seconds_of(settings) is None else "seconds"


def _is_over_time(axes: Axes) -> bool:
    """Whether a tensor is `(time, channels)` or `(time, bands, channels)`, with as many bands always."""
    return len(axes) in (1, 2) and [axis.length.is_free for axis in axes] in ([True], [True, False])


def _with_bands_side_by_side(values: Array) -> Array:
    return values if values.ndim == 2 else values.swapaxes(1, 2).reshape(len(values), -1)


def _looks_around(call: Call) -> bool:
    kind = kind_of(call.layer)
    return bool(windows_of(call.layer)) or kind in (*RECURRENT, *ATTENTION) or not contract_of(call.layer).chunkable


def _behind(call: Call, graph: Graph) -> int:
    """Return the tensor after normalization, activation and dropout that follow a layer."""
    follows = {*POINTWISE} - {"Dense", "TimeDistributed"}
    while True:
        users = graph.consumers(call.outputs[0])
        if len(users) != 1 or len(users[0].inputs) > 1 or kind_of(users[0].layer) not in follows:
            return call.outputs[0]
        call = users[0]
