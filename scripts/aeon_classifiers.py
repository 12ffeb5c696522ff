"""aeon's classifiers that take unequal lengths, on the splits of a finished run; for `docs/recipes.md`.

They learn from train and valid together, since they choose nothing on valid, with aeon's own settings. Those that draw
at random are run with several seeds. TSFresh (needs another package) and ElasticEnsemble (hours) are left out.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from seqconv.cli.terminal import report_errors
from seqconv.config.backends import start_keras
from seqconv.errors import ConfigError
from seqconv.metrics import bootstrap_intervals

if TYPE_CHECKING:
    from seqconv.data.sequences import Sequences


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=f"names: {', '.join(NAMES)}"
    )
    parser.add_argument("--run", required=True, metavar="DIR", help="a run directory, as scripts/train.py wrote it")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="runs of those that draw at random")
    parser.add_argument("--only", default=",".join(NAMES), metavar="NAMES", help="some of them, with commas between")
    return parser


def _dtw(seed: int) -> Any:
    from aeon.classification.distance_based import KNeighborsTimeSeriesClassifier

    return KNeighborsTimeSeriesClassifier(distance="dtw", n_jobs=-1)


def _catch22(seed: int) -> Any:
    from aeon.classification.feature_based import Catch22Classifier

    return Catch22Classifier(random_state=seed, n_jobs=-1)


def _rdst(seed: int) -> Any:
    from aeon.classification.shapelet_based import RDSTClassifier

    return RDSTClassifier(random_state=seed, n_jobs=-1)


def _shapelets(seed: int) -> Any:
    from aeon.classification.shapelet_based import ShapeletTransformClassifier

    return ShapeletTransformClassifier(random_state=seed, n_jobs=-1)


def _proximity(seed: int) -> Any:
    from aeon.classification.distance_based import ProximityForest

    return ProximityForest(random_state=seed, n_jobs=-1)


CLASSIFIERS: Mapping[str, Callable[[int], Any]] = {
    "dtw": _dtw,
    "catch22": _catch22,
    "rdst": _rdst,
    "shapelets": _shapelets,
    "proximity": _proximity,
}
NAMES = tuple(CLASSIFIERS)
# The nearest neighbor is the same whatever the seed.
WITHOUT_CHANCE = ("dtw",)


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Fit each on train and valid, and print its test accuracy."""
    arguments = make_parser().parse_args(argv)
    names = arguments.only.split(",")
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise ConfigError(f"--only: no classifier is called {', '.join(unknown)}. Known: {', '.join(NAMES)}")
    if arguments.seeds < 1:
        raise ConfigError(f"--seeds: {arguments.seeds} runs give no score; at least 1")
    console, progress = Console(), Console(stderr=True)
    parts = _read(Path(arguments.run))
    (train, train_labels), (test, test_labels) = parts
    table = Table("classifier", "accuracy", "95% interval", "by seed", "seconds a run")
    table.title = f"{len(test)} test sequences of {arguments.run}, learned from {len(train)}"
    for name in names:
        seeds = range(1 if name in WITHOUT_CHANCE else arguments.seeds)
        is_right, seconds = [], []
        for seed in seeds:
            started = time.perf_counter()
            predicted = CLASSIFIERS[name](seed).fit(train, train_labels).predict(test)
            seconds.append(time.perf_counter() - started)
            is_right.append(np.asarray(predicted) == test_labels)
            # Some take an hour: what was come to so far is worth having.
            progress.print(f"{name}, seed {seed}: {is_right[-1].mean():.4f} after {seconds[-1]:.1f} s")
        table.add_row(name, *_scores(np.array(is_right)), f"{np.median(seconds):.1f}")
    console.print(table)
    return 0


def _read(run: Path) -> tuple[tuple[list[npt.NDArray[np.float64]], npt.NDArray[Any]], ...]:
    """Sequences (features, time) and labels of train and valid, and of test."""
    start_keras()
    from seqconv.config import load_config
    from seqconv.data.datasets import load_datasets

    if not (run / "config.yaml").is_file():
        raise ConfigError(f"'{run}' holds no config.yaml. Pass the run directory of a finished run.")
    data = load_datasets(load_config(run / "config.yaml").data_spec)
    if data.test is None or data.target.task != "classification" or data.target.kind != "sequence":
        raise ConfigError(f"'{run}' is not a run that classifies sequences, with a test split.")
    learned = _channels_first(data.train, *([] if data.valid is None else [data.valid]))
    return learned, _channels_first(data.test)


def _channels_first(*parts: "Sequences") -> tuple[list[npt.NDArray[np.float64]], npt.NDArray[Any]]:
    arrays = [part[index].T.astype(np.float64) for part in parts for index in range(len(part))]
    return arrays, np.concatenate([np.asarray(part.labels) for part in parts])


def _scores(is_right: npt.NDArray[np.bool_]) -> tuple[str, str, str]:
    """Mean over seeds, its interval over test sequences, and the range of the seeds; of (seeds, sequences)."""
    of_sequence = is_right.mean(axis=0)
    interval = bootstrap_intervals(lambda drawn: {"accuracy": of_sequence[drawn].mean()}, len(of_sequence))["accuracy"]
    by_seed = is_right.mean(axis=1)
    low, high = interval or (np.nan, np.nan)
    spread = "" if len(by_seed) == 1 else f"{by_seed.min():.4f} to {by_seed.max():.4f} ({len(by_seed)} seeds)"
    return f"{of_sequence.mean():.4f}", f"{low:.4f} to {high:.4f}", spread


if __name__ == "__main__":
    sys.exit(main())
