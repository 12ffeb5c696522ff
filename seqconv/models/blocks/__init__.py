"""Blocks of a model: each section builds its own layers. Those of a user's own derive from `Block`."""

# ruff: isort: skip_file
# In this order messages and the JSON schema name them.
from seqconv.models.blocks.base import Block, FinishedBlock, LayerScope
from seqconv.models.blocks.convolution import ConvBlock, DepthwiseConvBlock, SeparableConvBlock
from seqconv.models.blocks.pooling import PoolBlock
from seqconv.models.blocks.residual import ResidualBlock, TCNBlock
from seqconv.models.blocks.convnext import ConvNeXtBlock
from seqconv.models.blocks.inverted_bottleneck import InvertedBottleneckBlock
from seqconv.models.blocks.inception import InceptionBlock
from seqconv.models.blocks.whole_sequence import LengthBlock, SqueezeExciteBlock
from seqconv.models.blocks.recurrent import RecurrentBlock
from seqconv.models.blocks.attention import AttentionBlock

__all__ = [
    "AttentionBlock",
    "Block",
    "ConvBlock",
    "ConvNeXtBlock",
    "DepthwiseConvBlock",
    "FinishedBlock",
    "InceptionBlock",
    "InvertedBottleneckBlock",
    "LayerScope",
    "LengthBlock",
    "PoolBlock",
    "RecurrentBlock",
    "ResidualBlock",
    "SeparableConvBlock",
    "SqueezeExciteBlock",
    "TCNBlock",
]
