"""Console messages of a run before it starts and when it is done."""

import shlex
import textwrap
import timeit
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from seqconv.batching import Plan
from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.data.windows import count_covered
from seqconv.evaluation import Chosen
from seqconv.evaluation.event_smoothing import ChosenRules
from seqconv.models import LayoutModel, SequenceModel
from seqconv.text import amount
from seqconv.training.output.callbacks import BestModel, Logs
from seqconv.training.run.run_dir import MODEL, program
from seqconv.training.run.setup import RunSetup
from seqconv.training.run.training_set import describe_frames
from seqconv.training.state.checkpoints import Progress
from seqconv.training.step.train_step import CompiledStep


def make_console() -> Console:
    """Return the console of a run: standard output, with plain lines if that is not a terminal."""
    return Console(soft_wrap=True)


def print_start(experiment: RunSetup, device: str, console: Console) -> None:
    """Print data, model, batches and device, before the first step."""
    for name, value in _facts(experiment, device):
        print_fact(name, value, console)
    for note in experiment.notes:
        print_fact("note", note, console, style="yellow")


def print_average(
    config: Config, data: Datasets, models: Sequence[SequenceModel], device: str, console: Console
) -> None:
    """Print data and members of an average, before the first of them is trained."""
    print_fact("run", f"{config.name}, an average of {len(models)} models, on {device}", console)
    counts = ", ".join(f"{name} {len(part):,}" for name, part in data.parts().items())
    print_fact("data", f"{counts} sequences; {models[0].num_features} features", console)
    for model, member in zip(models, config.member_configs(), strict=True):
        how = "a head in closed form" if member.training.is_closed_form else f"{member.training.epochs} epochs"
        reach = f"receptive field {_receptive_field(model, config)}"
        text = f"{member.name}, seed {member.seed}: {model.count_params():,} parameters, {reach}, {how}"
        print_fact("member", text, console)


def print_members(facts: list[dict[str, Any]], metrics: Any, headline: str, console: Console) -> None:
    """Print the score of each member beside that of the average."""
    split = "test" if "test" in metrics else "valid"
    console.print()
    for name, scores in [*((each["name"], each["scores"]) for each in facts), ("average", metrics)]:
        value = scores.get(split, {}).get(headline)
        if isinstance(value, float):
            print_fact("member" if name != "average" else "all", f"{name}: {headline} {value:.4f} on {split}", console)


def print_resume(experiment: RunSetup, progress: Progress, missing: list[str], console: Console) -> None:
    """Print at which step a run goes on."""
    steps, epoch, where = experiment.steps, progress.epoch, "after its last epoch"
    if epoch < len(steps):
        where = f"in epoch {epoch + 1} of {len(steps)}, after step {progress.step} of {steps[epoch]}"
    print_fact("resumed", where, console)
    for name in missing:
        print_fact("note", f"callback {name} had a state, and was not given again", console, style="yellow")
    console.print()


def print_dry_run(experiment: RunSetup, seconds: list[float], console: Console) -> None:
    """Print the estimated time of the whole run, from the seconds of a few steps."""
    seconds_per_step = sum(seconds) / len(seconds)
    steps, epochs = sum(experiment.steps), len(experiment.steps)
    parts = experiment.data.parts()
    # The forward pass of validation is about a third of a training step over as many frames.
    share = parts["valid"].lengths.sum() / parts["train"].lengths.sum() / 3 if "valid" in parts else 0
    total = steps * seconds_per_step * (1 + share)
    duration = f"{total:.0f} seconds" if total < 90 else f"{total / 60:.1f} minutes"
    console.print(
        f"\ndry run: a step takes {seconds_per_step * 1000:.0f} ms, so {epochs} epochs "
        f"({steps:,} steps{' and validation' if share else ''}) take about {duration}",
        highlight=False,
    )


def print_features_dry_run(experiment: RunSetup, seconds: float, console: Console) -> None:
    """Print the estimated time of a head in closed form, from the seconds that features of the training set take."""
    parts = experiment.data.parts()
    total = seconds * sum(part.lengths.sum() for part in parts.values()) / parts["train"].lengths.sum()
    console.print(
        f"\ndry run: features of all {sum(len(part) for part in parts.values()):,} sequences take about "
        f"{max(total, 1):.0f} s, and then one system of linear equations is solved",
        highlight=False,
    )


def print_stop(history: list[Logs], planned: int, best: BestModel, step: CompiledStep, console: Console) -> None:
    """Print the epoch that was kept, whether the run ended early, and its speed after the first epoch."""
    early = f"stopped after {len(history)} of {planned} epochs; " if len(history) < planned else ""
    value = "" if best.best is None else f": {best.monitor} {best.best:.4f}"
    warm = history[1:] or history
    speed = float(np.median([logs["frames_per_second"] for logs in warm]))
    wait = sum(logs["data_wait"] for logs in warm) / sum(logs["seconds"] for logs in warm)
    cost = f"{speed:,.0f} frames a second, data wait {wait:.1%}"
    if step.compilations is not None:
        cost += f", compiled {amount(step.compilations, 'shape')}"
    console.print(f"{early}kept epoch {best.best_epoch + 1}{value}; {cost}", highlight=False)


def print_decisions(chosen: Iterable[Chosen | ChosenRules], console: Console) -> None:
    """Print temperature and thresholds, the targets that they could not reach, and how events are found."""
    console.print()
    for name, line in chain.from_iterable(each.describe() for each in chosen):
        print_fact(name, line, console, style="yellow" if name == "note" else "bold")


def model_facts(model: LayoutModel, file: Path, data: Datasets) -> dict[str, Any]:
    """Return size, and latency for one sequence of median length, as `model.json` has them."""
    median = int(np.median(data.train.lengths))
    features = np.zeros((1, max(median, model.min_frames), model.num_features), "float32")
    # The first call compiles.
    predict = partial(model.predict_on_batch, features)
    predict()
    return {
        "parameters": model.count_params(),
        "model_bytes": file.stat().st_size,
        "latency_seconds": float(np.median(timeit.repeat(predict, number=1, repeat=20))),
        "latency_frames": median,
    }


def print_end(
    facts: dict[str, Any], run_dir: Path, page: Path | None, data: Datasets, plugins: Sequence[str], console: Console
) -> None:
    """Print model size, latency, the paths of all files and what to do next."""
    console.print(
        f"\nmodel    {facts['parameters']:,} parameters, {facts['model_bytes'] / 1e6:.2f} MB, "
        f"{facts['latency_seconds'] * 1000:.1f} ms for one sequence of {facts['latency_frames']} frames",
        highlight=False,
    )
    console.print(f"run      {run_dir}", highlight=False, markup=False)
    if page is not None:
        console.print(f"report   {page}", highlight=False, markup=False)
    console.print("\nevaluate it again, or use it:", highlight=False)
    for line in next_commands(run_dir / MODEL, data, plugins):
        console.print(f"  {line}", highlight=False, markup=False)


def next_commands(file: Path, data: Datasets, plugins: Sequence[str] = ()) -> list[str]:
    """Return shell commands that evaluate and use a saved model; a run on arrays in memory has no manifest."""
    path = " --plugin ".join(map(shlex.quote, [str(file), *plugins]))
    data_options, recordings = "--manifest MANIFEST", "FILE_OR_FOLDER"
    if data.splits is not None:
        split = "test" if data.test is not None else "valid"
        part, data_options = data.parts()[split], f"--split {split}"
        recordings = "" if part.metadata is None else shlex.quote(str(part.metadata["path"].iloc[0]))
        if part.annotations is not None and data.target.definition.class_names(data.target.names):
            recordings += " --events"
    return [f"{program()} evaluate --model {path} {data_options}", f"{program()} predict --model {path} {recordings}"]


def print_fact(name: str, value: str, console: Console, style: str = "bold") -> None:
    """Print name and value; on a terminal, lines after the first start below the value."""
    width = console.width - 9 if console.is_terminal else len(value) + 1
    first, *rest = textwrap.wrap(value, max(20, width), break_long_words=False, break_on_hyphens=False)
    console.print(f"[{style}]{name:<9}[/]{escape(first)}", highlight=False)
    for line in rest:
        console.print(f"{'':<9}{escape(line)}", highlight=False)


def _facts(experiment: RunSetup, device: str) -> Iterator[tuple[str, str]]:
    config, data, model, plan = experiment.config, experiment.data, experiment.model, experiment.plan
    counts = ", ".join(
        f"{name} {len(part):,} ({_amount(part.features, config)})" for name, part in data.parts().items()
    )
    shapes = ", ".join(f"{shape.rows}x{shape.width}" for shape in plan.shapes[:4])
    more = f" and {len(plan.shapes) - 4} more" if len(plan.shapes) > 4 else ""
    outputs = f"{data.target.num_outputs} {data.target.definition.outputs}"
    yield "run", f"{config.name}, seed {config.seed}, on {device}"
    yield "data", f"{counts} sequences; {model.num_features} features, {outputs}"
    if experiment.data.target.kind == "frame":
        yield "labels", describe_frames(config, data, model)
    reach = f"receptive field {_receptive_field(model, config)}, total stride {model.total_stride}"
    yield "model", f"{model.count_params():,} parameters, {reach}"
    if experiment.transfer is not None:
        yield "init", str(experiment.transfer)
    if config.training.is_closed_form:
        taken = "on the labeled frames" if model.predicts_frames else "on what the poolings return"
        yield "training", f"the head in closed form (ridge), {taken}"
        return
    yield (
        "batches",
        f"{plan.strategy}, {len(plan)} steps an epoch of {plan.mean_sequences:.1f} sequences, "
        f"rows x frames {shapes}{more}, padding {plan.padding_ratio:.1%}{_too_long(plan, config)}",
    )
    training, kept = config.training, "last epoch" if data.valid is None else f"best by {config.monitor}"
    rate = f"learning rate {training.learning_rate:g} ({training.schedule})"
    yield "training", f"{training.epochs} epochs, {training.optimizer}, {rate}, {kept}{_averaged(config)}"


def _averaged(config: Any) -> str:
    averaging = config.training.averaging
    if averaging is None:
        return ""
    how = f"decay {averaging.decay:g}" if averaging.type == "ema" else f"last {averaging.last_epochs} epochs"
    return f" of averaged weights ({averaging.type}, {how})"


def _too_long(plan: Plan, config: Any) -> str:
    """Describe what happens to sequences that are too long for any row; stretched ones differ in each epoch."""
    counts = [plan.num_too_long_of(epoch) for epoch in range(config.training.epochs)]
    if not any(counts):
        return ""
    fates = {"drop": "dropped", "crop": "cropped", "own_batch": "in wider rows of their own"}
    fewest, most = min(counts), max(counts)
    shown = f"{most:,}" if fewest == most else f"by epoch {fewest:,} to {most:,}"
    return f"; longer than {plan.max_frames:,} frames: {shown} {fates[plan.too_long]}"


def _receptive_field(model: SequenceModel, config: Any) -> str:
    frames, seconds = model.receptive_field, config.features.seconds_per_frame
    if frames is None:
        return "the whole sequence"
    duration = "" if seconds is None else f" ({frames * seconds * 1000:.0f} ms)"
    return f"{amount(frames, 'frame')}{duration}"


def _amount(features: Any, config: Any) -> str:
    """Return the recorded duration; overlapping windows count once."""
    frames, seconds = count_covered(features), config.features.seconds_per_frame
    return f"{frames:,} frames" if seconds is None else f"{frames * seconds / 3600:.2f} h"
