"""Models: built from sections of a config, or loaded from a file."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.models.blocks import Block
    from seqconv.models.factory import build_model, load_model
    from seqconv.models.pooling_heads import PoolingHead
    from seqconv.models.sequence_model import SequenceModel

__all__ = ["Block", "PoolingHead", "SequenceModel", "build_model", "load_model"]
_MODULES = {"Block": "blocks", "PoolingHead": "pooling_heads", "SequenceModel": "sequence_model"}


def __getattr__(name: str) -> Any:
    """Import names on first use: sections are read without Keras."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.models' has no attribute '{name}'")
    return getattr(import_module(f"seqconv.models.{_MODULES.get(name, 'factory')}"), name)
