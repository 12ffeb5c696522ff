"""`seqconv predict`, `python scripts/predict.py`."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from seqconv.cli.detection import EVENT_OPTIONS, TRACK_FORMATS, wants_events, write_events
from seqconv.cli.options import PLUGINS, command
from seqconv.cli.splits import say
from seqconv.cli.stock_models import STOCK_OPTIONS, find_card, open_stored, stock_target
from seqconv.cli.tables import TABLE_FORMATS, most_probable, table_format, write_tables
from seqconv.errors import ConfigError
from seqconv.text import amount

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.features.store import BadFile
    from seqconv.tasks.target import Target

SOME_WITHOUT = 3
"""Exit code if some of the files have no prediction; 2 is an error, after which none has."""


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no number of seconds. Write --stream 1 before it, or put --stream last"
        ) from error


@command(
    "predict",
    "Predict for recordings, or for files of features where the model was trained on those.",
    {
        "--model RUN": ("folder of a run, or a .keras file", {"required": True}),
        "inputs FILE_OR_FOLDER": ("a folder: all recordings below it", {"nargs": "+"}),
        "--output PATH": "a .csv, .tsv or .jsonl file, which has all digits; of events also a .selections.txt file, a "
        "selection table of Raven, or a .txt file or a folder for label tracks of Audacity (default: standard output, "
        "probabilities with four decimals)",
        "--format NAME": (
            "default: as the name of --output ends, or csv",
            {"choices": (*TABLE_FORMATS, *TRACK_FORMATS)},
        ),
        "--top N": "the N most probable classes and their probabilities, instead of the probabilities of all",
    },
    EVENT_OPTIONS,
    {
        "--strategy NAME": (
            "auto (default), packed, bucketed, padded or single: changes the time, not the predictions",
            {"default": "auto"},
        ),
        "--chunk-frames N": "run recordings of more than N frames in chunks of N, in bounded memory (default: by the "
        "model's size); it changes time and memory, not the predictions",
        "--stream SECONDS": (
            "an answer every SECONDS (default: 1) while the recording comes in, and at its end that of the whole; the "
            "input '-' is sound from standard input: 16-bit little-endian integers, one channel, at the sample rate of "
            "the model's features",
            {"nargs": "?", "const": 1.0, "type": _seconds},
        ),
    },
    STOCK_OPTIONS,
    PLUGINS,
)
def main(arguments: argparse.Namespace) -> int:
    """Print or write the predictions; exit code 3 where some of the files have none."""
    is_about_events = wants_events(arguments)
    if not is_about_events and arguments.format is None:
        table_format(arguments.output)
    card = find_card(arguments)
    from seqconv.config import load_config
    from seqconv.prediction.dispatch import predict_tables, trained_windows
    from seqconv.prediction.entries import check_entries, find_entries

    config = load_config(arguments.config or {}, arguments.set) if card.is_empty else None
    features = None if config is None else config.features
    settings = features or card.features
    if settings is not None and arguments.stream is None:
        check_entries(find_entries(arguments.inputs, settings, card.segmentation.form))
    model = open_stored(arguments)
    target = None if config is None else stock_target(model, arguments.labels, config)
    _check_top(arguments.top, target or card.target)
    bad: list[BadFile] = []
    options = {"strategy": arguments.strategy, "chunk_frames": arguments.chunk_frames}
    if is_about_events:
        write_events(arguments, model, bad, features=features, target=target, **options)
    elif arguments.stream is None:
        windows = trained_windows(card)
        if windows is not None:
            say(f"a row for each window of {windows.seconds:g} s, every {windows.step:g} s; --events merges them")
        options |= {"features": features, "target": target, "quarantine": bad}
        _write(predict_tables(model, arguments.inputs, **options), arguments, target or card.target)
    else:
        from seqconv.cli.streaming import stream_tables

        _write(stream_tables(arguments, model), arguments, target or card.target)
    return SOME_WITHOUT if bad else 0


def _write(tables: "Iterable[pd.DataFrame]", arguments: argparse.Namespace, target: "Target | None") -> None:
    if arguments.top is not None and target is not None:
        names, count = target.definition.class_names(target.names), arguments.top
        tables = (most_probable(table, names, count) for table in tables)
    rows, _ = write_tables(tables, arguments.output, arguments.format)
    if arguments.output is not None:
        say(f"wrote {amount(rows, 'prediction')} to {arguments.output}")


def _check_top(count: int | None, target: "Target | None") -> None:
    """Refuse `--top` where there are no classes, or none are to be shown.

    Raises:
        ConfigError: says which.
    """
    if count is None:
        return
    if count < 1:
        raise ConfigError(f"--top {count}: expected how many classes to show, 1 or more.")
    if target is not None and not target.definition.class_names(target.names):
        told = "tokens" if target.definition.joins_frames else "numbers"
        raise ConfigError(f"--top is about classes, but the model predicts {told}. Leave it out.")
