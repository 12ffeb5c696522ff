"""`seqconv init`, `python scripts/init_config.py`: a first config for a folder of recordings."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from seqconv.cli.terminal import report_errors
from seqconv.errors import ConfigError


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv init",
        description="Look at recordings, arrays or a table of them, and write a config that trains as it is, with the "
        "reason of each choice next to it. Decodes nothing, only reads the length of the files.",
    )
    parser.add_argument(
        "source",
        metavar="FOLDER",
        help="a folder with one sub-folder a class (or a split), a table of recordings (CSV, TSV, JSON Lines, "
        "Parquet), or a .ts file",
    )
    parser.add_argument("--label", metavar="COLUMN", help="column with what is to be learned (default: label)")
    parser.add_argument("--output", metavar="FILE", help="where to write (default: NAME.yaml, here)")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    from seqconv.cli.drafting import draft_config
    from seqconv.files import expand_user, write_text

    source = expand_user(arguments.source)
    output = Path(arguments.output or f"{_name_of(source)}.yaml")
    if output.exists():
        raise ConfigError(f"'{output}' exists, and is not overwritten. Choose another file with --output.")
    draft = draft_config(source, output, label=arguments.label)
    write_text(draft.text, output)
    print("\n".join(draft.found))
    print(f"\nwrote {output}. Read it, then train it:\n  seqconv train --config {output}")
    return 0


def _name_of(source: Path) -> str:
    """A file name for the config of a folder or table; a table named `manifest` is named after its folder."""
    path = source.absolute()
    stem = path.name if path.is_dir() else path.stem
    if stem.lower() in ("manifest", "data", "metadata") and not path.is_dir():
        stem = path.parent.name
    return re.sub(r"[^\w-]+", "_", stem).strip("_") or "config"
