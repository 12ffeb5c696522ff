"""A run whose model is an average: each member is a run of its own in `members/`, then the mean of all is scored."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from seqconv.config import Config, load_config
from seqconv.data.datasets import Datasets
from seqconv.errors import ConfigError, SeqconvError
from seqconv.files import write_atomically, write_text
from seqconv.models import AverageModel, load_model
from seqconv.parts.keys import flatten
from seqconv.reports.folder import CONFIG, MEMBER_TABLE, MEMBERS, is_finished, read_scores
from seqconv.training.output import report
from seqconv.training.output.callbacks import Callbacks
from seqconv.training.output.mlflow import MLflowLogger
from seqconv.training.run import run_dir as folders
from seqconv.training.run.checks import check_packages, check_single
from seqconv.training.run.identity import is_place
from seqconv.training.run.pretrained import read_initial
from seqconv.training.run.runtime import machine_for
from seqconv.training.run.scoring import Run, TrainedRun, score_run
from seqconv.training.run.setup import check, make_card
from seqconv.training.run.single import Load, begin_single, go_on_with_single
from seqconv.training.state.interrupts import RunStopped, StopSignals


def begin_average(
    config: Config, run_dir: str | Path | None, load: Load, callbacks: Callbacks, console: Console
) -> Run:
    """Train the members, and score their average, in a new folder."""
    with _checked(config, load, console) as data, folders.new_run_folder(run_dir, config.name) as path:
        folders.write_inputs(config, data, path)
        return _train(config, data, path, callbacks, console)


def go_on_with_average(config: Config, path: Path, load: Load, callbacks: Callbacks, console: Console) -> Run:
    """Go on with the members of a folder, which is held by the caller, from the one that was interrupted.

    Raises:
        ConfigError: settings other than paths and devices are not those of the folder.
    """
    then, now = (flatten(each.to_dict()) for each in (load_config(path / CONFIG), config))
    changed = [key for key in {**then, **now} if now.get(key) != then.get(key) and not is_place(key)]
    if changed:
        lines = [f"{key}: {then.get(key)!r} then, {now.get(key)!r} now" for key in changed]
        raise ConfigError("\n  ".join([f"{path}: its members are trained by another config:", *lines]))
    with _checked(config, load, console) as data:
        return _train(config, data, path, callbacks, console)


@contextmanager
def _checked(config: Config, load: Load, console: Console) -> Iterator[Datasets]:
    """Load the sequences of all members, and check that each can be trained on them, before the first is."""
    check_single(config)
    members = config.member_configs()
    for member in (config, *members):
        check_packages(member)
    with machine_for(config) as device:
        data, models = load(config.data_spec), []
        for index, member in enumerate(members):
            with _named(index):
                models.append(check(member, data, read_initial(member)).model)
        report.print_average(config, data, models, device, console)
        yield data


def _train(config: Config, data: Datasets, path: Path, callbacks: Callbacks, console: Console) -> Run:
    """Train what members are not trained yet, and score the average."""
    report.print_fact("folder", str(path), console)
    console.print()
    members = config.member_configs()
    try:
        with StopSignals() as signals:
            for index, member in enumerate(members):
                signals.check()
                report.print_fact("member", f"{index + 1} of {len(members)}, {member.name}", console)
                with _named(index):
                    _train_member(member, member_folder(path, index), data, callbacks, console)
            with signals.at_once():
                history, facts = save_average(config, data, path)
                run = score_run(TrainedRun(config, data, path, history, None, {}), console)
                report.print_members(facts, run.metrics, config.target.definition.headline, console)
                _write_to_mlflow(config, run)
    except RunStopped as stop:
        # The message of a member names its own folder.
        reason = str(stop).partition(". Go on with: ")[0]
        raise RunStopped(stop.signal, f"{reason}. Go on with: {folders.resume_command(path)}") from None
    return run


def member_folder(path: Path, index: int) -> Path:
    """Return the folder of the run of a member, in that of the average."""
    return path / MEMBERS / str(index)


def _train_member(member: Config, folder: Path, data: Datasets, callbacks: Callbacks, console: Console) -> None:
    # `seqconv report` draws that of a member.
    member = member.with_(evaluation={"report": False})
    if is_finished(folder):
        report.print_fact("resumed", "it has finished", console)
    elif (folder / CONFIG).is_file():
        places = [(key, value) for key, value in flatten(member.to_dict()).items() if is_place(key)]
        with folders.resumed_run_folder(folder):
            go_on_with_single(load_config(folder / CONFIG, places), folder, lambda _: data, callbacks, console)
    else:
        begin_single(member, folder, lambda _: data, callbacks, console)
    console.print()


def save_average(config: Config, data: Datasets, path: Path) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Save the average of the trained members; return the epochs of all, and what is said of each."""
    members = config.member_configs()
    paths = [member_folder(path, index) for index in range(len(members))]
    models = [load_model(each / folders.MODEL) for each in paths]
    # A temperature makes each as sure of itself as it may be.
    weights = [1 / (len(models) * model.card.temperature) for model in models]
    average = AverageModel(models, weights, make_card(config, data))
    write_atomically(path / folders.MODEL, average.save)
    facts = [
        {
            "name": member.name,
            "folder": str(each.relative_to(path)),
            "weight": weight,
            "parameters": model.count_params(),
            "scores": {split: _numbers(scores) for split, scores in read_scores(each / "metrics.json").items()},
        }
        for member, each, weight, model in zip(members, paths, weights, models, strict=True)
    ]
    write_text(json.dumps(facts, indent=2) + "\n", path / MEMBER_TABLE)
    histories = [folders.read_history(each).assign(member=index) for index, each in enumerate(paths)]
    return pd.concat(histories, ignore_index=True), facts


def _write_to_mlflow(config: Config, run: Run) -> None:
    """Write the average beside its members, which have written themselves."""
    settings = config.training.mlflow
    if settings is not None:
        logger = MLflowLogger(settings.tracking_uri, settings.experiment)
        logger.on_run_begin(config, run.path)
        logger.on_run_end(run.metrics, run.path)


def _numbers(scores: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if isinstance(value, float)}


@contextmanager
def _named(index: int) -> Iterator[None]:
    """Say in errors which member they are about."""
    try:
        yield
    except SeqconvError as error:
        error.args = (f"members.{index}: {error}", *error.args[1:])
        raise
