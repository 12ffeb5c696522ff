"""`seqconv evaluate`, `python scripts/evaluate.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqconv.commands.interruption import interruptible
from seqconv.commands.splits import read_split, say
from seqconv.commands.stock import add_stock_arguments, check_card_is_kept, stock_target
from seqconv.commands.terminal import report_errors, start_keras
from seqconv.errors import ConfigError
from seqconv.inference import STRATEGIES

if TYPE_CHECKING:
    from seqconv.config import Config
    from seqconv.config.target import TargetConfig
    from seqconv.evaluation import Evaluation
    from seqconv.sequences import Sequences


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv evaluate",
        description="Score a model on a split of a manifest; prints a table, writes metrics.json and predictions.csv.",
    )
    parser.add_argument("--model", required=True, metavar="FILE", help="RUN/model.keras")
    parser.add_argument("--manifest", metavar="FILE", help="default: the manifest that the run was trained on")
    parser.add_argument(
        "--events", metavar="FILE", help="table of events, for labels of frames (default: that of the run)"
    )
    parser.add_argument("--split", default="test", metavar="NAME", help="train, valid, test (default) or all")
    parser.add_argument("--output", metavar="DIR", help="where to write (default: beside the model)")
    parser.add_argument(
        "--strategy", default="auto", choices=STRATEGIES, help="how to batch; it changes the time, not the scores"
    )
    parser.add_argument(
        "--slice",
        dest="slices",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column of the manifest whose values get scores of their own (may be repeated)",
    )
    parser.add_argument(
        "--worst",
        type=int,
        default=0,
        metavar="N",
        help="print the N worst sequences, and write predictions worst first",
    )
    add_stock_arguments(parser)
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    start_keras()
    from seqconv.evaluation import evaluate
    from seqconv.outputs import open_model, read_card

    model, run_dir = open_model(arguments.model), Path(arguments.model).parent
    card = read_card(model)
    if card:
        check_card_is_kept(arguments)
    config = read_run_config(run_dir, arguments.config, arguments.overrides)
    target = None if card else stock_target(model, arguments.labels, config)
    with interruptible("the scores are as they were, and features that were extracted are kept"):
        evaluation = evaluate(
            model,
            load_split(arguments, card, config),
            strategy=arguments.strategy,
            slices=arguments.slices,
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
    """The labeled sequences to evaluate, with features as the model was trained on."""
    from seqconv.sequences import Sequences

    columns = card.get("label_columns") or (None if card else config.target.columns)
    label = list(columns) if columns else card.get("label_column") or config.target.column
    frames = frame_target(card, arguments.events or config.target.events)
    label_files = frames.column if frames is not None and frames.events is None else None
    data = Sequences.from_manifest(
        read_split(arguments.manifest, arguments.split, Path(arguments.model).parent, config, label_files),
        card.get("features") or config.features,
        label=label,
        cache_dir=config.data.cache_dir,
        num_workers=config.data.num_workers,
        frame_labels=frames,
        max_bad_fraction=config.data.skipped_fraction,
        on_leak=config.data.on_leak,
    )
    for note in data.metadata.attrs["notes"] if (frames or data.quarantine) and data.metadata is not None else ():
        say(f"note: {note}")
    return data


def frame_target(card: dict[str, Any], events: str | None) -> "TargetConfig | None":
    """Where the labels of frames are and what they mean; None where the model predicts sequences."""
    from seqconv.config.target import TargetConfig

    target = card.get("target") or {}
    if target.get("kind", "sequence") != "frame":
        if events is not None:
            raise ConfigError(
                f"'{events}' labels frames, but the model gives one prediction per sequence. Leave it out."
            )
        return None
    keys = {"column": "label_column", "columns": "label_columns", "separator": "separator", "background": "background"}
    return TargetConfig(task=target["task"], events=events, **{key: card[name] for key, name in keys.items()})


def report(evaluation: "Evaluation", folder: Path, num_worst: int) -> None:
    """Print the scores and the worst sequences, and write both."""
    print(evaluation)
    if num_worst > 0:
        worst = evaluation.errors(num_worst)
        print(f"\nworst {num_worst}:")
        print(worst[[name for name in worst.columns if not name.startswith("p_")]].to_string(index=False))
    evaluation.save(folder, worst_first=num_worst > 0)
    say(f"wrote {folder / 'metrics.json'} and {folder / 'predictions.csv'}")
