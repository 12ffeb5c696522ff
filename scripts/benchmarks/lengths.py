"""The lengths that everything is measured on: those of real prompts, and log-normal ones."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.settings import Settings
from seqconv.errors import ConfigError

PROMPTS = Path(__file__).resolve().parents[2] / "data" / "prompts"
NAMES = ("prompts-clipped", "prompts", "lognormal")
CLIPPED_AT = 1000
QUICK_SEQUENCES = 30
LOGNORMAL_MEDIAN = 130.0
LOGNORMAL_SIGMA = 1.0
SEED = 0

Lengths = npt.NDArray[np.int64]


def choose_lengths(settings: Settings, default: Sequence[str], known: Sequence[str] = NAMES) -> tuple[str, ...]:
    """Names of the distributions (or of what else is `known`) to measure on.

    Raises:
        ConfigError: there is none of that name.
    """
    names = tuple(dict.fromkeys(settings.lengths or default))
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigError(f"--lengths {','.join(unknown)}: expected some of {', '.join(known)}, separated by commas.")
    return names


def read_lengths(name: str, settings: Settings, *, num_lognormal: int) -> Lengths:
    """Frames of each sequence, `(n,)`, in no meaningful order; a few of them for a quick run."""
    if name == "lognormal":
        count = QUICK_SEQUENCES if settings.is_quick else num_lognormal
        return draw_lognormal(count)
    lengths = _lengths_of_audio(settings.prompts) if settings.prompts else _lengths_of_table(PROMPTS / "lengths.csv")
    if name == "prompts-clipped":
        lengths = np.minimum(lengths, CLIPPED_AT)
    # In the order of their names, prompts of one kind follow each other.
    lengths = np.random.default_rng(SEED).permutation(lengths)
    return lengths[:QUICK_SEQUENCES] if settings.is_quick else lengths


def draw_lognormal(count: int) -> Lengths:
    """Log-normal lengths, at least one frame.

    >>> draw_lognormal(3).tolist()
    [147, 114, 247]
    """
    drawn = np.random.default_rng(SEED).lognormal(np.log(LOGNORMAL_MEDIAN), LOGNORMAL_SIGMA, count)
    return np.maximum(drawn.round(), 1).astype(np.int64)


def _lengths_of_table(path: Path) -> Lengths:
    with path.open(newline="", encoding="utf-8") as file:
        return np.array([int(row["num_frames"]) for row in csv.DictReader(file)], np.int64)


def _lengths_of_audio(source: Path) -> Lengths:
    from make_prompts import find_prompts

    prompts = sorted(find_prompts(source), key=lambda prompt: prompt.id)
    return np.array([prompt.num_frames for prompt in prompts if prompt.seconds > 0], np.int64)
