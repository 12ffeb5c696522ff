"""The sequences of one file, as each of its readers returns them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from seqconv.features.contents import Content
from seqconv.features.kinds import Precomputed


@dataclass(frozen=True, eq=False)
class Cases:
    """The sequences of one file, in order.

    Attributes:
        ids: names, unique within the file.
        read: returns the content of a sequence, by its number from 0.
        columns: what the file says of each sequence, such as its `label`: cells of text, None where it says nothing.
        notes: what the user should know of the reading.
        changes: of each other column, a place where it changes within a sequence.
    """

    ids: Sequence[str]
    read: Callable[[int, Precomputed], Content]
    columns: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    changes: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of_arrays(
        cls, arrays: Sequence[npt.NDArray[Any]], columns: Mapping[str, Sequence[str | None]], *notes: str
    ) -> "Cases":
        """Make the cases of arrays `(time, d)`, named by their numbers.

        >>> import numpy as np
        >>> cases = Cases.of_arrays([np.zeros((3, 2)), np.ones((1, 2))], {"label": ["a", "b"]})
        >>> len(cases), cases.read(1, Precomputed()).values.tolist()
        (2, [[1.0, 1.0]])
        """
        ids = [str(number) for number in range(len(arrays))]
        return cls(ids, lambda number, _: Content(arrays[number]), columns, notes)
