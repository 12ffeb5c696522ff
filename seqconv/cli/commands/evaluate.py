"""`seqconv evaluate`, `python scripts/evaluate.py`."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.interruption import interruptible
from seqconv.cli.options import PLUGINS, command
from seqconv.cli.splits import read_split, say
from seqconv.cli.stock_models import STOCK_OPTIONS, check_card_is_kept, stock_target
from seqconv.config.backends import start_keras
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from seqconv.config import Config
    from seqconv.data.sequences import Sequences
    from seqconv.data.spec import DataSpec
    from seqconv.evaluation import Evaluation
    from seqconv.models.card import ModelCard

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
    from seqconv.models.card import read_card
    from seqconv.models.factory import open_model
    from seqconv.parts.plugins import load_plugins

    load_plugins(arguments.plugin)
    model, run_dir = open_model(arguments.model), Path(arguments.model).parent
    card = read_card(model)
    if not card.is_empty:
        check_card_is_kept(arguments)
    config = read_run_config(run_dir, arguments.config, arguments.set)
    target = stock_target(model, arguments.labels, config) if card.is_empty else None
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
    """Return the config given, or else that of the run, or else the defaults; with overrides on top."""
    from seqconv.config import load_config

    of_run = run_dir / "config.yaml"
    return load_config(config or (of_run if of_run.is_file() else {}), overrides)


def load_split(arguments: argparse.Namespace, card: "ModelCard", config: "Config") -> "Sequences":
    """Return the labeled sequences to evaluate, with windows and features as in the model's training."""
    from seqconv.data.datasets import load_sequences

    spec = find_spec(card, config, arguments.events)
    manifest = read_split(arguments.manifest, arguments.split, Path(arguments.model).parent, config, spec.label_files)
    data = load_sequences(manifest, spec)
    for note in data.notes:
        say(f"note: {note}")
    return data


def find_spec(card: "ModelCard", config: "Config", given: str | None) -> "DataSpec":
    """Find how sequences are read: as in training, with the events given, or those of the run.

    Raises:
        ConfigError: events for a model that has no use for them, or none for one that has.
    """
    spec, events_as = card.data_spec(config.data_spec), card.segmentation.events_as
    is_used = events_as is not None or spec.predicts_frames
    if given is not None and not is_used:
        raise ConfigError(
            f"'{given}' labels windows or frames, but the model gives one prediction per recording. Leave it out."
        )
    events = given or (config.data.events if is_used else None)
    if events_as is not None and events is None:
        raise ConfigError("the model was trained on events, and no config names any. Pass them with --events.")
    # Labels of frames in files say nothing of recordings without events.
    unlabeled = spec.data.unlabeled if events_as is not None else "negative"
    return replace(spec, data=spec.data.model_copy(update={"events": events, "unlabeled": unlabeled}))


def report(evaluation: "Evaluation", folder: Path, num_worst: int) -> None:
    """Print the scores and the worst sequences, and write both."""
    print(evaluation)
    if num_worst > 0:
        worst = evaluation.errors(num_worst)
        print(f"\nworst {num_worst}:")
        print(worst[[name for name in worst.columns if not name.startswith("p_")]].to_string(index=False))
    evaluation.save(folder, worst_first=num_worst > 0)
    say(f"wrote {folder / 'metrics.json'} and {folder / 'predictions.csv'}")
