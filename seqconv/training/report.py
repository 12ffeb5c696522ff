"""What a run says before it starts and when it is done."""

import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from seqconv.models import SequenceModel
from seqconv.training.experiment import Experiment


def make_console() -> Console:
    """Where a run writes: standard output, with plain lines where that is not a terminal."""
    return Console(soft_wrap=True)


def report_start(experiment: Experiment, device: str, console: Console) -> None:
    """Data, model, batches and device, before the first step."""
    for name, value in _facts(experiment, device):
        console.print(f"[bold]{name:<9}[/]{escape(value)}", highlight=False)
    for note in experiment.notes:
        console.print(f"[yellow]note     [/]{escape(note)}", highlight=False)
    console.print()


def report_dry_run(experiment: Experiment, seconds_per_step: float, console: Console) -> None:
    """The time that the whole run would take, from the last of a few steps."""
    steps = sum(experiment.steps)
    minutes = steps * seconds_per_step / 60
    console.print(
        f"dry run: a step takes {seconds_per_step * 1000:.0f} ms, so {len(experiment.steps)} epochs "
        f"({steps} steps) take about {minutes:.1f} minutes; validation comes on top",
        highlight=False,
    )


def report_end(model: SequenceModel, run_dir: Path, lengths: np.ndarray, console: Console) -> dict[str, Any]:
    """Model size, latency, where everything lies and what to do next; returns the facts."""
    file = run_dir / "model.keras"
    median = int(np.median(lengths))
    latency = measure_latency(model, median)
    size = file.stat().st_size
    console.print(
        f"\nmodel    {model.count_params():,} parameters, {size / 1e6:.2f} MB, "
        f"{latency * 1000:.1f} ms for one sequence of {median} frames",
        highlight=False,
    )
    console.print(f"run      {run_dir}", highlight=False)
    console.print("\nevaluate it again, or use it:", highlight=False)
    path = shlex.quote(str(file))
    console.print(f"  python scripts/evaluate.py --model {path} --split test", highlight=False)
    console.print(f"  python scripts/predict.py --model {path} FILE_OR_FOLDER", highlight=False)
    return {"parameters": model.count_params(), "model_bytes": size, "latency_seconds": latency}


def measure_latency(model: SequenceModel, num_frames: int, repeats: int = 20) -> float:
    """Median seconds for one sequence alone, compiled and warm."""
    features = np.zeros((1, max(num_frames, model.min_frames), model.num_features), "float32")
    model.predict_on_batch(features)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        model.predict_on_batch(features)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def _facts(experiment: Experiment, device: str) -> list[tuple[str, str]]:
    config, data, model, plan = experiment.config, experiment.data, experiment.model, experiment.plan
    splits = {"train": data.train, "valid": data.valid, "test": data.test}
    counts = ", ".join(
        f"{name} {len(part):,} ({_amount(part.lengths, config)})" for name, part in splits.items() if part is not None
    )
    shapes = ", ".join(f"{shape.rows} x {shape.width}" for shape in plan.shapes[:4])
    more = f" and {len(plan.shapes) - 4} more" if len(plan.shapes) > 4 else ""
    frame = _seconds_per_frame(config)
    field = f" ({model.receptive_field * frame * 1000:.0f} ms)" if frame else ""
    target = data.target
    outputs = f"{target.num_outputs} {'columns' if target.task == 'regression' else 'classes'}"
    return [
        ("run", f"{config.name}, seed {config.seed}, on {device}"),
        ("data", f"{counts} sequences; {model.num_features} features, {outputs}"),
        (
            "model",
            f"{model.count_params():,} parameters, receptive field {model.receptive_field} frames{field}, "
            f"total stride {model.total_stride}",
        ),
        (
            "batches",
            f"{plan.strategy}, {len(plan)} steps an epoch of {plan.mean_sequences:.1f} sequences, "
            f"rows x frames {shapes}{more}, padding {plan.padding_ratio:.1%}",
        ),
        (
            "training",
            f"{config.training.epochs} epochs, {config.training.optimizer}, learning rate "
            f"{config.training.learning_rate:g} ({config.training.schedule}), best by {config.monitor}",
        ),
    ]


def _seconds_per_frame(config: Any) -> float | None:
    features = config.features
    return None if features.kind == "precomputed" else features.hop_length / features.sample_rate


def _amount(lengths: np.ndarray, config: Any) -> str:
    frames, seconds = int(lengths.sum()), _seconds_per_frame(config)
    return f"{frames:,} frames" if seconds is None else f"{frames * seconds / 3600:.2f} h"
