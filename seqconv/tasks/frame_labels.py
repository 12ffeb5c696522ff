"""Labels of frames: one array for each sequence, in one compact form for every input form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError, list_some
from seqconv.tasks.base import find_task

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]
MISSING = -1
SHOWN_PROBLEMS = 20


@dataclass(frozen=True, eq=False)
class FrameLabels(Sequence[Array]):
    """The labels of all frames of some sequences; `labels[i]` are those of sequence i.

    `arrays`: classification: int32 `(time,)`, positions in `names`; multilabel: int8 `(time, C)`, 0 or 1; -1 is a
    missing label in both, in the latter of that class alone. Regression: float64 `(time, C)`, NaN is missing.
    `are_columns`: the names are columns of the arrays, which hold even where no frame has them.

    >>> labels = FrameLabels("classification", ("a", "b"), [np.array([0, 1, -1]), np.array([1])])
    >>> labels.lengths.tolist(), labels.num_labeled
    ([3, 1], 3)
    """

    task: str
    names: tuple[str, ...]
    arrays: list[Array]
    are_columns: bool = False

    def __len__(self) -> int:
        return len(self.arrays)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> "FrameLabels": ...
    def __getitem__(self, index: int | slice) -> "Array | FrameLabels":
        return replace(self, arrays=self.arrays[index]) if isinstance(index, slice) else self.arrays[index]

    @property
    def lengths(self) -> IntArray:
        """Frames of each sequence."""
        return np.array([len(array) for array in self.arrays], np.int64)

    @property
    def num_labeled(self) -> int:
        """Frames that have a label."""
        return sum(int(np.count_nonzero(self.is_labeled(index))) for index in range(len(self)))

    def take(self, indices: Iterable[int]) -> "FrameLabels":
        """Return the labels of some sequences, in the order of `indices`."""
        return replace(self, arrays=[self.arrays[index] for index in indices])

    def is_labeled(self, index: int, frames: slice = slice(None)) -> npt.NDArray[np.bool_]:
        """Return which frames of a sequence have a label; of several labels, some."""
        return find_task(self.task).frames_labeled(self.arrays[index][frames])

    def holds_event(self, index: int, background: str | None = None) -> bool:
        """Whether some frame of a sequence has a label that is not `background`.

        >>> FrameLabels("classification", ("none", "song"), [np.array([0, 0, -1])]).holds_event(0, "none")
        False
        """
        classes = find_task(self.task).class_names(self.names, background)
        if not classes:
            return bool(self.is_labeled(index).any())
        present = self.take([index]).present()
        return any(present[self.names.index(name)] for name in classes)

    def encode(self, index: int, frames: slice = slice(None)) -> npt.NDArray[np.float64]:
        """Return one-hot rows, 0/1 rows or values `(time, C)`; NaN if a label is missing.

        >>> FrameLabels("multilabel", ("a", "b"), [np.array([[0, 1], [-1, 1]])]).encode(0).tolist()
        [[0.0, 1.0], [nan, 1.0]]
        """
        return find_task(self.task).frame_rows(self.arrays[index][frames], len(self.names))

    def present(self) -> npt.NDArray[np.bool_]:
        """Return which of the classes some frame has."""
        found = np.zeros(len(self.names), bool)
        for array in self.arrays:
            found |= find_task(self.task).frames_present(array, len(self.names))
        return found

    def rename(self, names: Sequence[str], ids: Sequence[str] | None = None) -> "FrameLabels":
        """Return the same labels under other names, or in another order of the names.

        Raises:
            ManifestError: frames with labels outside `names`, or columns that do not fit them.

        >>> FrameLabels("classification", ("b",), [np.array([0, -1])]).rename(["a", "b"])[0].tolist()
        [1, -1]
        """
        if tuple(names) == self.names:
            return self
        if self.are_columns and sorted(names) != sorted(self.names):
            raise ManifestError(
                f"the labels have {len(self.names)} columns, {list_some(self.names)}, but expected are {len(names)}: "
                f"{list_some(names)}"
            )
        positions = np.array([names.index(name) if name in names else MISSING for name in self.names], np.int64)
        strange = self.present() & (positions == MISSING)
        if strange.any():
            rows = [index for index in range(len(self)) if (self.take([index]).present() & strange).any()]
            listed = list_some(name for name, is_strange in zip(self.names, strange, strict=True) if is_strange)
            raise ManifestError(
                f"frames of {describe(rows, ids)} have unknown labels {listed}. Known: {list_some(names, 20)}"
            )
        move = find_task(self.task).rename_frames
        return replace(self, names=tuple(names), arrays=[move(array, positions, len(names)) for array in self.arrays])


def find_length_problems(
    labels: FrameLabels, lengths: npt.ArrayLike, ids: Sequence[str], cause: str = "features.hop_length"
) -> list[str]:
    """Return sequences whose numbers of labels and frames differ, as text.

    >>> find_length_problems(FrameLabels("classification", ("a",), [np.zeros(3, int)]), [4], ["x"])
    ["'x' has 3 labels for 4 frames: were they made with another features.hop_length?"]
    """
    return [
        f"'{name}' has {found} labels for {wanted} frames: were they made with another {cause}?"
        for name, found, wanted in zip(ids, labels.lengths.tolist(), np.asarray(lengths).tolist(), strict=True)
        if found != wanted
    ]


def raise_listed(problems: Sequence[str]) -> None:
    """Raise one ManifestError that lists the problems, if there are any."""
    if len(problems) == 1:
        raise ManifestError(problems[0])
    if problems:
        more = [f"and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        raise ManifestError("\n  ".join([f"{len(problems)} problems", *problems[:SHOWN_PROBLEMS], *more]))


def describe(rows: Sequence[int], ids: Sequence[str] | None) -> str:
    """Name sequences by id, or by number if they have none.

    >>> describe([0, 2], None), describe([1], ["a", "b"])
    ("sequences '0', '2'", "'b'")
    """
    return list_some(ids[row] for row in rows) if ids is not None else f"sequences {list_some(rows)}"
