"""A support-vector machine on MFCC statistics, on the splits of a finished run."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seqconv.cli.terminal import report_errors
from seqconv.config.backends import start_keras

CANDIDATES = (0.1, 1.0, 10.0, 100.0)


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="DIR", help="a run directory, as scripts/train.py wrote it")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Fit on train, choose C on valid, and print the test accuracy beside that of the run."""
    run = Path(make_parser().parse_args(argv).run)
    start_keras()
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from seqconv.config import load_config
    from seqconv.data.datasets import load_datasets
    from seqconv.errors import ConfigError

    if not (run / "metrics.json").is_file():
        raise ConfigError(f"'{run}' holds no metrics.json. Pass the run directory of a finished run.")
    settings = ["features.kind=mfcc", "features.n_mfcc=20", "features.delta=0", "features.normalize=none"]
    data = load_datasets(load_config(run / "config.yaml", settings).data_spec)
    if data.test is None or data.target.task != "classification" or data.target.kind != "sequence":
        raise ConfigError(f"'{run}' is not a run that classifies sequences, with a test split.")
    if data.valid is None:
        raise ConfigError(f"'{run}' has no valid, on which C is chosen.")

    parts = data.parts()
    inputs = {name: np.array([_statistics(part[i]) for i in range(len(part))]) for name, part in parts.items()}
    labels = {name: np.asarray(part.labels) for name, part in parts.items()}
    machines = [make_pipeline(StandardScaler(), SVC(C=c)).fit(inputs["train"], labels["train"]) for c in CANDIDATES]
    on_valid = [machine.score(inputs["valid"], labels["valid"]) for machine in machines]
    best = int(np.argmax(on_valid))
    predicted = machines[best].predict(inputs["test"])
    scores = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["test"]
    machine_name = f"SVM on mean and deviation of 20 MFCCs (C={CANDIDATES[best]:g}, chosen on valid)"
    rows = [
        (machine_name, accuracy_score(labels["test"], predicted), f1_score(labels["test"], predicted, average="macro")),
        ("seqconv, this run", scores["accuracy"], scores["macro_f1"]),
    ]
    print(f"{f'{len(data.test)} test sequences of {run}':<{len(machine_name)}}  accuracy  macro F1")
    for name, accuracy, macro_f1 in rows:
        print(f"{name:<{len(machine_name)}}  {accuracy:8.4f}  {macro_f1:8.4f}")
    return 0


def _statistics(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features.mean(axis=0), features.std(axis=0)])


if __name__ == "__main__":
    sys.exit(main())
