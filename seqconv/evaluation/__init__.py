"""Evaluation: the scores of a model on labeled sequences, with intervals, by length and by slice."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.evaluation.result import Evaluation
    from seqconv.evaluation.scoring import evaluate
    from seqconv.evaluation.threshold_selection import Chosen, choose_decision_rule

_HOMES = {
    "Chosen": "threshold_selection",
    "Evaluation": "result",
    "choose_decision_rule": "threshold_selection",
    "evaluate": "scoring",
}

__all__ = ["Chosen", "Evaluation", "choose_decision_rule", "evaluate"]


def __getattr__(name: str) -> Any:
    """Import names on first use: saved scores are read and compared without Keras."""
    if name not in _HOMES:
        raise AttributeError(f"module 'seqconv.evaluation' has no attribute '{name}'")
    return getattr(import_module(f"seqconv.evaluation.{_HOMES[name]}"), name)
