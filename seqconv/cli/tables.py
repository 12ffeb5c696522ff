"""Results as text, printed or written."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def most_probable(frame: "pd.DataFrame", names: Sequence[str], count: int) -> "pd.DataFrame":
    """Return a table with the `count` most probable classes of each row, in place of the probabilities of all.

    Args:
        frame: a table with the columns `p_<name>`.
        names: the classes; `count` of more than these are all of them.
        count: how many.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"id": ["x"], "p_a": [0.1], "p_b": [0.7], "p_c": [0.2]})
    >>> most_probable(frame, ["a", "b", "c"], 2).values.tolist()
    [['x', 'b', 0.7, 'c', 0.2]]
    """
    import numpy as np

    columns = [f"p_{name}" for name in names]
    values = frame[columns].to_numpy(np.float64)
    # Those of equal probability, in the order of the classes. A row without prediction has none.
    order = np.argsort(-values, axis=1, kind="stable")
    found = frame.drop(columns=columns)
    for rank in range(min(count, len(names))):
        chosen = np.take_along_axis(values, order[:, rank : rank + 1], axis=1)[:, 0]
        labels = [
            None if np.isnan(value) else names[place] for value, place in zip(chosen, order[:, rank], strict=True)
        ]
        found[f"top_{rank + 1}"] = labels
        found[f"score_{rank + 1}"] = chosen
    return found


def shortened(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table for the screen: probabilities with four decimals, other predicted numbers with six digits.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"time": [3600.123456], "prediction": [2503.14159], "p_up": [0.987654321]})
    >>> shortened(frame).values.tolist()
    [[3600.123456, 2503.14, 0.9877]]
    """
    short: dict[str, Any] = {}
    for name in map(str, frame.columns):
        if frame[name].dtype.kind == "f" and name.startswith(("p_", "score")):
            short[name] = frame[name].astype(float).round(4)
        elif frame[name].dtype.kind == "f" and name.startswith("prediction"):
            short[name] = frame[name].map(lambda value: float(f"{value:.6g}"))
    return frame.assign(**short)


def write_tables(
    tables: "Iterable[pd.DataFrame]", output: str | Path | None, file_format: str | None
) -> tuple[int, int]:
    """Print tables, or write them into one file, one at a time: all of them need not fit in memory.

    What is printed is `shortened`; a file has all digits.

    Returns:
        Rows and tables.
    """
    counts = [0, 0]
    chosen = file_format or table_format(output)

    def pieces() -> Iterator[str]:
        for table in tables:
            if len(table) or not counts[1]:
                yield table_text(table if output is not None else shortened(table), chosen, header=not counts[1])
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
