"""Results as text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def table_text(frame: "pd.DataFrame", file_format: str, *, header: bool = True) -> str:
    """A table as `csv`, or as `jsonl`: one JSON object a line. Without `header`, csv goes on where another ended.

    >>> import pandas as pd
    >>> table_text(pd.DataFrame({"id": ["007"], "prediction": ["no"]}), "jsonl")
    '{"id":"007","prediction":"no"}\\n'
    """
    if file_format == "jsonl":
        text: str = frame.to_json(orient="records", lines=True, double_precision=15, force_ascii=False)
        return text.replace("\\/", "/")
    return frame.to_csv(index=False, header=header)
