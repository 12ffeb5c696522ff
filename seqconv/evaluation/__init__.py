"""Evaluation: the scores of a model on labeled sequences, with intervals, by length and by slice."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seqconv.evaluation.result import Evaluation
    from seqconv.evaluation.scoring import evaluate
    from seqconv.evaluation.threshold_selection import Chosen, choose_decision_rule

__all__ = ["Chosen", "Evaluation", "choose_decision_rule", "evaluate"]

# Names are imported on first use: saved scores are read and compared without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "result": ["Evaluation"],
        "scoring": ["evaluate"],
        "threshold_selection": ["Chosen", "choose_decision_rule"],
    },
)
