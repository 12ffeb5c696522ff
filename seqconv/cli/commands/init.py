"""`seqconv init`, `python scripts/init_config.py`: a first config for a folder of recordings."""

import argparse
import shutil
from pathlib import Path

from seqconv.cli.options import command, settable
from seqconv.errors import ConfigError


@command(
    "init",
    "Look at recordings, arrays or a table of them, and write a config that trains as it is, with a reason next "
    "to each choice. Where it could be meant in two ways, ask; without a terminal, stop and say what to add.",
    {
        "source FOLDER": "a folder of recordings, with tables in or beside it, or with sub-folders for classes or "
        "splits; a table of recordings (CSV, TSV, JSON Lines, Parquet); or a .ts file",
        "--label COLUMN": "column with what is to be learned (default: label)",
        "--output FILE": "where to write (default: NAME.yaml, here)",
    },
    settable("data.label_from='(?P<label>[^_]+)_'", "write a key as you say, and draft the rest around it"),
)
def main(arguments: argparse.Namespace) -> None:
    """Write the config."""
    from seqconv.cli.drafting import draft_config
    from seqconv.cli.drafting.comments import wrap
    from seqconv.cli.drafting.given import name_of, read_given, source_here
    from seqconv.files import write_text

    source = source_here(arguments.source)
    output = Path(arguments.output or f"{name_of(source)}.yaml")
    if output.exists():
        raise ConfigError(f"'{output}' exists, and is not overwritten. Choose another file with --output.")
    draft = draft_config(source, output, label=arguments.label, given=read_given(arguments.set))
    write_text(draft.text, output)
    width = shutil.get_terminal_size().columns
    print("\n".join(line for found in draft.found for line in wrap(found, width)))
    print(f"\nwrote {output}. Read it, then train it:\n  seqconv train --config {output}")
    if not draft.config.target.definition.joins_frames:
        print("or let the best of several models be found, in two minutes:")
        print(f"  seqconv train --config {output} --recipe auto")
