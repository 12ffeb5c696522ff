"""`seqconv predict`, `python scripts/predict.py`."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqconv.batching.strategies import STRATEGIES
from seqconv.cli.detection import add_event_arguments, wants_events, write_events
from seqconv.cli.interruption import interruptible
from seqconv.cli.splits import say
from seqconv.cli.stock_models import add_stock_arguments, check_card_is_kept, stock_target
from seqconv.cli.streaming import add_stream_argument, stream_tables
from seqconv.cli.tables import TABLE_FORMATS, table_format, table_text
from seqconv.cli.terminal import report_errors, start_keras
from seqconv.files import write_pieces
from seqconv.text import amount

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.features.store import BadFile

SOME_WITHOUT = 3
"""Exit code if some of the files have no prediction; 2 is an error, after which none has."""


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv predict",
        description="Predict for recordings, or for files of features if the model was trained on those.",
    )
    parser.add_argument("--model", required=True, metavar="FILE", help="RUN/model.keras")
    parser.add_argument("inputs", nargs="+", metavar="FILE_OR_FOLDER", help="a folder: all recordings below it")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="a .csv, .tsv or .jsonl file; with --events also a .txt file or a folder for label tracks of Audacity "
        "(default: standard output)",
    )
    parser.add_argument(
        "--format", choices=(*TABLE_FORMATS, "audacity"), help="default: by the extension of --output, or csv"
    )
    add_event_arguments(parser)
    parser.add_argument(
        "--strategy",
        default="auto",
        choices=("auto", *STRATEGIES),
        help="how to batch; it changes the time, not the predictions",
    )
    parser.add_argument(
        "--chunk-frames",
        type=int,
        metavar="N",
        help="run recordings of more than N frames in chunks of N, in bounded memory (default: by the model's size); "
        "it changes time and memory, not the predictions",
    )
    add_stream_argument(parser)
    add_stock_arguments(parser)
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    is_about_events = wants_events(arguments)
    if not is_about_events and arguments.format is None:
        table_format(arguments.output)
    start_keras()
    from seqconv.config import load_config
    from seqconv.models.card import open_model, read_card
    from seqconv.prediction.dispatch import collecting, predict_tables

    model = open_model(arguments.model)
    target = features = None
    if read_card(model):
        check_card_is_kept(arguments)
    else:
        config = load_config(arguments.config or {}, arguments.overrides)
        target, features = stock_target(model, arguments.labels, config), config.features
    bad: list[BadFile] = []
    options = {"strategy": arguments.strategy, "chunk_frames": arguments.chunk_frames}
    if is_about_events:
        write_events(arguments, model, bad, features=features, target=target, **options)
    elif arguments.stream is None:
        _say_windows(model)
        tables = predict_tables(model, arguments.inputs, features=features, target=target, **options)
        _write(collecting(tables, bad), arguments)
    else:
        _write(stream_tables(arguments, model), arguments)
    return SOME_WITHOUT if bad else 0


def _say_windows(model: Any) -> None:
    from seqconv.models.card import read_card
    from seqconv.prediction.dispatch import trained_windows

    windows = trained_windows(read_card(model))
    if windows is not None:
        say(f"a row for each window of {windows.seconds:g} s, every {windows.step:g} s; --events merges them")


def _write(tables: "Iterable[pd.DataFrame]", arguments: argparse.Namespace) -> None:
    output = arguments.output
    pieces = _Pieces(tables, arguments.format or table_format(output))
    if output is None:
        with interruptible("what was printed is complete up to here"):
            for piece in pieces:
                sys.stdout.write(piece)
                # A running answer is read while the next one is awaited.
                sys.stdout.flush()
    else:
        with interruptible(f"{output} was not written"):
            write_pieces(pieces, Path(output))
        say(f"wrote {amount(pieces.num_rows, 'prediction')} to {output}")


class _Pieces:
    """Tables as text, one at a time: the predictions of all frames need not fit in memory."""

    def __init__(self, tables: "Iterable[pd.DataFrame]", file_format: str) -> None:
        self._tables, self._format = tables, file_format
        self.num_rows = 0

    def __iter__(self) -> Iterator[str]:
        for table in self._tables:
            yield table_text(table, self._format, header=not self.num_rows)
            self.num_rows += len(table)
