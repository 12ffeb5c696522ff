"""The card of a model: what it knows besides its weights."""

from pathlib import Path
from typing import Any

from seqconv.errors import ConfigError
from seqconv.features import as_settings
from seqconv.models.factory import load_model
from seqconv.tasks.decision_rule import DecisionRule
from seqconv.tasks.target import Target


def open_model(model: Any) -> Any:
    """A loaded model as it is; a path loaded.

    Raises:
        ModelError: there is no model at that path.
    """
    if not isinstance(model, str | Path):
        return model
    return load_model(model)


def read_card(model: Any) -> dict[str, Any]:
    """What a model knows besides its weights; empty for a stock Keras model."""
    return dict(getattr(model, "card", None) or {})


def model_target(model: Any, target: Target | None = None) -> Target:
    """What the outputs of a model mean: `target`, or what its card says.

    Raises:
        ConfigError: neither says it.
    """
    if target is not None:
        return target
    card = read_card(model)
    if "target" not in card:
        raise ConfigError(
            f"model '{model.name}' does not say what its outputs mean. Pass target=fit_target('classification', "
            "labels) (seqconv.tasks.target), or --labels on the command line."
        )
    return Target.from_dict(card["target"])


def read_decision_rule(model: Any, target: Target | None = None) -> DecisionRule:
    """Read how a model decides; `target` as in `model_target`.

    Raises:
        ConfigError: nothing says what the outputs mean.
        ModelError: the card holds thresholds or a temperature that cannot be.
    """
    return DecisionRule.from_card(read_card(model), model_target(model, target))


def predicts_frames(model: Any, target: Target) -> bool:
    """Whether there is one prediction per frame.

    Raises:
        ConfigError: model and target do not agree.
    """
    has_frames = bool(getattr(model, "predicts_frames", False))
    if has_frames != (target.kind == "frame"):
        unit = "frame" if has_frames else "sequence"
        raise ConfigError(
            f"model '{model.name}' gives one prediction per {unit}, but the target is one per {target.kind}. "
            f"Pass fit_target(..., kind='{unit}')."
        )
    return has_frames


def seconds_per_frame(model: Any, data: Any) -> float | None:
    """Seconds from one frame to the next, by what the features were made with; None where nobody knows."""
    settings = (
        getattr(data, "feature_settings", None) or getattr(data, "settings", None) or read_card(model).get("features")
    )
    return None if settings is None else as_settings(settings).seconds_per_frame
