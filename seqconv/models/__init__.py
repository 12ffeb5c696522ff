"""Models: built from sections of a config, or loaded from a file."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.models.blocks import Block
    from seqconv.models.factory import build_model, load_model
    from seqconv.models.pooling_heads import PoolingHead
    from seqconv.models.sequence_model import SequenceModel

__all__ = ["Block", "PoolingHead", "SequenceModel", "build_model", "load_model"]


def __getattr__(name: str) -> Any:
    """Import names on first use: sections are read without Keras."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.models' has no attribute '{name}'")
    if name == "Block":
        from seqconv.models import blocks

        return blocks.Block
    if name == "PoolingHead":
        from seqconv.models import pooling_heads

        return pooling_heads.PoolingHead
    if name in ("build_model", "load_model"):
        from seqconv.models import factory

        return getattr(factory, name)
    from seqconv.models import sequence_model

    return getattr(sequence_model, name)
