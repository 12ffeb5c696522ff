"""Looking inside a model: shapes, kernels, receptive fields, masks, what padding does, and what decided."""

from seqconv.inspection.auditing import Audit, audit
from seqconv.inspection.contributions import Contributions, contributions
from seqconv.inspection.description import Description, LayerRow, describe
from seqconv.inspection.explanation import Explanation, explain
from seqconv.inspection.kernels import kernels

__all__ = [
    "Audit",
    "Contributions",
    "Description",
    "Explanation",
    "LayerRow",
    "audit",
    "contributions",
    "describe",
    "explain",
    "kernels",
]
