"""Models: built from sections of a config, or loaded from a file."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seqconv.models.average_model import AverageModel
    from seqconv.models.blocks import Block
    from seqconv.models.factory import build_model, load_model
    from seqconv.models.layout_model import LayoutModel
    from seqconv.models.pooling_heads import PoolingHead
    from seqconv.models.sequence_model import SequenceModel

__all__ = ["AverageModel", "Block", "LayoutModel", "PoolingHead", "SequenceModel", "build_model", "load_model"]

# Names are imported on first use: sections are read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "average_model": ["AverageModel"],
        "blocks": ["Block"],
        "factory": ["build_model", "load_model"],
        "layout_model": ["LayoutModel"],
        "pooling_heads": ["PoolingHead"],
        "sequence_model": ["SequenceModel"],
    },
)
