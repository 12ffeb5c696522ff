"""Evaluation: the scores of a model on labeled sequences, with intervals, by length and by slice."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.evaluation.result import Evaluation
    from seqconv.evaluation.scoring import evaluate
    from seqconv.evaluation.threshold_selection import Chosen, choose_decision_rule

__all__ = ["Chosen", "Evaluation", "choose_decision_rule", "evaluate"]


def __getattr__(name: str) -> Any:
    """Import names on first use: saved scores are read and compared without Keras."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.evaluation' has no attribute '{name}'")
    if name == "Evaluation":
        from seqconv.evaluation import result

        return getattr(result, name)
    if name == "evaluate":
        from seqconv.evaluation import scoring

        return getattr(scoring, name)
    from seqconv.evaluation import threshold_selection

    return getattr(threshold_selection, name)
