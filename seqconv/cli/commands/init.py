"""`seqconv init`, `python scripts/init_config.py`: a first config for a folder of recordings."""

import argparse
import re
from pathlib import Path

from seqconv.cli.options import command
from seqconv.errors import ConfigError


@command(
    "init",
    "Look at recordings, arrays or a table of them, and write a config that trains as it is, with a reason next "
    "to each choice. Decodes nothing, only reads how long the files are.",
    {
        "source FOLDER": "a folder with one sub-folder a class (or a split), a table of recordings (CSV, TSV, JSON "
        "Lines, Parquet), or a .ts file",
        "--label COLUMN": "column with what is to be learned (default: label)",
        "--output FILE": "where to write (default: NAME.yaml, here)",
    },
)
def main(arguments: argparse.Namespace) -> None:
    """Write the config."""
    from seqconv.cli.drafting import draft_config
    from seqconv.files import expand_user, is_address, write_text

    if is_address(arguments.source):
        raise ConfigError(
            f"init looks at folders and tables on this machine, and '{arguments.source}' is an address. Draft a config "
            "for a few of the recordings here, then write the address as data.manifest."
        )
    source = expand_user(arguments.source)
    output = Path(arguments.output or f"{_name_of(source)}.yaml")
    if output.exists():
        raise ConfigError(f"'{output}' exists, and is not overwritten. Choose another file with --output.")
    draft = draft_config(source, output, label=arguments.label)
    write_text(draft.text, output)
    print("\n".join(draft.found))
    print(f"\nwrote {output}. Read it, then train it:\n  seqconv train --config {output}")


def _name_of(source: Path) -> str:
    """Return a file name for the config of a folder or table; a table named `manifest` is named after its folder."""
    path = source.absolute()
    stem = path.name if path.is_dir() else path.stem
    if stem.lower() in ("manifest", "data", "metadata") and not path.is_dir():
        stem = path.parent.name
    return re.sub(r"[^\w-]+", "_", stem).strip("_") or "config"
