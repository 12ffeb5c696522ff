"""Blocks of a model: each section builds its own layers. Those of a user's own derive from `Block`."""

# ruff: isort: skip_file
# ruff: noqa: F401 - all of them register themselves, also those that nobody imports from here.
# In this order messages and the JSON schema name them.
from seqconv.models.blocks.base import Block, FinishedBlock, LayerScope
from seqconv.models.blocks.convolution import ConvBlock, DepthwiseConvBlock, PoolBlock, SeparableConvBlock
from seqconv.models.blocks.residual import ResidualBlock, TCNBlock
from seqconv.models.blocks.inverted_bottleneck import ConvNeXtBlock, InvertedBottleneckBlock
from seqconv.models.blocks.inception import InceptionBlock
from seqconv.models.blocks.random_convolution import RandomConvolutionBlock
from seqconv.models.blocks.conformer import ConformerBlock
from seqconv.models.blocks.bands import BandsBlock, PooledBandsBlock
from seqconv.models.blocks.convolution_2d import Conv2DBlock, DepthwiseConv2DBlock, Pool2DBlock
from seqconv.models.blocks.residual_2d import BroadcastResidualBlock, Residual2DBlock
from seqconv.models.blocks.whole_sequence import (
    AttentionBlock,
    LengthBlock,
    RecurrentBlock,
    SqueezeExciteBlock,
    StandardizeBlock,
)

__all__ = ["Block", "ConvBlock", "FinishedBlock", "LayerScope"]
