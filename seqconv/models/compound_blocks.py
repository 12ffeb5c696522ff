"""Blocks with branches: residual families and Inception."""

from collections.abc import Callable
from typing import Any

from seqconv.layers import (
    LayerScale,
    MaskedConv1D,
    MaskedDepthwiseConv1D,
    MaskedLayerNormalization,
    MaskedMaxPooling1D,
    MaskedSeparableConv1D,
)
from seqconv.models.block_parts import (
    LayerScope,
    initializer_for,
    make_activation,
    make_branch_end,
    make_dropout,
    make_dropouts,
    make_finish,
    make_norm,
    make_pointwise,
)
from seqconv.models.blocks import Built
from seqconv.models.compound_settings import (
    ConvNeXtBlock,
    InceptionBlock,
    InvertedBottleneckBlock,
    ResidualBlock,
    TCNBlock,
)
from seqconv.models.trunk import Nodes, Parallel, Residual


def build_residual(block: ResidualBlock, channels: int, place: LayerScope) -> Built:
    """`repeat` residual blocks."""
    return _repeat(block, channels, place, _residual)


def _residual(block: ResidualBlock, channels: int, strides: int, place: LayerScope) -> Built:
    body: Nodes = ()
    inputs, last = channels, len(block.kernel_sizes) - 1
    for index, kernel_size in enumerate(block.kernel_sizes):
        spot = place.inside(f"body{index}")
        convolution = _body_convolution(block, kernel_size, strides if index == 0 else 1, spot)
        if block.pre_activation:
            body += (*make_norm(block, inputs, spot), *make_activation(block.activation, spot), convolution)
            body += make_dropouts(block, spot)
        elif index < last:
            body += (convolution, *make_finish(block, block.filters, spot))
        else:
            body += (convolution, *make_norm(block, block.filters, spot))
        inputs = block.filters
    body += make_branch_end(block, place)
    nodes: Nodes = (Residual(body, _shortcut(block, channels, strides, place.inside("shortcut"))),)
    if not block.pre_activation:
        nodes += make_activation(block.activation, place) + make_dropouts(block, place)
    return nodes, block.filters


def _body_convolution(block: ResidualBlock, kernel_size: int, strides: int, place: LayerScope) -> Any:
    options = {
        "strides": strides,
        "dilation_rate": block.dilation_rate,
        "padding": block.padding,
        # Normalized afterwards, where the offset of the normalization takes its place.
        "use_bias": block.norm == "none" or block.pre_activation,
        **place.options("conv"),
    }
    initializer = initializer_for(block.activation)
    if block.separable:
        options |= {"depthwise_initializer": initializer, "pointwise_initializer": initializer}
        return MaskedSeparableConv1D(block.filters, kernel_size, **options)
    return MaskedConv1D(block.filters, kernel_size, kernel_initializer=initializer, **options)


def _shortcut(block: Any, channels: int, strides: int, place: LayerScope) -> Nodes:
    is_needed = channels != block.filters or strides > 1 or getattr(block, "shortcut", "auto") == "conv"
    if not is_needed:
        return ()
    is_bare = getattr(block, "pre_activation", False)
    convolution = make_pointwise(block.filters, place, strides=strides, use_bias=is_bare or block.norm == "none")
    return (convolution,) if is_bare else (convolution, *make_norm(block, block.filters, place))


def build_tcn(block: TCNBlock, channels: int, place: LayerScope) -> Built:
    """A residual pair of convolutions for each dilation."""
    nodes: Nodes = ()
    for index, dilation in enumerate(block.dilations):
        spot = place.inside(str(index))
        body: Nodes = ()
        for half in range(2):
            corner = spot.inside(f"body{half}")
            convolution = MaskedConv1D(
                block.filters,
                block.kernel_size,
                dilation_rate=dilation,
                padding=block.padding,
                use_bias=block.norm == "none",
                kernel_initializer=initializer_for(block.activation),
                **corner.options("conv"),
            )
            body += (convolution, *make_finish(block, block.filters, corner))
        shortcut: Nodes = ()
        if channels != block.filters:
            shortcut = (make_pointwise(block.filters, spot.inside("shortcut")),)
        nodes += (Residual(body + make_branch_end(block, spot), shortcut), *make_activation(block.activation, spot))
        channels = block.filters
    return nodes, channels


def build_convnext(block: ConvNeXtBlock, channels: int, place: LayerScope) -> Built:
    """Depthwise convolution, then wide and narrow pointwise ones, `repeat` times."""
    nodes: Nodes = ()
    for copy in range(block.repeat):
        spot = place if block.repeat == 1 else place.inside(str(copy))
        body: Nodes = (
            MaskedDepthwiseConv1D(block.kernel_size, padding=block.padding, **spot.options("conv")),
            MaskedLayerNormalization(epsilon=1e-6, **spot.options("norm")),
            make_pointwise(block.expansion * channels, spot, part="wide"),
            *make_activation("gelu", spot),
            make_pointwise(channels, spot, part="narrow"),
        )
        if block.layer_scale is not None:
            body += (LayerScale(block.layer_scale, **spot.options("scale")),)
        nodes += (Residual(body + make_dropout(block.dropout, spot) + make_branch_end(block, spot)),)
    return nodes, channels


def build_inverted_bottleneck(block: InvertedBottleneckBlock, channels: int, place: LayerScope) -> Built:
    """`repeat` inverted bottlenecks."""
    return _repeat(block, channels, place, _inverted_bottleneck)


def _inverted_bottleneck(block: InvertedBottleneckBlock, channels: int, strides: int, place: LayerScope) -> Built:
    wide, initializer = block.expansion * channels, initializer_for(block.activation)
    has_bias = block.norm == "none"
    depthwise = MaskedDepthwiseConv1D(
        block.kernel_size,
        strides=strides,
        padding=block.padding,
        use_bias=has_bias,
        depthwise_initializer=initializer,
        **place.options("conv"),
    )
    expand, reduce = place.inside("expand"), place.inside("reduce")
    body: Nodes = (
        make_pointwise(wide, expand, use_bias=has_bias, kernel_initializer=initializer),
        *make_norm(block, wide, expand),
        *make_activation(block.activation, expand),
        depthwise,
        *make_finish(block, wide, place),
    )
    if block.squeeze_excite:
        body += make_branch_end(block.model_copy(update={"stochastic_depth": 0.0}), place)
    body += (make_pointwise(block.filters, reduce, use_bias=has_bias), *make_norm(block, block.filters, reduce))
    if strides > 1 or channels != block.filters:
        return body, block.filters
    return (Residual(body + make_branch_end(block.model_copy(update={"squeeze_excite": None}), place)),), channels


def build_inception(block: InceptionBlock, channels: int, place: LayerScope) -> Built:
    """Modules of parallel convolutions, with a shortcut around `depth` of them, `repeat` times."""
    nodes: Nodes = ()
    for copy in range(block.repeat):
        spot = place if block.repeat == 1 else place.inside(str(copy))
        body: Nodes = ()
        inputs, outputs = channels, block.filters * (len(block.kernel_sizes) + 1)
        for index in range(block.depth):
            corner = spot.inside(f"module{index}")
            body += (_module(block, corner), *make_norm(block, outputs, corner))
            if index < block.depth - 1 or not block.residual:
                body += make_activation(block.activation, corner) + make_dropouts(block, corner)
        channels = outputs
        if not block.residual:
            nodes += body
            continue
        shortcut: Nodes = ()
        if inputs != outputs:
            corner = spot.inside("shortcut")
            convolution = make_pointwise(outputs, corner, use_bias=block.norm == "none")
            shortcut = (convolution, *make_norm(block, outputs, corner))
        nodes += (Residual(body, shortcut), *make_activation(block.activation, spot), *make_dropouts(block, spot))
    return nodes, channels


def _module(block: InceptionBlock, place: LayerScope) -> Parallel:
    options: dict[str, Any] = {
        "use_bias": block.norm == "none",
        "kernel_initializer": initializer_for(block.activation),
    }
    convolutions: tuple[Nodes, ...] = tuple(
        (MaskedConv1D(block.filters, size, padding=block.padding, **options, **place.options(f"conv{index}")),)
        for index, size in enumerate(block.kernel_sizes)
    )
    pool = MaskedMaxPooling1D(block.pool_size, strides=1, padding=block.padding, **place.options("max_pool"))
    pooled: Nodes = (pool, make_pointwise(block.filters, place, part="pooled", **options))
    if block.bottleneck is None:
        return Parallel((*convolutions, pooled))
    bottleneck = make_pointwise(block.bottleneck, place, part="bottleneck", use_bias=False)
    return Parallel(((bottleneck, Parallel(convolutions)), pooled))


def _repeat(block: Any, channels: int, place: LayerScope, build: Callable[[Any, int, int, LayerScope], Built]) -> Built:
    """Copies of a block, of which only the first takes the stride."""
    nodes: Nodes = ()
    for copy in range(block.repeat):
        spot = place if block.repeat == 1 else place.inside(str(copy))
        added, channels = build(block, channels, block.strides if copy == 0 else 1, spot)
        nodes += added
    return nodes, channels
