"""Train the runs of a sweep one after the other, and sum them up."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from seqconv.config import Config
from seqconv.data.datasets import load_datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.experiments.folder import SweepFolder, own_folder, read_sweep, write_sweep
from seqconv.experiments.loop import Attempt, Runs, failed_line, reason_of
from seqconv.experiments.run_groups import score_names, scores_of
from seqconv.experiments.run_specs import Grid, RunSpec, make_specs, short_keys
from seqconv.experiments.summary import Sweep, sum_up
from seqconv.parts.keys import written_key
from seqconv.reports.folder import RunFolder, read_run
from seqconv.reports.names import label
from seqconv.reports.tables import number
from seqconv.text import amount
from seqconv.training.output.report import make_console
from seqconv.training.run.identity import is_place
from seqconv.training.run.run_dir import make_run_dir
from seqconv.training.run.single import Load
from seqconv.training.run.train import as_config
from seqconv.training.state.checkpointing import remove_checkpoints


def train_sweep(
    config: Config | Mapping[str, Any] | str | Path,
    folder: str | Path | None = None,
    *,
    folds: Iterable[int] = (),
    seeds: Iterable[int] = (),
    sweeps: Mapping[str, Sequence[Any]] | None = None,
    data: Mapping[str, Sequences] | None = None,
) -> Sweep:
    """Train all combinations of folds, seeds and settings, and summarize them.

    Each run is the same, bit for bit, as if it had been trained alone with its config. A run that fails is named in
    `failures`; the others go on. All runs share the cut into splits, of `split.seed` or the config's own seed.

    Args:
        config: what all runs share; a config, a path to a YAML file, or a dict.
        folder: where to write; default `runs/NAME-TIME`. It must be empty or not exist. Each run has a folder in it.
        folds: folds that are test in turn; `split.folds` or the column `fold` of the manifest makes them.
        seeds: of weights, dropout and order.
        sweeps: values to try, by dotted key: `{"training.learning_rate": [3e-4, 1e-3]}`.
        data: sequences in memory as `train_data`, `valid_data` and `test_data`, instead of a manifest.

    Raises:
        ConfigError, ManifestError: before any training: an impossible setting, data that cannot be read.
    """
    given: Any = dict(data or {})
    config = as_config(config, given.get("train_data"))
    grid = Grid(tuple(folds), tuple(seeds), {key: tuple(values) for key, values in (sweeps or {}).items()})
    load: Load = partial(load_datasets, **given)
    # What is wrong with the data is wrong in all runs: said before there is a folder. Features are extracted here.
    load(make_specs(config, grid)[0].config.data_spec)
    path = make_run_dir(folder, config.name)
    with own_folder(path):
        return _work(write_sweep(path, config, grid), load)


def resume_sweep(
    folder: str | Path, overrides: Sequence[str] = (), *, data: Mapping[str, Sequences] | None = None
) -> Sweep:
    """Go on with the runs of a sweep that have not finished, have failed, or are missing; then summarize all.

    What comes out is what would have come out without the interruption.

    Args:
        folder: of the sweep.
        overrides: of paths and of what computes, as for `resume`.
        data: for a sweep on sequences in memory, the same ones again.

    Raises:
        ConfigError: there is no sweep, another process works in it, or an override is of something else.
    """
    others = [text for text in overrides if not is_place(written_key(text.partition("=")[0]))]
    if others:
        raise ConfigError(
            f"--set {others[0]}: the runs of a sweep share their config. Only paths and what computes may change; "
            "for other settings, train again in another folder."
        )
    sweep = read_sweep(folder)
    with own_folder(sweep.path):
        return _work(sweep, partial(load_datasets, **cast(Any, data or {})), overrides)


def _work(sweep: SweepFolder, load: Load, overrides: Sequence[str] = ()) -> Sweep:
    runs = Runs(sweep.path, "sweep", "train", load, make_console(), overrides)
    todo = [spec for spec in sweep.specs if not sweep.has_finished(spec)]
    for spec in sweep.specs:
        if spec not in todo:
            # A process that was killed as a run ended has left them.
            remove_checkpoints(sweep.run_path(spec))
    failures: dict[str, str] = {}

    def settle(spec: RunSpec, error: Exception | None) -> str:
        if error is None:
            return _finished_line(read_run(sweep.run_path(spec)))
        failures[spec.name] = reason_of(error)
        return failed_line(failures[spec.name])

    names, count = short_keys(list(sweep.grid.sweeps)), len(sweep.specs)
    settings = [(names[key], ", ".join(map(str, values))) for key, values in sweep.grid.sweeps.items()]
    attempts = (Attempt(spec.name, spec.config, partial(settle, spec)) for spec in todo)
    done, epochs = count - len(todo), sum(spec.config.num_epochs for spec in todo)
    runs.describe([("sweep", sweep.grid.describe()), *settings], done, count)
    runs.train(attempts, done=done, count=count, epochs=epochs, width=max(len(spec.name) for spec in sweep.specs))
    return sum_up(sweep, failures, runs.console)


def _finished_line(run: RunFolder) -> str:
    """Return the first score of a run."""
    scores = scores_of(run)
    names = [*scores.get("intervals", {}), *score_names([run])]
    first = [f"{label(name)} {number(scores[name])}" for name in names[:1]]
    members = len(run.config.members)
    return "  ".join([*first, amount(members, "member") if members else amount(len(run.history), "epoch")])
