"""`seqconv report`, `python scripts/report.py`."""

import argparse
from pathlib import Path

from seqconv.cli.options import command
from seqconv.cli.splits import say
from seqconv.config.backends import start_keras
from seqconv.errors import ConfigError


@command(
    "report",
    "Write the report of a run, RUN/report.html; of several runs, one page that compares them. Pages hold all that "
    "they show and need no network.",
    {
        "runs RUN": ("folder that training has written, of a run or of several", {"nargs": "+"}),
        "--output FILE": "where to write the comparison of several runs (default: comparison.html)",
    },
)
def main(arguments: argparse.Namespace) -> None:
    """Write the page."""
    from seqconv.experiments.folder import is_sweep

    if len(arguments.runs) > 1 or is_sweep(arguments.runs[0]):
        from seqconv.experiments import write_comparison

        path = write_comparison(arguments.runs, Path(arguments.output or "comparison.html"))
    else:
        if arguments.output is not None:
            raise ConfigError("--output is for comparisons: the report of one run is RUN/report.html.")
        from seqconv.reports.folder import read_run

        # A folder without a run is reported before TensorFlow starts.
        read_run(arguments.runs[0])
        start_keras()
        from seqconv.reports import write_report

        path = write_report(arguments.runs[0])
    say(f"wrote {path}")
