"""Features of all rows, computed once by the layers before the head, and a check that memory and disk hold them."""

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.features import pieces_of
from seqconv.models.pooled_model import PooledModel
from seqconv.prediction.forward import forward
from seqconv.prediction.streaming.whole import ChunkRunner
from seqconv.sources import Selection
from seqconv.training.ridge.blocks import BLOCK_BYTES, KEPT_BYTES, kept_array
from seqconv.training.ridge.rows import TrainingRows
from seqconv.training.run.setup import RunSetup
from seqconv.training.step.memory import available_bytes

# Of sequences that are computed at once.
BLOCK_ROWS = 1024
TIMED_SEQUENCES = 32
# The products, their eigenvectors, and the room that LAPACK takes for them, in float64.
MATRICES = 4
MOST_BYTES = 8 << 30


def check_fits(num_rows: int, num_features: int, noun: str, folder: Path | None = None) -> None:
    """Check that the equations fit into memory, and the features onto the disk, before any are computed.

    Args:
        num_rows: of the features.
        num_features: of each row.
        noun: what rows are, for the message.
        folder: where the features are kept, if they are too many for memory.

    Raises:
        ConfigError: with the bytes, and how many features there may be.
    """
    size, free = min(num_rows, num_features), available_bytes()
    most = MOST_BYTES if free is None else min(MOST_BYTES, free)
    needed = 8 * MATRICES * size**2
    remedy = (
        "Give the model fewer features: fewer inputs or num_dilations of random_convolutions, or fewer poolings, "
        "thresholds or statistics"
    )
    if needed > most:
        raise ConfigError(
            f"training.solver 'ridge' solves equations of {size:,} unknowns, for {num_features:,} features of "
            f"{num_rows:,} {noun}: a matrix of {8 * size**2 / 1e9:,.1f} GB, and {needed / 1e9:,.1f} GB in all, but at "
            f"most {most / 1e9:,.1f} GB are used{'' if most == MOST_BYTES else ', which are free'}. {remedy}: at most "
            f"{int((most / 8 / MATRICES) ** 0.5):,} fit."
        )
    stored = 4 * num_rows * num_features
    if stored > KEPT_BYTES and folder is not None and stored > (disk := shutil.disk_usage(folder).free):
        raise ConfigError(
            f"training.solver 'ridge' keeps {num_features:,} features of {num_rows:,} {noun} in a file while it works: "
            f"{stored / 1e9:,.1f} GB, but {folder} has {disk / 1e9:,.1f} GB left. Make room, or run it in another "
            f"folder. {remedy}, or strides, where rows are frames."
        )


def compute_features(
    pooled: PooledModel, train: Sequences, rows: TrainingRows, folder: Path | None = None
) -> npt.NDArray[np.float32]:
    """Return what the model returns for each row, `(n, num_features)`; of more than 1 GB, in a file of `folder`.

    They are kept, because the equations need them several times, and random convolutions take longer than any disk.
    """
    features = kept_array((len(rows.weights), pooled.num_outputs), folder)
    start = 0
    for found in _computed(pooled, train, rows):
        features[start : start + len(found)] = found
        start += len(found)
    return features


def _computed(pooled: PooledModel, train: Sequences, rows: TrainingRows) -> Iterator[npt.NDArray[Any]]:
    """Yield the features of the rows, in order, in pieces of bounded size."""
    most = max(1, BLOCK_BYTES // (4 * pooled.num_outputs))
    masks = rows.is_kept
    runner = None
    for part in _batches([1] * len(rows.sequences) if masks is None else list(map(len, masks)), most):
        sequences = rows.sequences[part]
        if masks is None:
            yield forward(pooled, Selection(train, sequences))
        elif len(masks[part.start]) > most and pooled.chunkable:
            runner = runner or ChunkRunner(pooled)
            start = 0
            for frames in runner.frame_logits(pieces_of(train[int(sequences[0])])):
                yield frames[masks[part.start][start : start + len(frames)]]
                start += len(frames)
        else:
            for frames, is_kept in zip(forward(pooled, Selection(train, sequences)), masks[part], strict=True):
                yield frames[is_kept]


def _batches(counts: Sequence[int], most: int) -> Iterator[slice]:
    """Yield sequences that are computed at once: of at most so many rows in all, or one.

    >>> [(part.start, part.stop) for part in _batches([2, 2, 9, 1], most=4)]
    [(0, 2), (2, 3), (3, 4)]
    """
    start = rows = 0
    for place, count in enumerate(counts):
        if place > start and (rows + count > most or place - start == BLOCK_ROWS):
            yield slice(start, place)
            start, rows = place, 0
        rows += count
    yield slice(start, len(counts))


def time_features(experiment: RunSetup) -> float:
    """Return the seconds that the features of the training sequences take, from those of some of them."""
    model, train = PooledModel(experiment.model), experiment.training_set.sequences
    some = Selection(train, np.arange(min(len(train), TIMED_SEQUENCES)))
    # The first call compiles.
    forward(model, some)
    started = time.monotonic()
    forward(model, some)
    return float((time.monotonic() - started) * train.lengths.sum() / np.sum(some.lengths))
