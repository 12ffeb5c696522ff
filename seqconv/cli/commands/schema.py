"""`seqconv schema`: the JSON schema of config files."""

import argparse

from seqconv.cli.options import command


@command(
    "schema",
    "Print the JSON schema of config files. An editor with a YAML language server completes and checks a config whose "
    "first line is '# yaml-language-server: $schema=FILE', FILE being what this prints.",
)
def main(arguments: argparse.Namespace) -> None:
    """Print the schema."""
    from seqconv.config.schema import schema_text

    print(schema_text(), end="")
