"""Evaluation: the scores of a model on labeled sequences, with intervals, by length and by slice."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.evaluation.deciding import Chosen, choose_decisions
    from seqconv.evaluation.result import Evaluation
    from seqconv.evaluation.scoring import evaluate

_HOMES = {"Chosen": "deciding", "Evaluation": "result", "choose_decisions": "deciding", "evaluate": "scoring"}

__all__ = ["Chosen", "Evaluation", "choose_decisions", "evaluate"]


def __getattr__(name: str) -> Any:
    """Import on first use: what was scored is read and compared without Keras."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'seqconv.evaluation' has no attribute '{name}'")
    return getattr(import_module(f"seqconv.evaluation.{_HOMES[name]}"), name)
