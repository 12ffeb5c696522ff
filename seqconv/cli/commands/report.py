"""`seqconv report`, `python scripts/report.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from seqconv.cli.splits import say
from seqconv.cli.terminal import report_errors, start_keras
from seqconv.errors import ConfigError


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv report",
        description="Write the report of a run, RUN/report.html; of several runs, one page that compares them. Pages "
        "hold all that they show and need no network.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder that training has written, of a run or of several"
    )
    parser.add_argument(
        "--output", metavar="FILE", help="where to write the comparison of several runs (default: comparison.html)"
    )
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    from seqconv.experiments.folder import is_series

    if len(arguments.runs) > 1 or is_series(arguments.runs[0]):
        from seqconv.experiments import write_comparison

        path = write_comparison(arguments.runs, Path(arguments.output or "comparison.html"))
    else:
        if arguments.output is not None:
            raise ConfigError("--output is for comparisons: the report of one run is RUN/report.html.")
        from seqconv.reports.folder import read_run

        # A folder that holds no run is told before TensorFlow starts.
        read_run(arguments.runs[0])
        start_keras()
        from seqconv.reports import write_report

        path = write_report(arguments.runs[0])
    say(f"wrote {path}")
    return 0
