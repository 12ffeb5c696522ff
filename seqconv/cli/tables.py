"""Results as text, printed or written."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.interruption import interruptible
from seqconv.errors import ConfigError
from seqconv.files import write_pieces

if TYPE_CHECKING:
    import pandas as pd


TABLE_FORMATS = ("csv", "tsv", "jsonl")
_FORMAT_OF = {"": "csv", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def table_format(output: str | Path | None) -> str:
    """Return the format that a file's extension asks for; csv if there is no file name.

    Raises:
        ConfigError: a name that asks for something else.

    >>> table_format("out/answers.tsv")
    'tsv'
    """
    suffix = "" if output is None else Path(output).suffix.lower()
    if suffix not in _FORMAT_OF:
        raise ConfigError(
            f"--output {output}: tables are written as .csv, .tsv or .jsonl, not as {suffix}. Name the file so, or "
            "choose with --format."
        )
    return _FORMAT_OF[suffix]


def table_text(frame: "pd.DataFrame", file_format: str, *, header: bool = True) -> str:
    """Format a table as `csv` or `tsv`, or as `jsonl`: one JSON object a line. Without `header`, rows alone.

    >>> import pandas as pd
    >>> table_text(pd.DataFrame({"id": ["007"], "prediction": ["no"]}), "jsonl")
    '{"id":"007","prediction":"no"}\\n'
    """
    if file_format == "jsonl":
        text: str = frame.to_json(orient="records", lines=True, double_precision=15, force_ascii=False)
        return text.replace("\\/", "/")
    return frame.to_csv(index=False, header=header, sep="\t" if file_format == "tsv" else ",")


def write_tables(
    tables: "Iterable[pd.DataFrame]", output: str | Path | None, file_format: str | None
) -> tuple[int, int]:
    """Print tables, or write them into one file, one at a time: all of them need not fit in memory.

    Returns:
        Rows and tables.
    """
    counts = [0, 0]
    chosen = file_format or table_format(output)

    def pieces() -> Iterator[str]:
        for table in tables:
            if len(table) or not counts[1]:
                yield table_text(table, chosen, header=not counts[1])
            counts[0] += len(table)
            counts[1] += 1

    if output is None:
        with interruptible("what was printed is complete up to here"):
            for piece in pieces():
                sys.stdout.write(piece)
                # A running answer is read while the next one is awaited.
                sys.stdout.flush()
    else:
        with interruptible(f"{output} was not written"):
            write_pieces(pieces(), Path(output))
    return counts[0], counts[1]
