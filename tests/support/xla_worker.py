"""XLA on TensorFlow, in a process that no run has made deterministic: `python xla_worker.py FOLDER`; prints JSON.

`XLA_FLAGS=--xla_dump_to=...` counts from outside what was compiled.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.sequences import Sequences
from seqconv.training import train
from seqconv.training.run.runtime import machine_for
from seqconv.training.run.setup import prepare
from seqconv.training.step import xla_choice
from seqconv.training.step.train_step import StepTime
from support.training_data import NUM_FEATURES, classified, quick

MODEL = {"blocks": [{"filters": 6, "kernel_size": 3, "dropout": 0.3}], "pooling": ["mean", "max"]}
PLAIN = StepTime(first=1.0, warm=10.0)


def config(strategy: str, **training: Any) -> dict[str, Any]:
    batching = {"strategy": strategy, "max_shapes": 2}
    training = {"epochs": 1, "deterministic": False, **training}
    return quick(model=MODEL, batching=batching, features={"kind": "precomputed"}, training=training)


def digest(arrays: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def run(folder: Path, **training: Any) -> dict[str, Any]:
    """Return what a run chose, counted and learned."""
    short = classified()
    # One sequence is longer than the rows of the others.
    data = Sequences([*(short[i] for i in range(len(short))), np.ones((300, NUM_FEATURES))], [*short.labels, "low"])
    finished = train(config("packed", **training), folder, train_data=data, valid_data=classified(20))
    resolved = load_config(folder / "config.yaml").training.jit_compile
    facts = json.loads((folder / "model.json").read_text())
    weights = digest(finished.model.get_weights())
    return {"jit": resolved, "count": facts["compilations"], "weights": weights, "loss": list(finished.history["loss"])}


def choose() -> dict[str, Any]:
    """Return the choice, and whether the steps that it took leave everything as it was."""
    settings = load_config(config("bucketed"))
    with machine_for(settings):
        experiment = prepare(settings, load_datasets(settings.data_spec, classified(), classified(20)))
        variables = [*experiment.model.variables]
        before = [np.array(variable) for variable in variables]
        chosen = xla_choice.choose_compilation(experiment)
        same = [bool((np.array(variable) == old).all()) for variable, old in zip(variables, before, strict=True)]
    return {
        "jit": chosen.config.training.jit_compile,
        "count": chosen.step.compilations,
        "same": same,
        "iterations": int(chosen.model.optimizer.iterations),
        "shapes": [len(each.plan.shapes) for each in (experiment, chosen)],
        "note": chosen.notes[-1],
    }


def main(folder: Path) -> None:
    """Choices, and runs that chose XLA and that were told to use it."""
    found: dict[str, Any] = {"choose short": choose()}
    original = xla_choice.time_step

    def said(xla: StepTime) -> Any:
        """Real steps, and times that decide."""

        def time_step(model: Any, batches: Any) -> StepTime:
            original(model, batches)
            return xla if model.jit_compile else PLAIN

        return time_step

    for name, xla in {"slow": StepTime(1.0, 20.0), "fast": StepTime(1.0, 0.1)}.items():
        xla_choice.time_step = said(xla)
        found[f"choose {name}"] = choose()
    found["fast"] = run(folder / "fast")
    found["asked"] = run(folder / "asked", jit_compile=True, deterministic="auto")
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
