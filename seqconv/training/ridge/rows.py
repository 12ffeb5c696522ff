"""The rows that a head is fitted to: sequences, or frames of sequences, that have a label and a weight."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.batching import FrameTargets
from seqconv.batching.frame_targets import MISSING
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError
from seqconv.evaluation.predictions import frame_truth
from seqconv.tasks.target import Target
from seqconv.training.ridge.blocks import FloatArray, IntArray
from seqconv.training.run.training_set import Labels


@dataclass(frozen=True)
class TrainingRows:
    """Rows with a weight above 0.

    `sequences`: which sequences they are of, `(n_sequences,)`. `is_kept`: of each of these, which of its output frames
    are rows; None: each sequence is one. `encoded` `(n, num_outputs)`, NaN where a label is missing; `weights` `(n,)`.
    `owners` `(n,)`: what is left out together, by number; None: each row by itself.
    """

    sequences: IntArray
    is_kept: list[npt.NDArray[np.bool_]] | None
    encoded: FloatArray
    weights: FloatArray
    owners: IntArray | None

    @property
    def num_groups(self) -> int:
        """Number of sequences, or groups, that are left out in turn."""
        return len(self.weights) if self.owners is None else len(np.unique(self.owners))

    def num_sequences(self, is_row: npt.NDArray[np.bool_]) -> int:
        """Return of how many sequences these rows are."""
        if self.is_kept is None:
            return int(is_row.sum())
        counts = [int(mask.sum()) for mask in self.is_kept]
        return len(np.unique(np.repeat(self.sequences, counts)[is_row]))

    @property
    def noun(self) -> str:
        """Word for the rows in messages."""
        return "training sequences" if self.is_kept is None else "training frames"

    def truth(self, target: Target, train: Sequences, stride: int) -> FloatArray:
        """Return the labels of the rows for the scores, in their own unit."""
        some = train.subset(self.sequences)
        if self.is_kept is None:
            return target.definition.truth(target, some.labels, some.ids)
        return frame_truth(target, some, stride).targets[np.concatenate(self.is_kept)]

    def check_enough(self, targets: FloatArray, train: Sequences, names: tuple[str, ...]) -> None:
        """Check that some sequence, or group, is left where one is left out.

        Raises:
            ConfigError: all are of one group.
            ManifestError: too few have a label.
        """
        is_grouped = train.groups is not None
        if train.groups is not None and len({train.groups[index] for index in self.sequences.tolist()}) < 2:
            raise ConfigError(
                f"training.solver 'ridge' leaves each group out, but all {len(self.sequences)} training sequences are "
                f"of the group '{train.groups[int(self.sequences[0])]}'. Remove the groups, or name a column with "
                "several (data.columns, split.group)."
            )
        for name, known in zip(names, (~np.isnan(targets)).T, strict=True):
            num_known = int(known.sum())
            if num_known < 2 or (self.owners is not None and len(np.unique(self.owners[known])) < 2):
                of_one = f", which are of one {'group' if is_grouped else 'sequence'}"
                raise ManifestError(
                    f"'{name}' is known for {num_known:,} of {len(targets):,} {self.noun}"
                    f"{'' if self.owners is None or num_known == 0 else of_one}: training.solver 'ridge' leaves each "
                    f"{'group' if is_grouped else 'sequence'} out and needs others to learn from. Label more, or leave "
                    "it out."
                )


def collect_rows(train: Sequences, labels: Labels, weights: npt.NDArray[np.float32]) -> TrainingRows:
    """Return the rows that have a weight.

    Args:
        train: the sequences; those of a group are left out together, and so are all frames of a sequence.
        labels: encoded, `(n, num_outputs)`, or of frames.
        weights: of the sequences, `(n,)`.
    """
    sequences = np.flatnonzero(np.asarray(weights) > 0)
    numbers: Any = None
    if train.groups is not None:
        numbers = np.unique(np.array(train.groups), return_inverse=True)[1]
    if not isinstance(labels, FrameTargets):
        encoded = np.asarray(labels, np.float64)[sequences]
        owners = None if numbers is None else numbers[sequences]
        return TrainingRows(sequences, None, encoded, np.asarray(weights, np.float64)[sequences], owners)
    found = [labels.of_sequence(index) for index in sequences.tolist()]
    masks = [shares > 0 for _, shares in found]
    is_used = np.array([mask.any() for mask in masks], bool)
    rows = np.concatenate([rows[mask] for (rows, _), mask in zip(found, masks, strict=True)]).astype(np.float64)
    if labels.may_be_partial:
        rows[rows == MISSING] = np.nan
    shared = [shares[mask] * weights[index] for (_, shares), mask, index in zip(found, masks, sequences, strict=True)]
    counts = [int(mask.sum()) for mask in masks]
    owners = np.repeat(sequences if numbers is None else numbers[sequences], counts)
    kept = [mask for mask, used in zip(masks, is_used, strict=True) if used]
    return TrainingRows(sequences[is_used], kept, rows, np.concatenate(shared).astype(np.float64), owners)
