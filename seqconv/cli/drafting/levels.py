"""The scale of recordings: how much it differs, and what `features.normalize` makes of that."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seqconv.cli.drafting.signals import SignalFacts
from seqconv.errors import SeqconvError
from seqconv.features import load_features
from seqconv.features.audio.decoding import read_blocks
from seqconv.features.audio.regions import part_of
from seqconv.features.cases import case_arguments

MUCH = 12.0
"""Decibels between the quiet and the loud tenth, from which on the scale of recordings differs much."""

_FEWEST, _MOST_READ = 4, 60
_SECONDS = 10
_TELLING = 0.3


@dataclass(frozen=True)
class Levels:
    """The scales of some recordings.

    `spread`: decibels from the quietest to the loudest tenth. `between_classes`: the part of the differences that is
    between classes, from 0 to 1; None where there are none.
    """

    spread: float
    between_classes: float | None

    @property
    def is_telling(self) -> bool:
        """Whether the level tells classes apart."""
        return self.between_classes is not None and self.between_classes > _TELLING


def measure_levels(frame: pd.DataFrame, signals: SignalFacts, labels: str | None) -> Levels | None:
    """Read a part of some recordings, and compare their scales; None if too few can be compared.

    Args:
        frame: the manifest.
        signals: facts about its files.
        labels: the column with classes; None if there is none.
    """
    chosen = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), _MOST_READ)).astype(int))
    scales, rows = [], []
    for row in chosen.tolist():
        with suppress(SeqconvError, OSError, ValueError):
            scales.append(_scales_of(frame.iloc[row].to_dict(), signals))
            rows.append(row)
    if not scales:
        return None
    with np.errstate(divide="ignore"):
        decibels = 20 * np.log10(np.stack(scales))
    decibels[~np.isfinite(decibels)] = np.nan
    # Features have units of their own: each is compared with itself.
    decibels = decibels[:, ~np.isnan(decibels).all(axis=0)]
    # Silence has no level.
    heard = np.flatnonzero((~np.isnan(decibels)).any(axis=1))
    if len(heard) < _FEWEST:
        return None
    levels = np.nanmean((decibels - np.nanmedian(decibels, axis=0))[heard], axis=1)
    low, high = np.quantile(levels, [0.1, 0.9])
    share = None
    if labels is not None:
        share = _share_between(levels, [frame[labels].iloc[rows[place]] for place in heard])
    return Levels(float(high - low), share)


def _scales_of(row: dict[Any, Any], signals: SignalFacts) -> np.ndarray:
    """Return the standard deviation of each feature, or the root mean square of samples."""
    if signals.kind == "features":
        values = load_features(row["path"], {"kind": "precomputed", **signals.table.settings}, **case_arguments(row))
        return np.asarray(values.std(axis=0), np.float64)
    start, end = part_of(row)
    found = 0
    blocks = []
    for block in read_blocks(row["path"], start=start, end=end):
        blocks.append(block)
        found += len(block)
        if found >= _SECONDS * max(signals.rates, default=1):
            break
    samples = np.concatenate(blocks)
    return np.array([np.sqrt(np.mean(np.square(samples, dtype=np.float64)))])


def _share_between(levels: np.ndarray, labels: Sequence[Any]) -> float | None:
    """Return the share of the variance that is between classes, corrected for their number.

    >>> round(_share_between(np.array([0.0, 1.0, 10.0, 11.0]), ["a", "a", "b", "b"]), 2)
    0.99
    """
    groups = [levels[[label == name for label in labels]] for name in dict.fromkeys(labels)]
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    total, free = float(((levels - levels.mean()) ** 2).sum()), len(levels) - len(groups)
    if free < 1 or total == 0:
        return None
    return max(0.0, 1 - within / total * (len(levels) - 1) / free)


def describe_levels(levels: Levels, choice: str, why: str) -> list[str]:
    """Return what differs, and both readings of it, with the one that is proposed."""
    share = "" if levels.between_classes is None else f"; {levels.between_classes:.0%} of that is between classes"
    return [
        f"LOOK AT THIS: levels differ much: the loudest tenth is {levels.spread:.0f} dB above the quietest{share}",
        "  normalize: train keeps the level, which may tell something, as the strength of a vibration does",
        "  normalize: recording takes it out, which may be distance or gain. It costs: no answers while a recording "
        "goes on (predict --stream), and long recordings are read twice",
        f"  Proposed: {choice}, since {why}. Try both",
    ]
