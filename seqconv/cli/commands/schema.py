"""`seqconv schema`: the JSON schema of config files."""

import argparse
from collections.abc import Sequence

from seqconv.cli.terminal import report_errors


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    return argparse.ArgumentParser(
        prog="seqconv schema",
        description="Print the JSON schema of config files. An editor with a YAML language server completes and checks "
        "a config whose first line is '# yaml-language-server: $schema=FILE', FILE being what this prints.",
    )


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    make_parser().parse_args(argv)
    from seqconv.config.schema import schema_text

    print(schema_text(), end="")
    return 0
