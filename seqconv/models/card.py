"""The card of a model: its knowledge besides its weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seqconv.data.spec import DataSpec, Segmentation
from seqconv.errors import ConfigError, ModelError, SeqconvError
from seqconv.features import FeatureKind, as_settings
from seqconv.tasks.settings import TargetConfig
from seqconv.tasks.target import DecisionRule, Target

# Raise it when a model file changes so that older versions cannot read it.
FORMAT_VERSION = 2
# Of models whose card says nothing of temperature and thresholds: earlier versions read them, and mean the same.
PLAIN_FORMAT = 1


_WHOLE = Segmentation()


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class ModelCard:
    """All that evaluation and prediction need to know of a model besides its weights; saved in its file.

    Attributes:
        target: the meaning of its outputs.
        features: how to compute the features that it takes.
        segmentation: how recordings are cut into the sequences that it takes.
        label_column, label_columns, separator, background: of the `target` section that it was trained with.
        median, max_gap, min_seconds: in seconds, the rules by which its predictions become events.
        batch_size, frames_per_batch: of a step in training.
        thresholds: probability from which on a label is given, for each label; of two classes, for one of them.
        temperature: number that logits are divided by.
        decisions: how thresholds and temperature were chosen.
        name: of the run.
        format_version, seqconv_version: of the file, and of what has written it.
        others: entries that this version does not know.
    """

    target: Target | None = None
    features: FeatureKind | None = None
    segmentation: Segmentation = _WHOLE
    label_column: str | None = None
    label_columns: tuple[str, ...] | None = None
    separator: str | None = None
    background: str | None = None
    median: float | None = None
    max_gap: float | None = None
    min_seconds: float | None = None
    batch_size: int | None = None
    frames_per_batch: int | None = None
    thresholds: tuple[float | None, ...] | float | None = None
    temperature: float = 1.0
    decisions: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    format_version: int | None = None
    seqconv_version: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelCard":
        """Read a card from the plain values of a model file.

        Raises:
            ModelError: an entry cannot be read.

        >>> ModelCard.from_dict({"target": {"task": "classification", "names": ["off", "on"]}}).target.names
        ('off', 'on')
        """
        # The target contains the task, too.
        rest = {key: value for key, value in values.items() if value is not None and key != "task"}
        found = {key: rest.pop(key) for key in _PLAIN if key in rest}
        for key in [key for key in _READERS if key in rest]:
            written = rest.pop(key)
            try:
                found |= _READERS[key](written)
            except (SeqconvError, TypeError, ValueError, KeyError, AttributeError) as error:
                raise ModelError(
                    f"the card of the model has the {key} {written!r:.80}, which cannot be read: {error}"
                ) from error
        return cls(**found, others=rest)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; what says nothing is left out."""
        values: dict[str, Any] = {key: getattr(self, key) for key in _PLAIN}
        values |= {
            "task": None if self.target is None else self.target.task,
            "target": None if self.target is None else self.target.to_dict(),
            "features": None if self.features is None else self.features.model_dump(mode="json"),
            "cutting": None if self.segmentation == _WHOLE else self.segmentation.to_dict(),
            "label_columns": self.label_columns and list(self.label_columns),
            "events": self.event_rules,
            "batching": _known(batch_size=self.batch_size, frames_per_batch=self.frames_per_batch),
            "thresholds": list(self.thresholds) if isinstance(self.thresholds, tuple) else self.thresholds,
            "temperature": None if self.temperature == 1 else self.temperature,
            "decisions": dict(self.decisions),
            **self.others,
        }
        return {key: value for key, value in values.items() if value is not None and value not in ({}, [])}

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, as of a stock Keras model."""
        return self == ModelCard()

    @property
    def event_rules(self) -> dict[str, float]:
        """The rules for events that it has, by the names of `DetectionRules`."""
        return _known(median=self.median, max_gap=self.max_gap, min_seconds=self.min_seconds)

    @property
    def predicts_frames(self) -> bool:
        """Whether there is one prediction per frame."""
        return self.target is not None and self.target.kind == "frame"

    def data_spec(self, base: DataSpec) -> DataSpec:
        """Return how sequences are read for the model: files and splits as in `base`, all else as in training."""
        cut, target = self.segmentation, base.target
        if not self.is_empty:
            labels = {"column": self.label_column, "columns": self.label_columns, "separator": self.separator}
            task = target.task if self.target is None else self.target.task
            target = TargetConfig().model_copy(update=_known(task=task, background=self.background, **labels))
        unlabeled = base.data.unlabeled or cut.unlabeled
        cutting = {"windows": cut.windows, "events_as": cut.events_as, "unlabeled": unlabeled}
        data, features = base.data.model_copy(update={**cutting, "events": None}), self.features or base.features
        return replace(base, data=data, target=target, features=features, predicts_frames=self.predicts_frames)


def read_card(model: Any) -> ModelCard:
    """Return what a model knows besides its weights; an empty card of a stock Keras model."""
    card = getattr(model, "card", None)
    return card if isinstance(card, ModelCard) else ModelCard()


def model_target(model: Any, target: Target | None = None) -> Target:
    """Return the meaning of a model's outputs: `target`, or the one in its card.

    Raises:
        ConfigError: neither says it.
    """
    found = target or read_card(model).target
    if found is None:
        raise ConfigError(
            f"model '{model.name}' does not say what its outputs mean. Pass target=fit_target('classification', "
            "labels) (seqconv.tasks.target), or --labels on the command line."
        )
    return found


def read_decision_rule(model: Any, target: Target | None = None) -> DecisionRule:
    """Read the decision rule of a model; `target` as in `model_target`.

    Raises:
        ConfigError: nothing says what the outputs mean.
        ModelError: the card holds thresholds or a temperature that cannot be.
    """
    card, meaning = read_card(model), model_target(model, target)
    rule = DecisionRule.read(meaning, card.thresholds, card.temperature)
    return replace(rule, are_probabilities=_returns_probabilities(model, meaning))


def _returns_probabilities(model: Any, target: Target) -> bool:
    """Whether the outputs of a model need no softmax or sigmoid; ours are logits."""
    if hasattr(model, "time_geometry") or not target.definition.class_names(target.names):
        return False
    from seqconv.models.stock_outputs import OTHER, output_kind

    return output_kind(model) != OTHER


def predicts_frames(model: Any, target: Target) -> bool:
    """Whether there is one prediction per frame, and a label.

    Raises:
        ConfigError: model and target do not agree.
    """
    has_frames = bool(getattr(model, "predicts_frames", False))
    if target.definition.joins_frames:
        if not has_frames:
            raise ConfigError(
                f"model '{model.name}' gives one prediction per sequence, but the frames of a sequence say its "
                f"{target.task}. Set model.pooling to 'frames'."
            )
        return False
    if has_frames != (target.kind == "frame"):
        unit = "frame" if has_frames else "sequence"
        raise ConfigError(
            f"model '{model.name}' gives one prediction per {unit}, but the target is one per {target.kind}. "
            f"Pass fit_target(..., kind='{unit}')."
        )
    return has_frames


def seconds_per_frame(model: Any, data: Any) -> float | None:
    """Return the seconds from one frame to the next, from the settings of the features; None if unknown."""
    settings = getattr(data, "feature_settings", None) or getattr(data, "settings", None) or read_card(model).features
    return None if settings is None else as_settings(settings).seconds_per_frame


_PLAIN = (
    "format_version", "seqconv_version", "name", "label_column", "separator", "background", "temperature", "decisions",
)  # fmt: skip
_READERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "target": lambda written: {"target": Target.from_dict(written)},
    "features": lambda written: {"features": as_settings(written)},
    "cutting": lambda written: {"segmentation": Segmentation.from_dict(written)},
    "label_columns": lambda written: {"label_columns": tuple(written)},
    "events": lambda written: {name: written.get(name) for name in ("median", "max_gap", "min_seconds")},
    "batching": lambda written: {name: written.get(name) for name in ("batch_size", "frames_per_batch")},
    "thresholds": lambda written: {"thresholds": tuple(written) if isinstance(written, list) else written},
}
"""The fields of `ModelCard` that each other entry of a card in a file holds."""
