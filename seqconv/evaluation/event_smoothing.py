"""Rules by which frames become events, chosen on valid: a median filter, gaps and shortest lengths."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqconv.config.evaluation import EvaluationConfig
from seqconv.data.events.annotations import RecordingEvents
from seqconv.evaluation.predictions import answer_frames
from seqconv.evaluation.recordings import output_seconds, score_events
from seqconv.models.card import FORMAT_VERSION, ModelCard, model_target, predicts_frames, read_card, read_decision_rule
from seqconv.prediction.event_detection import DetectionRules, detect_events

SHARES = {
    "median": (0.0, 0.05, 0.1, 0.2, 0.4, 0.7),
    "max_gap": (0.0, 0.1, 0.2, 0.4),
    "min_seconds": (0.0, 0.1, 0.2, 0.4, 0.6),
}
"""Candidates for each rule, in the order of the choice: parts of the median length of the true events."""


@dataclass(frozen=True)
class ChosenRules:
    """The chosen rules, in seconds, and what they are worth on the sequences that they were chosen on.

    `before`, `after`: the event F1 without any smoothing, and with it. `split`: what the sequences are called.
    """

    rules: dict[str, float]
    before: float
    after: float
    split: str

    def apply_to(self, card: ModelCard) -> ModelCard:
        """Return the card of a model that finds events so."""
        chosen = {"chosen_on": self.split, "event_f1": [self.before, self.after]}
        changes: dict[str, Any] = {**self.rules}
        changed = replace(card, **changes, decisions={**card.decisions, "events": chosen})
        # An earlier version has no median filter, and would find other events.
        return replace(changed, format_version=FORMAT_VERSION) if self.rules.get("median") else changed

    def describe(self) -> Iterator[tuple[str, str]]:
        """Yield the line to print."""
        texts = {"median": "median of {:.3g} s", "max_gap": "gaps up to {:.3g} s", "min_seconds": "from {:.3g} s on"}
        shown = ", ".join(text.format(self.rules[name]) for name, text in texts.items() if self.rules.get(name))
        yield (
            "decision",
            f"events: {shown or 'no smoothing'}, chosen on {self.split}: event F1 {self.before:.4f} without, "
            f"{self.after:.4f} so",
        )


def choose_event_rules(
    model: Any, data: Any, settings: EvaluationConfig, *, split_name: str = "valid"
) -> ChosenRules | None:
    """Choose those rules of `evaluation.events` that are null, one after the other, by the event F1.

    Of equal event F1, that with the better segment F1 is chosen, then the least smoothing.

    Args:
        model: a `SequenceModel` that predicts frames.
        data: sequences with events that it was not trained on.
        settings: the `evaluation` section.
        split_name: what they are called.

    Returns:
        None if all rules are given, the model predicts no frames, or there are no events to compare with.
    """
    target, marked = model_target(model), getattr(data, "annotations", None)
    fixed = settings.events.known_rules
    if len(fixed) == len(SHARES) or not isinstance(marked, RecordingEvents) or not predicts_frames(model, target):
        return None
    background, seconds = read_card(model).background, output_seconds(model, data)
    lengths = np.concatenate([events.ends - events.starts for events in marked.events])
    if not target.definition.class_names(target.names, background) or not len(lengths) or not seconds:
        return None
    table = answer_frames(model, target, data, "auto").table
    is_windows = getattr(getattr(data, "provenance", None), "cut", None) == "windows"
    names = data.metadata["recording"] if is_windows else data.ids
    table = table.assign(recording=table["id"].map(dict(zip(data.ids, names, strict=True))))
    ids, decisions = list(dict.fromkeys(table["recording"])), read_decision_rule(model, target)

    def score(rules: dict[str, float]) -> tuple[float, float]:
        found = detect_events(table, target, DetectionRules(background, decisions=decisions, **rules), seconds)
        scores, _ = score_events(target, marked, found, ids, settings.events, background)
        return scores["event_f1"] or 0.0, scores["segment_f1"] or 0.0

    rules = {**dict.fromkeys(SHARES, 0.0), **fixed}
    before = best = score(rules)
    for name, shares in SHARES.items():
        for share in shares[1:] if name not in fixed else ():
            tried = {**rules, name: round(share * float(np.median(lengths)), 3)}
            if (found := score(tried)) > best:
                best, rules = found, tried
    return ChosenRules(rules, before[0], best[0], split_name)
