"""The model factory."""

from seqconv.models.factory import build_model, load_model
from seqconv.models.sequence_model import SequenceModel

__all__ = ["SequenceModel", "build_model", "load_model"]
