"""`seqconv evaluate`, `python scripts/evaluate.py`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.interruption import interruptible
from seqconv.cli.options import PLUGINS, command
from seqconv.cli.splits import check_slices, read_split, say
from seqconv.cli.stock_models import STOCK_OPTIONS, find_card, open_stored, stock_target
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from seqconv.config import Config
    from seqconv.data.labeled_manifest import LabeledManifest
    from seqconv.data.sequences import Sequences
    from seqconv.data.spec import DataSpec
    from seqconv.evaluation import Evaluation
    from seqconv.models.card import ModelCard


@command(
    "evaluate",
    "Score a model on a split of a manifest; prints a table, writes metrics.json and predictions.csv.",
    {
        "--model RUN": ("folder of a run, or a .keras file", {"required": True}),
        "--manifest FILE": "default: the manifest that the run was trained on",
        "--events FILE": "events, for labels of windows or frames (default: those of the run)",
        "--split NAME": ("train, valid, test (default) or all", {"default": "test"}),
        "--output DIR": "where to write (default: the folder of the model)",
        "--strategy NAME": (
            "auto (default), packed, bucketed, padded or single: changes the time, not the scores",
            {"default": "auto"},
        ),
        "--slice COLUMN ...": "a column of the manifest: scores for each of its values (may be repeated)",
        "--worst N": ("print the N worst sequences, and write predictions worst first", {"default": 0}),
    },
    STOCK_OPTIONS,
    PLUGINS,
)
def main(arguments: argparse.Namespace) -> None:
    """Score, print and write."""
    card = find_card(arguments)
    from seqconv.config import load_config

    of_run = Path(arguments.model).with_name("config.yaml")
    config = load_config(arguments.config or (of_run if of_run.is_file() else {}), arguments.set)
    rows = read_rows(arguments, card, config)
    model = open_stored(arguments)
    from seqconv.evaluation import evaluate

    target = stock_target(model, arguments.labels, config) if card.is_empty else None
    with interruptible("the scores are as they were, and features that were extracted are kept"):
        evaluation = evaluate(
            model,
            load_split(rows),
            strategy=arguments.strategy,
            slices=arguments.slice,
            seed=config.seed,
            split_name=arguments.split,
            target=target,
            settings=config.evaluation,
        )
    report(evaluation, Path(arguments.output or of_run.parent), arguments.worst)


def read_rows(arguments: argparse.Namespace, card: "ModelCard", config: "Config") -> "LabeledManifest":
    """Read the rows to evaluate and their labels, as in the model's training; this needs no Keras."""
    from seqconv.data.labeled_manifest import read_labels

    spec = find_spec(card, config, arguments.events)
    manifest = read_split(arguments.manifest, arguments.split, Path(arguments.model).parent, config, spec.label_files)
    check_slices(arguments.slice, manifest.frame, "--slice")
    return read_labels(manifest, spec)


def load_split(rows: "LabeledManifest") -> "Sequences":
    """Return the labeled sequences to evaluate, with windows and features as in the model's training."""
    from seqconv.data.datasets import sequences_of

    data = sequences_of(rows)
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
        raise ConfigError(f"'{given}' labels windows or frames, but the model predicts whole recordings. Leave it out.")
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
