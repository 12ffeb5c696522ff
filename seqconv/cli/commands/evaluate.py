"""`seqconv evaluate`, `python scripts/evaluate.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqconv.cli.interruption import interruptible
from seqconv.cli.options import PLUGINS, command
from seqconv.cli.splits import read_split, say
from seqconv.cli.stock_models import STOCK_OPTIONS, check_card_is_kept, stock_target
from seqconv.config.backends import start_keras
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from seqconv.config import Config
    from seqconv.data.segmentation import Segmentation
    from seqconv.data.sequences import Sequences
    from seqconv.evaluation import Evaluation
    from seqconv.tasks.settings import TargetConfig

AUTO = {"default": "auto"}


@command(
    "evaluate",
    "Score a model on a split of a manifest; prints a table, writes metrics.json and predictions.csv.",
    {
        "--model FILE": ("RUN/model.keras", {"required": True}),
        "--manifest FILE": "default: the manifest that the run was trained on",
        "--events FILE": "events, for labels of windows or frames (default: those of the run)",
        "--split NAME": ("train, valid, test (default) or all", {"default": "test"}),
        "--output DIR": "where to write (default: beside the model)",
        "--strategy NAME": (
            "auto (default), packed, bucketed, padded or single: changes the time, not the scores",
            {"default": "auto"},
        ),
        "--slice COLUMN ...": "a column of the manifest whose values get scores of their own (may be repeated)",
        "--worst N": ("print the N worst sequences, and write predictions worst first", {"default": 0}),
    },
    STOCK_OPTIONS,
    PLUGINS,
)
def main(arguments: argparse.Namespace) -> int:
    """Score, print and write."""
    start_keras()
    from seqconv.evaluation import evaluate
    from seqconv.models.card import open_model, read_card
    from seqconv.parts.plugins import load_plugins

    load_plugins(arguments.plugin)
    model, run_dir = open_model(arguments.model), Path(arguments.model).parent
    card = read_card(model)
    if card:
        check_card_is_kept(arguments)
    config = read_run_config(run_dir, arguments.config, arguments.set)
    target = None if card else stock_target(model, arguments.labels, config)
    with interruptible("the scores are as they were, and features that were extracted are kept"):
        evaluation = evaluate(
            model,
            load_split(arguments, card, config),
            strategy=arguments.strategy,
            slices=arguments.slice,
            seed=config.seed,
            split_name=arguments.split,
            target=target,
            settings=config.evaluation,
        )
    report(evaluation, Path(arguments.output or run_dir), arguments.worst)
    return 0


def read_run_config(run_dir: Path, config: str | None, overrides: Sequence[str]) -> "Config":
    """The config given, or else that of the run, or else the defaults; with overrides on top."""
    from seqconv.config import load_config

    of_run = run_dir / "config.yaml"
    return load_config(config or (of_run if of_run.is_file() else {}), overrides)


def load_split(arguments: argparse.Namespace, card: dict[str, Any], config: "Config") -> "Sequences":
    """The labeled sequences to evaluate, cut and with features as the model was trained on."""
    from seqconv.data.events.annotations import read_annotations
    from seqconv.data.segmentation import Segmentation, segment_recordings
    from seqconv.data.sequences import Sequences

    cutting = Segmentation.from_dict(card.get("cutting")) if card else Segmentation()
    target, events = label_target(card, config), find_events(card, cutting, config, arguments.events)
    is_frame = predicts_frames(card)
    label_files = target.column if is_frame and events is None else None
    frame = read_split(arguments.manifest, arguments.split, Path(arguments.model).parent, config, label_files)
    annotations = None
    if events is not None:
        unlabeled = (config.data.unlabeled or cutting.unlabeled) if cutting.events_as else "negative"
        frame, annotations = read_annotations(frame, events, unlabeled, is_part=arguments.split != "all")
    data = Sequences.from_manifest(
        frame,
        card.get("features") or config.features,
        label=None if cutting.labels_cuts else list(target.columns) if target.columns else target.column,
        cache_dir=config.data.cache_dir,
        num_workers=config.data.num_workers,
        frame_labels=target if is_frame else None,
        events=annotations if is_frame else None,
        max_bad_fraction=config.data.skipped_fraction,
        on_leak=config.data.on_leak,
    )
    cut = segment_recordings(data, cutting, target, annotations)
    told = list(annotations.notes) if annotations is not None and not is_frame else []
    is_told = is_frame or data.quarantine or annotations is not None or cutting.windows is not None
    for note in [*told, *cut.metadata.attrs["notes"]] if is_told and cut.metadata is not None else ():
        say(f"note: {note}")
    return cut


def predicts_frames(card: dict[str, Any]) -> bool:
    """Whether a model gives one prediction per frame."""
    return bool((card.get("target") or {}).get("kind", "sequence") == "frame")


def label_target(card: dict[str, Any], config: "Config") -> "TargetConfig":
    """Where the labels are and what they mean: as the model was trained."""
    from seqconv.tasks.settings import TargetConfig

    if not card:
        return config.target
    keys = {"column": "label_column", "columns": "label_columns", "separator": "separator", "background": "background"}
    known = {key: card[name] for key, name in keys.items() if card.get(name) is not None}
    return TargetConfig(task=card["target"]["task"] if "target" in card else config.target.task, **known)


def find_events(card: dict[str, Any], cutting: "Segmentation", config: "Config", given: str | None) -> str | None:
    """The events to evaluate against: those given, or those of the run; None where other labels are scored.

    Raises:
        ConfigError: events for a model that has no use for them, or none for one that has.
    """
    is_used = cutting.events_as is not None or predicts_frames(card)
    if given is not None and not is_used:
        raise ConfigError(
            f"'{given}' labels windows or frames, but the model gives one prediction per recording. Leave it out."
        )
    events = given or (config.data.events if is_used else None)
    if cutting.events_as is not None and events is None:
        raise ConfigError("the model was trained on events, and no config names any. Pass them with --events.")
    return events


def report(evaluation: "Evaluation", folder: Path, num_worst: int) -> None:
    """Print the scores and the worst sequences, and write both."""
    print(evaluation)
    if num_worst > 0:
        worst = evaluation.errors(num_worst)
        print(f"\nworst {num_worst}:")
        print(worst[[name for name in worst.columns if not name.startswith("p_")]].to_string(index=False))
    evaluation.save(folder, worst_first=num_worst > 0)
    say(f"wrote {folder / 'metrics.json'} and {folder / 'predictions.csv'}")
