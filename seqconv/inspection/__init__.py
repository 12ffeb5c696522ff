"""Looking inside a model: shapes, kernels, receptive fields, masks, what padding does, and what decided."""

from seqconv.inspection.attribution import Contributions, contributions
from seqconv.inspection.audit_report import Audit
from seqconv.inspection.auditing import audit
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
