"""Speed beside others, every comparison in one run: contestants take turns, medians and spreads are of the rounds.

    training    real frames a second: the limit (equal lengths, no padding, no masks), padded to the longest, tf.data
                buckets, random crops, PyTorch fed by lhotse, and seqconv's padded, bucketed and packed batches
    training2d  the same of a network over time and mel bands: the limit, seqconv bucketed and packed
    attention   one layer in packed rows: in blocks as long as the longest sequence, and over the square of the row
    planning    padding, and sequences planned a second: seqconv, lhotse, SpeechBrain, Hugging Face's sampler, tf.data
    extraction  seconds of audio a second, of Ogg, WAV, FLAC and MP3, short and long: a feature store with one and two
                processes, a plain librosa loop, torchaudio, kaldi-native-fbank
    inference   sequences a second: seqconv, and one by one or padded with plain Keras
    startup     seconds: imports, --help, the first training step; of train on sequences in memory, also the memory
    augmentation  epochs of audio.yaml with and without augmentation: frames and CPU seconds, waiting for data
    profile     where the milliseconds of a training step go, by kind of operation: the limit and seqconv's packed
    archive     accuracy and seconds of recipes on a folder of NAME_TRAIN.ts and NAME_TEST.ts, beside published figures

Lengths are those of 2,780 telephone prompts (data/prompts/lengths.csv, or --prompts), clipped at 1,000 frames and not,
and log-normal ones. Each JSON row holds the median, lowest and highest of the rounds; rows with the metric `ratio` hold
those of the ratio within each round. Peers come with the extra: pip install -e '.[benchmark]'.

`archive FOLDER` has rows of its own, {dataset, recipe, seed, accuracy, seconds}; with --json FILE, the same command
goes on where it was stopped. Seconds are those from the files to a saved model and its score, after imports.
"""

import argparse
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.terminal import report_errors
from seqconv.config.recipes import BUDGET
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

BENCHMARKS = (
    "training",
    "training2d",
    "attention",
    "planning",
    "extraction",
    "inference",
    "startup",
    "augmentation",
    "profile",
)
ARCHIVE = "archive"
_LENGTHS = (
    "of prompts-clipped, prompts, lognormal; of extraction: ogg-8k, wav-16k, wav-44k, flac-16k, mp3-16k, wav-16k-clips "
    "(0.3 s), wav-16k-minutes (18 each), wav-16k-hours (9.8 in all)"
)
# Options that a benchmark would make no use of.
_NO_USE = {
    ARCHIVE: ("repeats", "lengths", "prompts", "only"),
    "extraction": ("prompts",),
    "startup": ("lengths", "prompts"),
    "augmentation": ("lengths", "prompts"),
}
_ARCHIVE_ALONE = ("folder", "recipe", "seeds", "budget")


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=(*BENCHMARKS, ARCHIVE))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    parser.add_argument("--repeats", type=int, metavar="N", help="rounds (default: 5)")
    parser.add_argument("--lengths", default="", metavar="A,B", help=_LENGTHS)
    parser.add_argument("--prompts", type=Path, metavar="DIR", help="take the lengths from there (make_prompts)")
    parser.add_argument("--only", default="", metavar="A,B", help="contestants whose name contains A or B")
    parser.add_argument("--accuracy", action="store_true", help="training: accuracy at equal time, of crops and packed")
    parser.add_argument("--quick", action="store_true", help="tiny settings, to see that it runs; numbers mean nothing")
    archive = parser.add_argument_group(ARCHIVE)
    archive.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="the data sets")
    archive.add_argument("--recipe", nargs="+", metavar="NAME", help="recipes to run (default: all)")
    archive.add_argument("--budget", metavar="TIME", help="of the recipe auto, such as 60s or 5min (default: 120s)")
    archive.add_argument("--seeds", type=int, metavar="N", help="runs of each recipe, seeds 0 to N - 1 (default: 1)")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the rows."""
    # FOLDER may stand behind options.
    arguments = make_parser().parse_intermixed_args(argv)
    _refuse_options_of_others(arguments)
    if arguments.benchmark == ARCHIVE:
        return _run_archive(arguments)
    repeats = 5 if arguments.repeats is None else arguments.repeats
    if repeats < 1:
        raise ConfigError(f"--repeats {repeats}: expected 1 or more; ratios deserve at least 5.")
    from benchmarks.results import write_rows
    from benchmarks.settings import Settings

    settings = Settings(
        repeats=repeats,
        lengths=_split(arguments.lengths),
        prompts=arguments.prompts,
        only=_split(arguments.only),
        is_quick=arguments.quick,
    )
    console = _make_console(f"{settings.rounds} rounds, median (lowest-highest)", is_quick=settings.is_quick)
    module = import_module(f"benchmarks.{'accuracy' if arguments.accuracy else arguments.benchmark}")
    rows = []
    for comparison in module.compare(settings):
        comparison.print(console)
        rows += comparison.rows()
    if arguments.json:
        write_rows(rows, arguments.json)
    return 0


def _refuse_options_of_others(arguments: argparse.Namespace) -> None:
    """Refuse options that the benchmark makes no use of.

    Raises:
        ConfigError: names the first of them.
    """
    if arguments.accuracy and arguments.benchmark != "training":
        raise ConfigError("--accuracy belongs to the benchmark 'training'.")
    name = arguments.benchmark
    shown_name = f"'{name}' with --accuracy" if arguments.accuracy else f"'{name}'"
    no_use = ("lengths", "prompts") if arguments.accuracy else _NO_USE.get(name, ())
    for option in (*no_use, *(() if name == ARCHIVE else _ARCHIVE_ALONE)):
        if (value := getattr(arguments, option)) not in (None, ""):
            shown = f"'{value}'" if option == "folder" else f"--{option}"
            belongs = (
                f"of the benchmark '{ARCHIVE}'" if option in _ARCHIVE_ALONE else f"no use to the benchmark {shown_name}"
            )
            raise ConfigError(f"{shown} is {belongs}. Leave it out.")
    if name == ARCHIVE and arguments.folder is None:
        raise ConfigError(f"'{ARCHIVE}' needs a folder with NAME_TRAIN.ts and NAME_TEST.ts: {ARCHIVE} FOLDER.")


def _run_archive(arguments: argparse.Namespace) -> int:
    from benchmarks.archive import ArchiveSettings, run_archive

    settings = ArchiveSettings(
        arguments.folder,
        recipes=arguments.recipe or (),
        seeds=1 if arguments.seeds is None else arguments.seeds,
        budget=arguments.budget or BUDGET,
        json=arguments.json,
        is_quick=arguments.quick,
    )
    return run_archive(settings, _make_console("accuracy: mean (lowest-highest) of seeds", is_quick=arguments.quick))


def _make_console(what: str, *, is_quick: bool) -> "Console":
    """Return the console of the tables, with the machine and what is shown as its first line."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(f"{describe_machine()}; {what}")
    if is_quick:
        console.print("--quick: so little work that these numbers mean nothing")
    return console


def describe_machine() -> str:
    """Processor, cores and interpreter."""
    from seqconv.features.store.workers import available_cores

    return (
        f"{platform.processor() or platform.machine()}, {available_cores()} cores, Python {platform.python_version()}"
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


if __name__ == "__main__":
    sys.exit(main())
