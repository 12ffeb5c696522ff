"""Models drawn at random from the whole config space: every block, norm, padding, stride, dilation and head."""

import keras
import numpy as np
from hypothesis import strategies as st

from seqconv.models import SequenceModel, build_model

NUM_FEATURES, NUM_OUTPUTS = 4, 3
ACTIVATIONS = ["relu", "gelu", "silu", "elu", "leaky_relu", "tanh", "sigmoid", "linear"]
NORMS = ["batch", "batch", "layer", "group", "instance", "none"]
POOLINGS = [
    "mean",
    "max",
    "last",
    "statistics",
    "log_sum_exp",
    "generalized_mean",
    "generalized_mean",
    {"type": "attentive_statistics", "units": 3},
    {"type": "attentive_statistics", "units": 3, "per_channel": True, "context": True},
    # Counts alone have no gradient, which Keras warns of where a block before them has something to learn.
    {"type": "thresholds", "thresholds": 2, "statistics": ["mean", "proportion", "mean_index", "spread", "longest"]},
]
FORMS = ["frames", "differences", "compressed", "smoothed", "standardized", "standardized_differences"]


@st.composite
def finish(draw, channels, fewest=None):
    """Normalization and activation that fit the channels, of which a normalization may get but `fewest`.

    The layer normalization of a single channel leaves a constant, and gradients that are rounding alone.
    """
    is_constant = (fewest or channels) == 1
    norm = draw(st.sampled_from([norm for norm in NORMS if not (is_constant and norm == "layer")]))
    groups = {"norm_groups": draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0]))}
    return {"norm": norm, "activation": draw(st.sampled_from(ACTIVATIONS)), **(groups if norm == "group" else {})}


@st.composite
def convolutions(draw, channels, paddings):
    strides = draw(st.integers(1, 3))
    time = {
        "kernel_size": draw(st.integers(1, 6)),
        "strides": strides,
        "dilation_rate": draw(st.integers(1, 4)) if strides == 1 else 1,
        "padding": draw(st.sampled_from(paddings)),
    }
    kind = draw(st.sampled_from(["conv", "conv", "conv", "depthwise_conv", "separable_conv"]))
    if kind == "depthwise_conv":
        multiplier = draw(st.integers(1, 2))
        channels *= multiplier
        return {"type": kind, "depth_multiplier": multiplier, **time, **draw(finish(channels))}, channels
    groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0])) if kind == "conv" else 1
    channels = groups * draw(st.integers(1, 3))
    block = {"type": kind, "filters": channels, **time, **draw(finish(channels))}
    block |= {"repeat": draw(st.integers(1, 2))} if groups == 1 else {"groups": groups}
    return block, channels


@st.composite
def residuals(draw, channels, paddings):
    strides = draw(st.integers(1, 2))
    filters = draw(st.sampled_from([channels, 4, 6]))
    is_pre = draw(st.booleans())
    block = {
        "type": "residual",
        "filters": filters,
        "kernel_sizes": draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)),
        "strides": strides,
        "dilation_rate": draw(st.integers(1, 3)) if strides == 1 else 1,
        "padding": draw(st.sampled_from(paddings)),
        "separable": draw(st.booleans()),
        "pre_activation": is_pre,
        "shortcut": draw(st.sampled_from(["auto", "conv"])),
        "squeeze_excite": draw(st.sampled_from([None, 2])),
        "repeat": draw(st.integers(1, 2)),
        **draw(finish(1 if is_pre else filters, min(channels, filters) if is_pre else filters)),
    }
    return block, filters


@st.composite
def tcns(draw, channels, paddings):
    filters = draw(st.sampled_from([channels, 4]))
    block = {
        "type": "tcn",
        "filters": filters,
        "kernel_size": draw(st.integers(1, 4)),
        "dilations": draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)),
        "padding": draw(st.sampled_from(paddings)),
        **draw(finish(filters)),
    }
    return block, filters


@st.composite
def convnexts(draw, channels, paddings):
    block = {
        "type": "convnext",
        "kernel_size": draw(st.integers(1, 7)),
        "expansion": draw(st.integers(1, 3)),
        "layer_scale": draw(st.sampled_from([None, 0.5])),
        "padding": draw(st.sampled_from(paddings)),
        "repeat": draw(st.integers(1, 2)),
    }
    return block, channels


@st.composite
def inverted_bottlenecks(draw, channels, paddings):
    filters, expansion = draw(st.sampled_from([channels, 4])), draw(st.integers(1, 3))
    block = {
        "type": "inverted_bottleneck",
        "filters": filters,
        "kernel_size": draw(st.integers(1, 5)),
        "strides": draw(st.integers(1, 2)),
        "expansion": expansion,
        "squeeze_excite": draw(st.sampled_from([None, 2])),
        "padding": draw(st.sampled_from(paddings)),
        **draw(finish(1, min(filters, expansion * channels))),
    }
    return block, filters


@st.composite
def inceptions(draw, channels, paddings):
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=3))
    filters = draw(st.integers(1, 2))
    outputs = filters * (len(sizes) + 1)
    block = {
        "type": "inception",
        "filters": filters,
        "kernel_sizes": sizes,
        "bottleneck": draw(st.sampled_from([None, 2])),
        "pool_size": draw(st.integers(1, 4)),
        "depth": draw(st.integers(1, 2)),
        "residual": draw(st.booleans()),
        "padding": draw(st.sampled_from(paddings)),
        **draw(finish(filters, outputs)),
    }
    return block, outputs


@st.composite
def random_convolutions(draw, channels, paddings):
    forms = draw(st.lists(st.sampled_from(FORMS), min_size=1, max_size=2, unique=True))
    dilations = draw(st.lists(st.integers(1, 9), min_size=1, max_size=2))
    # No gradient passes what is smoothed.
    keeps = draw(st.booleans()) or all(form.endswith("smoothed") for form in forms)
    padding = draw(st.sampled_from(paddings))
    block = {
        "type": "random_convolutions",
        "dilations": dilations,
        "inputs": forms,
        "keep_inputs": keeps,
        "padding": padding,
    }
    return block, 84 * len(forms) * len(dilations) + (channels if keeps else 0)


@st.composite
def poolings(draw, channels, paddings):
    kind = draw(st.sampled_from(["max_pool", "average_pool"]))
    padding = draw(st.sampled_from(paddings))
    strides = draw(st.sampled_from([None, 1, 2, 3]))
    return {"type": kind, "pool_size": draw(st.integers(1, 4)), "strides": strides, "padding": padding}, channels


@st.composite
def squeezes(draw, channels, paddings):
    return {"type": "squeeze_excite", "reduction": draw(st.integers(1, 3))}, channels


@st.composite
def lengths(draw, channels, paddings):
    return {"type": "length", "reference": draw(st.sampled_from([5, 20]))}, channels + 1


@st.composite
def attentions(draw, channels, paddings):
    options = {"key_dim": draw(st.integers(1, 3)), "feed_forward": draw(st.sampled_from([None, 5]))}
    return {"type": "attention", "num_heads": 2, **options}, channels


@st.composite
def conformers(draw, channels, paddings):
    block = {
        "type": "conformer",
        "num_heads": draw(st.sampled_from([heads for heads in (1, 2, 3) if channels % heads == 0])),
        "kernel_size": draw(st.integers(1, 7)),
        "expansion": draw(st.integers(1, 2)),
        "padding": draw(st.sampled_from(paddings)),
    }
    return block, channels


@st.composite
def recurrences(draw, channels, paddings):
    units, both = draw(st.integers(2, 3)), draw(st.booleans())
    kind = draw(st.sampled_from(["lstm", "gru"]))
    return {"type": kind, "units": units, "bidirectional": both}, units * (1 + both)


@st.composite
def pairs(draw, frames, bands):
    """A number for both, or one for time and one for bands."""
    of_time, of_bands = draw(st.integers(1, frames)), draw(st.integers(1, bands))
    return of_time if of_time == of_bands else [of_time, of_bands]


def of_bands(value) -> int:
    return value[1] if isinstance(value, list) else value


def most(value) -> int:
    return max(value) if isinstance(value, list) else value


@st.composite
def convolutions_2d(draw, channels, bands, paddings):
    kind = draw(st.sampled_from(["conv2d", "depthwise_conv2d"]))
    strides, size = draw(pairs(3, 2)), draw(pairs(5, 3))
    dilation = draw(pairs(3, 2)) if most(strides) == 1 else 1
    span = (of_bands(size) - 1) * of_bands(dilation) + 1
    is_whole = span > bands or draw(st.booleans())
    block = {
        "type": kind,
        "kernel_size": size,
        "strides": strides,
        "dilation_rate": dilation,
        "padding": draw(st.sampled_from(paddings)),
        "band_padding": "same" if is_whole else "valid",
    }
    bands = -(-(bands if is_whole else bands - span + 1) // of_bands(strides))
    if kind == "depthwise_conv2d":
        channels *= (multiplier := draw(st.integers(1, 2)))
        return block | {"depth_multiplier": multiplier, **draw(finish(channels))}, channels, bands
    groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0]))
    channels = groups * draw(st.integers(1, 3))
    repeat = draw(st.integers(1, 2)) if is_whole and groups == 1 else 1
    return block | {"filters": channels, "groups": groups, "repeat": repeat, **draw(finish(channels))}, channels, bands


@st.composite
def poolings_2d(draw, channels, bands, paddings):
    size = draw(pairs(4, bands))
    is_whole = draw(st.booleans())
    strides = draw(st.one_of(st.none(), pairs(3, 2)))
    block = {
        "type": draw(st.sampled_from(["max_pool2d", "average_pool2d"])),
        "pool_size": size,
        "strides": strides,
        "padding": draw(st.sampled_from([padding for padding in paddings if padding != "valid"])),
        "band_padding": "same" if is_whole else "valid",
    }
    reached = bands if is_whole else bands - of_bands(size) + 1
    return block, channels, -(-reached // of_bands(strides or size))


@st.composite
def residuals_2d(draw, channels, bands, paddings):
    strides, filters = draw(pairs(2, 2)), draw(st.sampled_from([channels, 4]))
    block = {
        "type": "residual2d",
        "filters": filters,
        "kernel_sizes": draw(st.lists(pairs(4, 3), min_size=1, max_size=2)),
        "strides": strides,
        "padding": draw(st.sampled_from([padding for padding in paddings if padding != "valid"])),
        "shortcut": draw(st.sampled_from(["auto", "conv"])),
        "squeeze_excite": draw(st.sampled_from([None, 2])),
        "repeat": draw(st.integers(1, 2)),
        **draw(finish(filters)),
    }
    return block, filters, -(-bands // of_bands(strides))


@st.composite
def broadcast_residuals(draw, channels, bands, paddings):
    filters, strides = draw(st.sampled_from([2, 4])), draw(st.integers(1, 2))
    block = {
        "type": "broadcast_residual",
        "filters": filters,
        "kernel_size": draw(pairs(4, 3)),
        "band_strides": strides,
        "dilation_rate": draw(st.integers(1, 3)),
        "padding": draw(st.sampled_from([padding for padding in paddings if padding != "valid"])),
        "repeat": draw(st.integers(1, 2)),
        **draw(finish(filters)),
    }
    return block, filters, -(-bands // strides)


@st.composite
def fronts(draw, channels, paddings, type_=None):
    """Blocks over time and bands, from the features to frames again; `type_`: of the first between these."""
    side_by_side = draw(st.sampled_from([c for c in (1, 1, 2) if channels % c == 0]))
    bands, channels = channels // side_by_side, side_by_side
    blocks = [{"type": "to_bands", "channels": side_by_side}]
    for _ in range(draw(st.integers(1, 3))):
        if type_ is not None and len(blocks) == 1:
            block, channels, bands = draw(of_type(OF_BANDS[type_](channels, bands, paddings), type_))
        else:
            kind = draw(st.sampled_from([convolutions_2d, poolings_2d, poolings_2d, residuals_2d, broadcast_residuals]))
            block, channels, bands = draw(kind(channels, bands, paddings))
        blocks.append(block)
    joined = draw(st.sampled_from(["mean", "max", "flatten"]))
    return [*blocks, {"type": "from_bands", "bands": joined}], channels * (bands if joined == "flatten" else 1)


ANYWHERE = [
    convolutions,
    convolutions,
    convolutions,
    poolings,
    residuals,
    tcns,
    convnexts,
    inverted_bottlenecks,
    inceptions,
    inceptions,
    random_convolutions,
    squeezes,
    lengths,
]
# Layers that need a whole sequence at once.
AT_ONCE = [attentions, recurrences, conformers]


# What draws a block of each type.
OF_TIME = {
    "conv": convolutions,
    "depthwise_conv": convolutions,
    "separable_conv": convolutions,
    "max_pool": poolings,
    "average_pool": poolings,
    "residual": residuals,
    "tcn": tcns,
    "convnext": convnexts,
    "inverted_bottleneck": inverted_bottlenecks,
    "inception": inceptions,
    "random_convolutions": random_convolutions,
    "squeeze_excite": squeezes,
    "length": lengths,
    "attention": attentions,
    "conformer": conformers,
    "lstm": recurrences,
    "gru": recurrences,
}
OF_BANDS = {
    "conv2d": convolutions_2d,
    "depthwise_conv2d": convolutions_2d,
    "max_pool2d": poolings_2d,
    "average_pool2d": poolings_2d,
    "residual2d": residuals_2d,
    "broadcast_residual": broadcast_residuals,
}


def of_type(blocks, type_):
    return blocks.filter(lambda drawn: drawn[0]["type"] == type_)


@st.composite
def model_configs(draw, chunkable: bool = False, most_blocks: int = 4, type_: str | None = None):
    """A model config; `chunkable`: without recurrent and attention layers; `type_`: of a block that it has to have."""
    blocks, channels = [], NUM_FEATURES
    predicts_frames = draw(st.sampled_from([False, False, False, True]))
    kept = ["same", "same", "causal"]
    # A front is two blocks at least.
    has_front = type_ in OF_BANDS if type_ else most_blocks > 1 and draw(st.sampled_from([False, False, True]))
    if has_front:
        blocks, channels = draw(fronts(channels, kept if predicts_frames else [*kept, "valid"], type_))
    elif type_ is not None:
        block, channels = draw(of_type(OF_TIME[type_](channels, kept), type_))
        blocks.append(block)
    for _ in range(draw(st.integers(0, most_blocks - 2) if has_front else st.integers(1, most_blocks))):
        kind = draw(st.sampled_from(ANYWHERE if chunkable else [*ANYWHERE, *AT_ONCE]))
        paddings = [*kept, "valid"] if kind is convolutions and not predicts_frames else kept
        block, channels = draw(kind(channels, paddings))
        blocks.append(block)
    pooling = "frames" if predicts_frames else draw(st.lists(st.sampled_from(POOLINGS), min_size=1, max_size=2))
    if isinstance(pooling, list) and len(pooling) == 2 and _type(pooling[0]) == _type(pooling[1]):
        pooling = pooling[:1]
    return {"blocks": blocks, "pooling": pooling, "dense_units": draw(st.sampled_from([[], [5]]))}


def _type(pooling) -> str:
    return pooling if isinstance(pooling, str) else pooling["type"]


def draw_model(config: dict, seed: int) -> SequenceModel:
    """A model with weights as after training: no zeros, no ones."""
    keras.utils.set_random_seed(seed)
    model = build_model(config, num_features=NUM_FEATURES, num_outputs=NUM_OUTPUTS)
    rng = np.random.default_rng(seed)
    model.set_weights([w + 0.3 * np.abs(rng.normal(size=w.shape)) for w in model.get_weights()])
    return model
