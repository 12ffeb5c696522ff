"""Pictures of each layer's output for one recording, over time."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from seqconv.errors import ModelError, ShapeError
from seqconv.features import FeatureKind
from seqconv.inspection.effects import ATTENTION, POINTWISE, RECURRENT, follow_axes, kind_of, windows_of
from seqconv.inspection.graph import Call, Graph, read_graph
from seqconv.inspection.pictures.scales import POSITIVE, SIGNED, mark_channels, time_label
from seqconv.layers.base import contract_of

Array = npt.NDArray[Any]


def activations(model: Any, features: Array) -> dict[str, tuple[Array, int]]:
    """Return the output of each layer that looks at neighbors, after its activation, and the stride there.

    Args:
        features: one sequence `(time, num_features)`.

    Returns:
        `{name: (values (time, channels), stride)}`, in the order of the calls.

    Raises:
        ModelError: the model holds another one, or has no layer over time.
        ShapeError: the features are not one sequence.
    """
    import keras
    from keras import ops

    features = np.asarray(features, np.float32)
    if features.ndim != 2:
        raise ShapeError(f"expected one sequence (time, num_features), got an array of shape {features.shape}.")
    graph = read_graph(model)
    axes = follow_axes(graph)
    ends = {call.name: _behind(call, graph) for call in graph.calls if _looks_around(call)}
    ends = {name: tensor for name, tensor in ends.items() if len(axes[tensor]) == 1}
    if not ends:
        raise ModelError(f"model '{model.name}' has no layer over time, so there is nothing to draw over time.")
    try:
        tensors = [graph.tensors[tensor] for tensor in ends.values()]
        run = keras.Model(graph.tensors[graph.inputs[0]], tensors)
    except ValueError as error:
        raise ModelError(f"model '{model.name}' holds another model; draw its parts one by one. ({error})") from error
    outputs = run(features[None], training=False)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return {
        name: (np.asarray(ops.convert_to_numpy(ops.cast(values, "float32")))[0], int(axes[tensor][0].stride) or 1)
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
    seconds = None if settings is None else settings.seconds_per_frame
    figure = Figure(figsize=(10, 1.9 * (len(chosen) + 1)), layout="constrained")
    panels = figure.subplots(len(chosen) + 1, 1, sharex=True)
    draw_features(panels[0], features, settings)
    panels[0].set_title(title or "input")
    for axes, name in zip(panels[1:], chosen, strict=True):
        values, stride = found[name]
        is_signed = bool((values < 0).any())
        limit = float(np.abs(values).max()) or 1.0
        image = axes.imshow(
            values.T, cmap=SIGNED if is_signed else POSITIVE, vmin=-limit if is_signed else 0, vmax=limit,
            origin="lower", aspect="auto", interpolation="nearest", extent=time_extent(len(values), stride, seconds,
            values.shape[1]),
        )  # fmt: skip
        axes.set_ylabel("channel")
        axes.set_title(
            f"{name}: {values.shape[1]} channels" + (f", stride {stride}" if stride > 1 else ""), fontsize=10
        )
        figure.colorbar(image, ax=axes, pad=0.01)
    panels[-1].set_xlabel(time_label(seconds))
    return figure


def draw_features(axes: Any, features: Array, settings: FeatureKind | None) -> Any:
    """Draw a sequence as an image, in seconds and Hz if they are known; return the image."""
    seconds = None if settings is None else settings.seconds_per_frame
    low, high = np.percentile(features, [2, 99.5])
    image = axes.imshow(
        np.asarray(features).T, cmap=POSITIVE, vmin=low, vmax=max(high, low + 1e-6), origin="lower", aspect="auto",
        interpolation="nearest", extent=time_extent(len(features), 1, seconds, np.shape(features)[1]),
    )  # fmt: skip
    mark_channels(axes, settings, np.shape(features)[1])
    return image


def time_extent(count: int, stride: int, seconds: float | None, rows: int) -> tuple[float, float, float, float]:
    """Return the edges of an image whose column p shows input frame `p * stride`."""
    unit = 1.0 if seconds is None else seconds
    return (-0.5 * unit, (count * stride - 0.5) * unit, -0.5, rows - 0.5)


def _looks_around(call: Call) -> bool:
    kind = kind_of(call.layer)
    return bool(windows_of(call.layer)) or kind in (*RECURRENT, *ATTENTION) or not contract_of(call.layer).chunkable


def _behind(call: Call, graph: Graph) -> int:
    """Return the tensor after normalization, activation and dropout that follow a layer."""
    tensor = call.outputs[0]
    while True:
        consumers = graph.consumers(tensor)
        if len(consumers) != 1 or kind_of(consumers[0].layer) not in POINTWISE or len(consumers[0].inputs) > 1:
            return tensor
        if kind_of(consumers[0].layer) in ("Dense", "TimeDistributed"):
            return tensor
        tensor = consumers[0].outputs[0]
