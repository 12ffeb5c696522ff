"""`seqconv schema`: the JSON schema of config files."""

import argparse
import json

from seqconv.cli.options import command


@command(
    "schema",
    "Print the JSON schema of config files. An editor with a YAML language server completes and checks a config whose "
    "first line is '# yaml-language-server: $schema=FILE', FILE being what this prints.",
)
def main(arguments: argparse.Namespace) -> None:
    """Print the schema."""
    from seqconv.config.loading import config_schema

    print(json.dumps(config_schema(), indent=2, ensure_ascii=False))
