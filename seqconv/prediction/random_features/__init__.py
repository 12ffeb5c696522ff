"""Random convolutions on a CPU: what the graph of a model returns, computed by compiled kernels."""

from seqconv.prediction.random_features.features import NotFiniteError, RandomFeatures, answer, qualifies

__all__ = ["NotFiniteError", "RandomFeatures", "answer", "qualifies"]
