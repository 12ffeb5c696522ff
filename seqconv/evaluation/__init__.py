"""Evaluation: the scores of a model on labeled sequences, with intervals, by length and by slice."""

from seqconv.evaluation.deciding import Chosen, choose_decisions
from seqconv.evaluation.result import Evaluation
from seqconv.evaluation.scoring import evaluate

__all__ = ["Chosen", "Evaluation", "choose_decisions", "evaluate"]
