"""Convolutions whose kernels are known."""

import numpy as np
from keras import layers

from seqconv.layers import MaskedConv1D, MaskedDepthwiseConv1D, MaskedSeparableConv1D

CASES = {
    "same, strided": (layers.Conv1D(6, 5, padding="same", strides=2, activation="relu"), 1, (6, 5, 4)),
    "causal": (layers.Conv1D(6, 4, padding="causal", dilation_rate=3, activation="softmax"), 1, (6, 4, 4)),
    "grouped": (layers.Conv1D(6, 3, groups=2), 1, (6, 3, 2)),
    "pointwise": (layers.Conv1D(6, 1, use_bias=False), 1, (6, 1, 4)),
    "two axes": (layers.Conv2D(6, (3, 4), padding="same", strides=2), 2, (6, 3, 4, 4)),
    "three axes": (layers.Conv3D(2, 2), 3, (2, 2, 2, 2, 4)),
    "depthwise": (layers.DepthwiseConv1D(3, depth_multiplier=2), 1, (8, 3, 1)),
    "depthwise, two axes": (layers.DepthwiseConv2D(3, depth_multiplier=2), 2, (8, 3, 3, 1)),
    "separable": (layers.SeparableConv1D(5, 3, depth_multiplier=2, padding="same"), 1, (5, 3, 4)),
    "separable, two axes": (layers.SeparableConv2D(5, 3, depth_multiplier=2), 2, (5, 3, 3, 4)),
    "transposed": (layers.Conv1DTranspose(5, 4, strides=2), 1, (5, 4, 4)),
    "transposed, same": (layers.Conv1DTranspose(5, 4, strides=3, padding="same"), 1, (5, 4, 4)),
    "transposed, gaps": (layers.Conv1DTranspose(5, 2, strides=3, padding="same"), 1, (5, 2, 4)),
    "transposed, two axes": (layers.Conv2DTranspose(5, 3, strides=2, padding="same"), 2, (5, 3, 3, 4)),
    "masked, grouped": (MaskedConv1D(6, 4, strides=3, groups=2), 1, (6, 4, 2)),
    "masked depthwise": (MaskedDepthwiseConv1D(4, strides=2, depth_multiplier=2), 1, (8, 4, 1)),
    "masked separable": (MaskedSeparableConv1D(5, 4, depth_multiplier=2, activation="tanh"), 1, (5, 4, 4)),
}


def built(layer, rank=1, channels=4):
    """A copy of the layer, built: the cases are shared among tests, in whichever process those run."""
    layer = type(layer).from_config(layer.get_config())
    layer.build((None, *(None,) * rank, channels))
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer
