"""Decisions from logits: the temperature of the probabilities, and the thresholds from which a label is given."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ModelError
from seqconv.tasks.target import Target

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DecisionRule:
    """The decision rule of a model, as its card has it.

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
    def read(cls, target: Target, thresholds: Any, temperature: Any) -> "DecisionRule":
        """Read what the card of a model says.

        Raises:
            ModelError: thresholds or a temperature that cannot be.
        """
        written = list(thresholds) if isinstance(thresholds, tuple) else thresholds
        return cls(target, target.definition.read_thresholds(target, written), _read_temperature(temperature))

    def probabilities(self, logits: npt.ArrayLike) -> FloatArray:
        """Compute probabilities, or the values of a regression, `(n, C)`.

        Raises:
            ModelError: the model has another number of outputs than the target.
        """
        scaled = logits if self.temperature == 1 else np.asarray(logits, np.float64) / self.temperature
        return self.target.definition.predictions(self.target, scaled)

    def decide(self, probabilities: FloatArray) -> npt.NDArray[Any] | None:
        """Return class numbers `(n,)`, or which labels are given, bool `(n, C)`; None for a regression."""
        return self.target.definition.decide(probabilities, self.thresholds)

    def hits(self, probabilities: FloatArray, threshold: float | None = None) -> npt.NDArray[np.bool_]:
        """Return the classes that are given, `(n, C)`, with at least the probability `threshold`, if there is one."""
        return self.target.definition.hits(probabilities, self.decide(probabilities), threshold)

    def columns(self, probabilities: FloatArray) -> dict[str, Any]:
        """Return columns of a table: `prediction`, and `p_<name>` for each class."""
        return self.target.definition.prediction_columns(self.target, probabilities, self.decide(probabilities))

    def by_name(self) -> dict[str, float]:
        """Return the thresholds that there are, by label."""
        pairs = zip(self.target.names, self.thresholds or (), strict=False)
        return {name: threshold for name, threshold in pairs if threshold is not None}


def _read_temperature(found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < np.inf:
        raise ModelError(f"the card of the model has the temperature {found!r:.40}; expected a number above 0")
    return float(found)
