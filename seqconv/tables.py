"""Results as text, and text as files that are whole at any moment."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def table_text(frame: "pd.DataFrame", file_format: str) -> str:
    """A table as `csv`, or as `jsonl`: one JSON object a line.

    >>> import pandas as pd
    >>> table_text(pd.DataFrame({"id": ["007"], "prediction": ["no"]}), "jsonl")
    '{"id":"007","prediction":"no"}\\n'
    """
    if file_format == "jsonl":
        text: str = frame.to_json(orient="records", lines=True, double_precision=15, force_ascii=False)
        return text.replace("\\/", "/")
    return frame.to_csv(index=False)


def write_text(text: str, path: Path) -> None:
    """Put `text` into `path` in one step: a reader sees the old or the new file, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
