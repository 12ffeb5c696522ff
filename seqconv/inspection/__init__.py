"""Inspection of a model: shapes, kernels, receptive fields, masks, effects of padding, and reasons of decisions."""

from seqconv.inspection.attribution import Contributions, contributions
from seqconv.inspection.auditing import Audit, audit
from seqconv.inspection.description import describe
from seqconv.inspection.explanation import Explanation, explain
from seqconv.inspection.kernels import kernels
from seqconv.inspection.table import Description, LayerRow

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
