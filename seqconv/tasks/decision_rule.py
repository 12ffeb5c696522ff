"""From logits to what is said: the temperature of the probabilities, and from which of them on a label is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ModelError
from seqconv.metrics.thresholds import DEFAULT_THRESHOLD
from seqconv.tasks.outputs import logits_to_predictions, name_predictions
from seqconv.tasks.target import Target

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DecisionRule:
    """How a model decides, as its card says.

    `thresholds`: one for each label (multilabel); for two classes, one for the class that it gives and None for the
    other; None where nothing was chosen: 0.5, or the most probable class. `temperature`: logits are divided by it.

    >>> decisions = DecisionRule(Target("classification", ("fault", "fine")), thresholds=(0.2, None))
    >>> decisions.columns(decisions.probabilities(np.log([[0.3, 0.7], [0.1, 0.9]])))["prediction"]
    ['fault', 'fine']
    """

    target: Target
    thresholds: tuple[float | None, ...] | None = None
    temperature: float = 1.0

    @classmethod
    def from_card(cls, card: Mapping[str, Any], target: Target) -> "DecisionRule":
        """Read the decisions from the card of a model.

        Raises:
            ModelError: the card holds thresholds or a temperature that cannot be.
        """
        return cls(target, _read_thresholds(card, target), _read_temperature(card))

    def to_card(self) -> dict[str, Any]:
        """The entries of the card that say the same, whatever it said before."""
        thresholds = None if self.thresholds is None else list(self.thresholds)
        return {"thresholds": thresholds, "temperature": self.temperature}

    def probabilities(self, logits: npt.ArrayLike) -> FloatArray:
        """Probabilities, or the values of a regression, `(n, C)`; as `logits_to_predictions`."""
        if self.temperature == 1:
            return logits_to_predictions(self.target, logits)
        return logits_to_predictions(self.target, np.asarray(logits, np.float64) / self.temperature)

    def decide(self, probabilities: FloatArray) -> npt.NDArray[Any] | None:
        """Class numbers `(n,)`, or which labels are given, bool `(n, C)`; None for a regression."""
        if self.target.task == "regression":
            return None
        if self.target.task == "multilabel":
            thresholds = DEFAULT_THRESHOLD if self.thresholds is None else np.array(self.thresholds, np.float64)
            return np.asarray(probabilities >= thresholds)
        if self.thresholds is None:
            return np.asarray(probabilities.argmax(axis=1))
        place, threshold = next((i, value) for i, value in enumerate(self.thresholds) if value is not None)
        return np.where(probabilities[:, place] >= threshold, place, 1 - place)

    def columns(self, probabilities: FloatArray) -> dict[str, Any]:
        """Columns of a table: `prediction`, and `p_<name>` for each class; as `name_predictions`."""
        return name_predictions(self.target, probabilities, self.decide(probabilities))

    def by_name(self) -> dict[str, float]:
        """The thresholds that there are, by label."""
        pairs = zip(self.target.names, self.thresholds or (), strict=False)
        return {name: threshold for name, threshold in pairs if threshold is not None}


def _read_thresholds(card: Mapping[str, Any], target: Target) -> tuple[float | None, ...] | None:
    found = card.get("thresholds")
    if found is None or target.task == "regression":
        return None
    # One for all labels may stand alone.
    values = list(found) if isinstance(found, list | tuple) else [found] * target.num_outputs
    given = [value for value in values if value is not None]
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)
    wanted = target.num_outputs if target.task == "multilabel" else 1
    if len(values) != target.num_outputs or len(given) != wanted or not are_numbers:
        raise ModelError(
            f"the card of the model has thresholds {found!r:.80}; expected a number for each of {target.num_outputs} "
            "labels, or, of two classes, for the one that it gives"
        )
    return tuple(values)


def _read_temperature(card: Mapping[str, Any]) -> float:
    found = card.get("temperature", 1.0)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < np.inf:
        raise ModelError(f"the card of the model has the temperature {found!r:.40}; expected a number above 0")
    return float(found)
