"""`seqconv init`, `python scripts/init_config.py`: a first config for a folder of recordings."""

import argparse
import re
import shutil
from pathlib import Path
from typing import Any

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
    draft = draft_config(source, output, label=arguments.label, given=_read_given(arguments.set))
    write_text(draft.text, output)
    width = shutil.get_terminal_size().columns
    print("\n".join(line for found in draft.found for line in wrap(found, width)))
    print(f"\nwrote {output}. Read it, then train it:\n  seqconv train --config {output}")


def _read_given(settings: list[str]) -> dict[str, dict[str, Any]]:
    """Return sections with the keys that are set."""
    from seqconv.config.files import parse_yaml
    from seqconv.parts.keys import set_value

    given: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or "." not in key:
            raise ConfigError(f"--set {setting}: expected SECTION.KEY=VALUE, such as data.events=labels.csv")
        obstacle = set_value(given, key.strip(), parse_yaml(value, source=f"--set {key}"))
        if obstacle:
            raise ConfigError(f"--set {setting}: {obstacle}")
    return given


def _name_of(source: Path) -> str:
    """Return a file name for the config of a folder or table; a table named `manifest` is named after its folder."""
    path = source.absolute()
    stem = path.name if path.is_dir() else path.stem
    if stem.lower() in ("manifest", "data", "metadata") and not path.is_dir():
        stem = path.parent.name
    return re.sub(r"[^\w-]+", "_", stem).strip("_") or "config"
