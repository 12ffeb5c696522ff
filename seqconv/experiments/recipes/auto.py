"""`train_recipe`: from a config with `recipe: auto` to the folder of a run, and a plain config that gives it again."""

import shlex
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from seqconv.config import Config
from seqconv.data.datasets import Datasets, load_datasets
from seqconv.errors import ConfigError
from seqconv.experiments.recipes.folder import log_of, remove_trials
from seqconv.experiments.recipes.search import Search, describe_plan
from seqconv.reports.folder import CONFIG, check_run_dir
from seqconv.training.output.report import make_console, print_fact
from seqconv.training.run.run_dir import new_run_folder, program
from seqconv.training.run.scoring import Run
from seqconv.training.run.single import Load
from seqconv.training.run.train import as_config
from seqconv.training.run.trial import score_trial
from seqconv.training.state.interrupts import RunStopped, StopSignals


def train_recipe(
    config: Config | Mapping[str, Any] | str | Path,
    run_dir: str | Path | None = None,
    *,
    train_data: Any = None,
    valid_data: Any = None,
    test_data: Any = None,
) -> Run:
    """Find the best of several models by cross-validation on the training sequences, and score it on test.

    A first model is saved within seconds; better ones replace it until the budget ends, or until the search is stopped
    by Ctrl-C or SIGTERM, which keeps and scores the best. The folder of the run always holds the best model so far,
    with the plain config that trains the same model again. The test split is scored once, at the end, and chooses
    nothing.

    Args:
        config: with `recipe: auto`, and a `budget`.
        run_dir: where to write; default `runs/NAME-TIME`. It must be empty or not exist. `tried` in it has the
            candidates, `recipe.csv` a row for each.
        train_data, valid_data, test_data: sequences in memory instead of a manifest, as for `train`.

    Raises:
        ConfigError, ManifestError: before any training, naming what is wrong.
        RunStopped: after a signal, when the best model so far is scored.
    """
    load: Load = partial(load_datasets, train_data=train_data, valid_data=valid_data, test_data=test_data)
    return search_and_score(as_config(config, train_data), run_dir, load, make_console())


def search_and_score(config: Config, run_dir: str | Path | None, load: Load, console: Console) -> Run:
    """Do the work of `train_recipe` on the result of `load`, with messages on a console."""
    _check_auto(config)
    check_run_dir(run_dir)
    data = load(config.data_spec)
    stop: KeyboardInterrupt | None = None
    with new_run_folder(run_dir, config.name) as path:
        print_fact("recipe", _describe(config, data), console)
        print_fact("folder", str(path), console)
        search = Search(config, data, path, console)
        try:
            with StopSignals() as signals, signals.at_once():
                search.run()
        except KeyboardInterrupt as error:
            if not search.has_model:
                remove_trials(path)
                raise
            stop = error
        except Exception:
            remove_trials(path)
            raise
        if not search.has_model:
            remove_trials(path)
            raise ConfigError(f"recipe auto has found no model: {search.results.reasons}.")
        search.results.conclude()
        run = _score(data, path, console)
    command = f"{program()} train --config {shlex.quote(str(path / CONFIG))}"
    console.print(f"\nthe same model again, without a search:\n  {command}", highlight=False, markup=False)
    if stop is not None:
        number = signal.Signals(getattr(stop, "signal", signal.SIGINT))
        raise RunStopped(number, f"{number.name} ended the search; the best model so far is kept and scored in {path}")
    return run


def _score(data: Datasets, path: Path, console: Console) -> Run:
    """Score the model that is kept.

    Raises:
        RunStopped: after a signal, at once.
    """
    try:
        with StopSignals() as signals, signals.at_once(), log_of("score", path) as log:
            return score_trial(data, path, console, log)
    except RunStopped as stop:
        command = f"{program()} evaluate --model {shlex.quote(str(path))}"
        text = f"{stop.signal.name} ended the scoring; the best model so far is kept. Score it with: {command}"
        raise RunStopped(stop.signal, text) from None


def dry_run_recipe(config: Config, load: Load) -> None:
    """Say what a search would try; only the feature cache is written."""
    _check_auto(config)
    data, console = load(config.data_spec), make_console()
    print_fact("recipe", _describe(config, data), console)
    for name, text in describe_plan(config, data):
        print_fact(name, text, console)


def _check_auto(config: Config) -> None:
    if config.recipe != "auto":
        raise ConfigError(f"recipe is {config.recipe or 'null'}, and this is for recipe auto. Set it, or call train.")


def _describe(config: Config, data: Datasets) -> str:
    others = [name for name in data.parts() if name != "train"]
    return (
        f"auto: {config.budget_seconds:g} s for what {len(data.train):,} training sequences say is best, each left "
        f"out; {' and '.join(others)} will be scored at the end"
    )
