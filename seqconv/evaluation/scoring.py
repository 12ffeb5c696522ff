"""`evaluate`: from a model and labeled sequences to an `Evaluation`."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqconv.config.evaluation import EvaluationConfig
from seqconv.data.conversions import holds_recordings
from seqconv.data.datasets import sequences_from
from seqconv.data.spec import DataSpec
from seqconv.errors import ConfigError, ManifestError
from seqconv.evaluation.predictions import answer_frames, answer_sequences
from seqconv.evaluation.recordings import score_whole
from seqconv.evaluation.result import Evaluation
from seqconv.evaluation.slices import slice_indices
from seqconv.metrics import by_length
from seqconv.metrics.checks import IntArray, plain
from seqconv.metrics.intervals import Bootstrap
from seqconv.models.card import model_target, predicts_frames, read_card, read_decision_rule
from seqconv.models.factory import open_model
from seqconv.prediction.forward import choose_strategy
from seqconv.sources import Source
from seqconv.tasks.target import Target


def evaluate(
    model: Any,
    data: Any,
    *,
    strategy: str = "auto",
    slices: Sequence[str] = (),
    bootstrap: int | None = None,
    seed: int = 0,
    split_name: str = "test",
    target: Target | None = None,
    settings: EvaluationConfig | Mapping[str, Any] | None = None,
) -> Evaluation:
    """Score a model on labeled sequences. Every sequence counts once, whatever its weight in training.

    Of a model that predicts frames, every labeled frame counts once; intervals still draw sequences, because the frames
    of one recording are alike. Windows are scored by themselves and together, as their recordings; and where the events
    of recordings are known, those that windows or frames find are scored, too.

    Args:
        model: a `SequenceModel`, a path to a `.keras` file, or a stock Keras model over `(batch, time, num_features)`.
        data: `Sequences` with labels, or anything with `.lengths`, `.ids`, `.labels` and `[i] -> (time, d)`; a pair of
            arrays and labels; or a table of recordings, a DataFrame with a column `path` or a Dataset of Hugging Face.
        strategy: auto, packed, bucketed, padded or single; it changes the time, not the scores.
        slices: metadata columns (or "group") whose values get separate scores; default: those of `settings`. A
            column of many numbers is cut into classes.
        bootstrap: draws for the intervals, 0 for none; default: that of `settings`.
        seed: of the bootstrap.
        split_name: what the scores are of; the key in `metrics.json`.
        target: what the outputs mean; needed for a stock Keras model.
        settings: the `evaluation` section of a config. How windows become events is by default what the model's card
            says, as for `predict_events`.

    Raises:
        ManifestError: there are no labels, or labels that the model does not know, or sequences are too short for it.
        ConfigError: the model cannot be run in this layout, or a slice is no column of the metadata.
        ShapeError, ModelError: sequences, model and target do not fit each other.

    >>> import numpy as np
    >>> from seqconv.models import build_model
    >>> from seqconv.data.sequences import Sequences
    >>> from seqconv.tasks.target import fit_target
    >>> model = build_model({"blocks": [{"filters": 4}]}, num_features=2, num_outputs=2)
    >>> data = Sequences([np.zeros((n, 2)) for n in (3, 5, 8)], ["on", "off", "on"])
    >>> evaluate(model, data, target=fit_target("classification", data.labels)).metrics["num_sequences"]
    3
    """
    model = open_model(model)
    target = model_target(model, target)
    settings = _settings(settings, model)
    if not isinstance(data, Source):
        data = _load(data, model)
    if getattr(data, "labels", None) is None:
        raise ManifestError("these sequences have no labels to score against; predict needs none.")
    answer = answer_frames if predicts_frames(model, target) else answer_sequences
    parts = slice_indices(data, slices or settings.slices, settings.length_bins)
    answers = answer(model, target, data, strategy)
    task, bins = target.definition, settings.calibration_bins
    metrics = task.score(answers.targets, answers.predictions, target.names, num_bins=bins, decided=answers.decided)
    is_known = task.is_labeled(answers.targets)
    metrics |= {"loss": plain(answers.losses[is_known].mean()), **answers.counts}
    draws = Bootstrap(settings.bootstrap if bootstrap is None else bootstrap, settings.confidence, seed)
    groups = getattr(data, "groups", None)
    if draws.repeats and groups is not None and len(set(groups)) < 2:
        metrics["notes"]["intervals"] = "there are none, because all sequences are of one group"
    metrics["intervals"] = draws.intervals(answers.headline, len(data.ids), groups)
    metrics |= _describe_decisions(model, target)
    if read_card(model).decisions.get("chosen_on") == split_name:
        metrics["notes"]["decisions"] = (
            f"temperature and thresholds were chosen on {split_name}, which makes its scores too good"
        )
    if read_card(model).decisions.get("events", {}).get("chosen_on") == split_name:
        metrics["notes"]["events"] = f"how events are found was chosen on {split_name}, which makes its scores too good"

    def headline(indices: IntArray) -> dict[str, float | None]:
        return {name: plain(value) for name, value in answers.headline(indices).items()}

    metrics["by_length"] = by_length(data.lengths, headline, settings.length_bins)
    metrics["slices"] = {
        column: {value: {"count": len(members), **headline(members)} for value, members in values.items()}
        for column, values in parts.items()
    }
    whole, tables = score_whole(model, target, data, answers, settings, draws)
    metrics |= whole
    return Evaluation(
        metrics=metrics,
        predictions=answers.table,
        task=target.task,
        split_name=split_name,
        layout=choose_strategy(model, strategy, data.lengths),
        confidence=settings.confidence,
        kind=target.kind,
        data=data,
        **tables,
    )


def _load(data: Any, model: Any) -> Any:
    """Return what is no source as sequences, with features as the model was trained on.

    Raises:
        ConfigError: recordings, of which the model does not say how to compute features, or which have no events to
            compare; or as of `sequences_from`.
    """
    card = read_card(model)
    if card.features is None and holds_recordings(data):
        raise ConfigError(
            f"model '{model.name}' does not say how to compute features from recordings. Pass "
            "Sequences.from_manifest(data, features={'kind': 'log_mel', ...})."
        )
    if card.segmentation.events_as is not None and holds_recordings(data):
        raise ConfigError(
            "the model was trained on events, which a table of recordings does not have. Score it with the command: "
            "seqconv evaluate --model RUN --manifest FILE --events FILE."
        )
    return sequences_from(data, card.data_spec(DataSpec()))


def _settings(settings: EvaluationConfig | Mapping[str, Any] | None, model: Any) -> EvaluationConfig:
    """Return the settings; rules for events that they leave open come from the model's card."""
    settings = settings if isinstance(settings, EvaluationConfig) else EvaluationConfig(**(settings or {}))
    rules = {**read_card(model).event_rules, **settings.events.known_rules}
    return settings.model_copy(update={"events": settings.events.model_copy(update=rules)})


def _describe_decisions(model: Any, target: Target) -> dict[str, Any]:
    """Describe what the predictions depend on besides the model: thresholds and temperature, if these were chosen."""
    decisions = read_decision_rule(model, target)
    chosen: dict[str, Any] = {} if decisions.temperature == 1 else {"temperature": decisions.temperature}
    if decisions.thresholds is not None:
        chosen["thresholds"] = decisions.by_name()
    return {"decisions": chosen} if chosen else {}
