"""Scores by name: how each is called in a table, and whether more of it is better."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from seqconv.metrics.checks import Scores, plain
from seqconv.parts import Registry, register


class Metric:
    """Base of a score of your own, which runs of `tasks` then report and may monitor.

    Attributes:
        name: its key in `metrics.json`; `val_<name>` in the history of a run.
        label: how tables call it; default: the name.
        larger_is_better: False for errors and losses.
        tasks: names of the tasks that it scores.
        version: raise it when results change.

    >>> class Brier(Metric):
    ...     name, larger_is_better, tasks = "brier", False, ("classification",)
    ...
    ...     def compute(self, targets, predictions, names):
    ...         return float(((predictions - targets) ** 2).sum(axis=1).mean())
    >>> Brier().compute(np.eye(2), np.eye(2), ("a", "b"))  # register(Brier) makes it known to runs
    0.0
    """

    registry: ClassVar[Registry[Any]] = Registry("metric", "name")
    name: str
    label: str = ""
    larger_is_better: bool = True
    tasks: tuple[str, ...] = ()
    version: int = 1

    def compute(self, targets: npt.NDArray[Any], predictions: npt.NDArray[Any], names: tuple[str, ...]) -> float | None:
        """Score predictions.

        Args:
            targets: one-hot rows, 0/1 rows (NaN where a label is missing) or values, `(n, ...)`.
            predictions: probabilities or values `(n, ...)`.
            names: classes or columns.

        Returns:
            None where the score is undefined.
        """
        raise NotImplementedError(f"metric '{self.name}' has no method compute(targets, predictions, names)")


@dataclass(frozen=True)
class Score(Metric):
    """A score that the functions of this room compute together with others."""

    name: str
    label: str = ""
    larger_is_better: bool = True


for _score in (
    Score("accuracy"), Score("balanced_accuracy"), Score("macro_f1", "macro F1"), Score("micro_f1", "micro F1"),
    Score("f1", "F1"), Score("precision"), Score("recall"), Score("auc", "AUC"), Score("macro_auc", "macro AUC"),
    Score("micro_auc", "micro AUC"), Score("average_precision"), Score("map", "mAP"), Score("micro_map", "micro mAP"),
    Score("segment_f1", "segment F1"), Score("segment_macro_f1", "segment macro F1"), Score("event_f1", "event F1"),
    Score("event_macro_f1", "event macro F1"), Score("r2", "R2"), Score("spearman", "Spearman"),
    Score("token_error_rate", larger_is_better=False), Score("word_error_rate", larger_is_better=False),
    Score("character_error_rate", larger_is_better=False), Score("sequence_accuracy"),
    Score("loss", larger_is_better=False), Score("log_loss", larger_is_better=False),
    Score("calibration_error", larger_is_better=False), Score("mae", "MAE", larger_is_better=False),
    Score("rmse", "RMSE", larger_is_better=False),
):  # fmt: skip
    register(_score)


def score_label(name: str) -> str:
    """Return how a score is called in a table.

    >>> score_label("macro_f1"), score_label("log_loss")
    ('macro F1', 'log loss')
    """
    known = Metric.registry[name].label if name in Metric.registry else ""
    return known or name.replace("_", " ")


def larger_is_better(name: str) -> bool:
    """Return whether more of a score is better; of an unknown one, it is."""
    return name not in Metric.registry or bool(Metric.registry[name].larger_is_better)


def metrics_of(task: str) -> list[Metric]:
    """Return the registered metrics that score a task."""
    found = [part() if isinstance(part, type) else part for part in Metric.registry.values()]
    return [metric for metric in found if task in metric.tasks]


def _are_finite(predictions: npt.NDArray[Any]) -> bool:
    # Of tokens, each prediction is an array of its own.
    return all(map(_are_finite, predictions)) if predictions.dtype == object else bool(np.isfinite(predictions).all())


def add_metrics(
    scores: Scores, task: str, targets: npt.NDArray[Any], predictions: npt.NDArray[Any], names: tuple[str, ...]
) -> Scores:
    """Add the registered metrics of a task to its own scores."""
    for metric in metrics_of(task):
        found = metric.compute(targets, predictions, names) if _are_finite(predictions) else None
        scores[metric.name] = None if found is None else plain(found)
        if scores[metric.name] is None:
            scores["notes"][metric.name] = "it is undefined for these labels and predictions"
    return scores
