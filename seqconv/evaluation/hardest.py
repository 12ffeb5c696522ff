"""The sequences that a model finds hardest: a table that a notebook shows with sound."""

from typing import Any

import pandas as pd


class WorstSequences(pd.DataFrame):
    """A DataFrame of sequences and their losses; selections of it are plain DataFrames.

    In a notebook, recordings have a player each.
    """

    # What pandas does not take for a column.
    _metadata = ["_data"]  # noqa: RUF012

    def __init__(self, table: pd.DataFrame, data: Any = None) -> None:
        super().__init__(table)  # type: ignore[call-arg]
        self._data = data

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        from seqconv.reports.notebook import worst_html

        return worst_html(self, self._data)
