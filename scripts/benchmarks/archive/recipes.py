"""Recipes: what is trained on the training file of a data set, without a look at the other one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.archive.pairs import Pair
from seqconv.config.backends import start_keras
from seqconv.config.recipes import BUDGET, LEAST_SECONDS
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from seqconv.config import Config

# The splits of the archive stay what they are, or no published figure compares; in some of its sets values are missing.
SETTINGS = (
    "data.on_leak=warn",
    "features.missing=interpolate",
    "features.max_gap=10000",
    "evaluation.report=false",
    "evaluation.bootstrap=0",
)
QUICK = ("training.epochs=2",)
QUICK_ROCKET = ("model.blocks.0.num_dilations=2",)
ROCKET_SEED = "model.blocks.0.seed"
# Each form of the input draws from the next number; no two runs shall draw from the same one.
_SEEDS_APART = 100


@dataclass(frozen=True)
class Job:
    """A request to a recipe: a data set, a seed, and whether little work is enough.

    `folder`: an empty one, for whatever is written on the way; it is removed afterwards. `console`: where to tell what
    is done; nobody reads it but for notes of leaks. `budget`: the time of the recipe auto.
    """

    pair: Pair
    seed: int
    folder: Path
    console: Console
    is_quick: bool
    budget: str = BUDGET


Recipe = Callable[[Job], float]
"""A function that reads, learns, saves a model, and returns the accuracy of that model on test."""


def train_config(name: str, quick: Sequence[str], job: Job, *, own_seed: str | None = None) -> float:
    """Train with the settings of a config of this project, the same for each data set; `quick`: for little work.

    `own_seed`: as in `make_config`.
    """
    from seqconv.data.datasets import load_datasets
    from seqconv.training.run.train import begin

    run = begin(make_config(name, quick, job, own_seed), job.folder / "run", load_datasets, [], job.console)
    return float(run.metrics["test"]["accuracy"])


def train_auto(job: Job) -> float:
    """Let recipe auto choose within its budget, by the training file alone."""
    from seqconv.data.datasets import load_datasets
    from seqconv.experiments.recipes.auto import search_and_score

    budget = f"{LEAST_SECONDS}s" if job.is_quick else job.budget
    source = {"recipe": "auto", "budget": budget, "features": {"kind": "precomputed"}}
    run = search_and_score(make_config(source, (), job, None), job.folder / "run", load_datasets, job.console)
    return float(run.metrics["test"]["accuracy"])


def make_config(source: str | dict[str, Any], quick: Sequence[str], job: Job, own_seed: str | None) -> "Config":
    """Return the settings of a job; `own_seed`: the key of a part that draws, and has a seed beside that of the run."""
    from seqconv.config import load_config

    files = {"train": str(job.pair.train), "test": str(job.pair.test)}
    # A store of features that an earlier run left would be found: reading is a part of the seconds.
    changes: list[tuple[str, Any]] = [
        ("data.manifest", files),
        ("data.cache_dir", str(job.folder / "cache")),
        ("seed", job.seed),
    ]
    if own_seed is not None:
        changes.append((own_seed, _SEEDS_APART * job.seed))
    return load_config(source, [*changes, *SETTINGS, *(quick if job.is_quick else ())])


RECIPES: dict[str, Recipe] = {
    "auto": train_auto,
    "deep": partial(train_config, "pickup_gesture.yaml", QUICK),
    "rocket": partial(train_config, "pickup_rocket.yaml", QUICK_ROCKET, own_seed=ROCKET_SEED),
}
"""All recipes by name."""


def choose_recipes(names: Sequence[str]) -> list[str]:
    """Return the names of the recipes that run: those given, or all.

    Raises:
        ConfigError: there is no recipe of that name; says which there are.
    """
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        raise ConfigError(f"--recipe {' '.join(unknown)}: there is no such recipe. There are: {', '.join(RECIPES)}.")
    return list(dict.fromkeys(names)) or list(RECIPES)


def start() -> None:
    """Import what training needs, before any clock runs."""
    start_keras()
    import seqconv.data.datasets
    import seqconv.training  # noqa: F401
