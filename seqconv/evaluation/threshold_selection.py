"""Temperature and thresholds, chosen on labeled sequences that training has not seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seqconv.config.evaluation import EvaluationConfig, WantedPrecision
from seqconv.errors import list_some
from seqconv.evaluation.predictions import labeled_logits
from seqconv.metrics.thresholds import Cut
from seqconv.models.card import FORMAT_VERSION, ModelCard, model_target
from seqconv.models.factory import open_model
from seqconv.tasks.target import DecisionRule, Target


@dataclass(frozen=True)
class Chosen:
    """The chosen thresholds and temperature, and their quality on the sequences that they were chosen on.

    `cuts`: by name of the labels that have a threshold. `errors`: calibration error before and after, None where no
    temperature was asked for. `rule`: how thresholds were chosen. `split`: the sequences that all was chosen on.
    """

    decisions: DecisionRule
    cuts: dict[str, Cut]
    errors: tuple[float, float] | None
    rule: Any
    split: str

    def apply_to(self, card: ModelCard) -> ModelCard:
        """Return the card of a model that decides so."""
        errors = None if self.errors is None else list(self.errors)
        return replace(
            card,
            thresholds=self.decisions.thresholds,
            temperature=self.decisions.temperature,
            decisions={"chosen_on": self.split, "thresholds": self.rule, "calibration_error": errors},
            # An earlier version would decide differently, and so must not load it.
            format_version=FORMAT_VERSION,
        )

    def describe(self) -> Iterator[tuple[str, str]]:
        """Yield lines to print, each a `decision`, or, for a target that was not reached, a `note`."""
        on, rule = self.split, self.rule
        if self.errors is not None:
            before, after = self.errors
            yield (
                "decision",
                f"temperature {self.decisions.temperature:.3f}, chosen on {on}: calibration error {before:.4f} before, "
                f"{after:.4f} after",
            )
            if self.decisions.temperature == 1:
                yield "note", f"the model makes no mistake on {on}, from which a temperature could be learned: it is 1"
        if rule is not None:
            named = "the best F1" if rule == "f1" else f"a precision of {rule['precision']:g}"
            listed = ", ".join(f"{name} {cut.threshold:.3f}" for name, cut in self.cuts.items())
            yield "decision", f"thresholds for {named}, chosen on {on}: {listed}"
        absent = [name for name, cut in self.cuts.items() if cut.precision is None]
        if absent:
            yield "note", f"{on} has none of {list_some(absent)} to choose a threshold by: 0.5 is used"
        for name, cut in self.cuts.items():
            if cut.precision is not None and not cut.is_reached:
                yield (
                    "note",
                    f"a precision of {rule['precision']:g} is not reached for '{name}' on {on}: its best is "
                    f"{cut.precision:.3f} (recall {cut.recall:.3f}), at the threshold {cut.threshold:.3f}, which is "
                    "used",
                )


def choose_decision_rule(
    model: Any, data: Any, settings: EvaluationConfig | Mapping[str, Any], *, split_name: str = "valid"
) -> Chosen | None:
    """Choose temperature and thresholds, as `evaluation.calibration` and `evaluation.thresholds` say, in this order.

    A pure function of the model's weights and the sequences: what its card says already changes nothing. To use what
    was chosen, `model.card = chosen.apply_to(model.card)` and save the model.

    Args:
        model: a `SequenceModel` with a card, or a path to one.
        data: labeled sequences that it was not trained on.
        settings: the `evaluation` section.
        split_name: what they are called.

    Returns:
        None where nothing is asked for.

    Raises:
        ConfigError: of three and more classes, the most probable one is given, and there is no threshold.

    >>> import numpy as np
    >>> from seqconv.models import build_model
    >>> from seqconv.data.sequences import Sequences
    >>> from seqconv.tasks.target import fit_target
    >>> labels = ["on", "off", "on", "on"]
    >>> card = {"target": fit_target("classification", labels).to_dict()}
    >>> model = build_model({"blocks": [{"filters": 4}]}, num_features=2, num_outputs=2, card=card)
    >>> data = Sequences([np.ones((n, 2)) for n in (3, 5, 8, 9)], labels)
    >>> chosen = choose_decision_rule(model, data, {"thresholds": "f1"})
    >>> list(chosen.cuts)
    ['off']
    """
    settings = settings if isinstance(settings, EvaluationConfig) else EvaluationConfig(**settings)
    if settings.thresholds is None and settings.calibration is None:
        return None
    model = open_model(model)
    target = model_target(model)
    task = target.definition
    check_thresholds(settings, target)
    targets, logits = labeled_logits(model, target, data)
    decisions, errors = DecisionRule(target), None
    if settings.calibration is not None:
        before = task.calibration_error(targets, decisions.probabilities(logits), settings.calibration_bins)
        decisions = replace(decisions, temperature=task.fit_temperature(targets, logits))
        after = task.calibration_error(targets, decisions.probabilities(logits), settings.calibration_bins)
        errors = before, after
    cuts: dict[str, Cut] = {}
    if settings.thresholds is not None:
        wanted = settings.thresholds.precision if isinstance(settings.thresholds, WantedPrecision) else None
        probabilities = decisions.probabilities(logits)
        for name in task.threshold_names(target, targets, settings.positive):
            place = target.names.index(name)
            cuts[name] = task.choose_cut(targets[:, place], probabilities[:, place], wanted)
        found = [cuts[name].threshold if name in cuts else None for name in target.names]
        decisions = replace(decisions, thresholds=tuple(found))
    rule = settings.thresholds.model_dump() if isinstance(settings.thresholds, WantedPrecision) else settings.thresholds
    return Chosen(decisions, cuts, errors, rule, split_name)


def check_thresholds(settings: EvaluationConfig, target: Target) -> None:
    """Check that thresholds make sense here.

    Raises:
        ConfigError: of three and more classes there are none; `evaluation.positive` is no class.
    """
    if settings.thresholds is not None:
        target.definition.check_thresholds(target, settings.positive)
