"""Answers of a network to the training sequences, each fold by a network that has seen the others."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.experiments.recipes.candidates import held_out_config
from seqconv.experiments.recipes.clock import Clock, Pace
from seqconv.training.run.trial import answer_held_out


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Logits of all training sequences, NaN where none was computed, and their encoded labels and weights."""

    logits: npt.NDArray[np.float64]
    labels: npt.NDArray[Any]
    weights: npt.NDArray[np.float64]


def answer_folds(
    config: Config,
    data: Datasets,
    folds: npt.NDArray[np.int64],
    path: Path,
    clock: Clock,
    share: float,
    console: Console,
) -> HeldOut:
    """Train without each fold in turn, and return the answers to it.

    Args:
        config: of the network.
        data: whose training sequences are divided.
        folds: of each sequence `(n,)`.
        path: a folder for the runs.
        clock: ends a training that leaves no time for the other folds, and one on all sequences.
        share: how many times as many sequences that one has.
        console: for what the trainings say.

    Raises:
        OutOfTime: all folds, and the training on all sequences, do not fit into the budget.
    """
    train, count = data.train, int(folds.max()) + 1
    labels = data.labels_of("train")
    logits = np.full((len(train), data.target.num_outputs), np.nan)
    quick = held_out_config(config)
    for fold in range(count):
        held_out = folds == fold
        others = replace(data, train=train.subset(~held_out), valid=None, test=None, contents={}, splits=None)
        pace = Pace(clock, (count - fold) + share * count / (count - 1))
        logits[held_out] = answer_held_out(
            quick, others, train.subset(held_out), path / f"fold-{fold}", [pace], console
        )
    weights = np.ones(len(train)) if train.weights is None else np.asarray(train.weights, np.float64)
    is_labeled = data.target.definition.is_labeled(labels)
    return HeldOut(logits, labels, np.where(is_labeled, weights, 0))
