"""Saves of a run's state: every so many steps or minutes, when it is asked to stop, and at its end; and its return."""

import shutil
import time
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
from rich.console import Console
from rich.markup import escape

from seqconv.errors import ConfigError
from seqconv.training.output.callbacks import BestModel, Callbacks
from seqconv.training.output.run_copy import RunCopy
from seqconv.training.run.identity import RunIdentity
from seqconv.training.run.runtime import random_states, set_random_states
from seqconv.training.run.setup import RunSetup
from seqconv.training.state import checkpoints
from seqconv.training.state.checkpoints import CHECKPOINTS, Checkpoint, Progress
from seqconv.training.step.divergence import LossWatch
from seqconv.training.step.train_step import all_variables, read_variables, write_variables

SEQUENCE_TABLE = "data.csv"


@runtime_checkable
class Resumable(Protocol):
    """A callback whose state belongs to the run: `state()` for JSON, and `restore(state)`."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class StateKeeper:
    """A keeper of the state of a run in its folder.

    Args:
        experiment: the run.
        callbacks: those that have a state, and the best model.
        path: the folder of the run.
        watch: looks at the loss; a state from which nothing can be trained is never saved.
        copy: of the folder, which follows each save.
    """

    def __init__(self, experiment: RunSetup, callbacks: Callbacks, path: Path, watch: LossWatch, copy: RunCopy) -> None:
        self._model, self._watch, self._copy = experiment.model, watch, copy
        self._resumable = find_resumable(callbacks)
        self._best = next(callback for callback in callbacks if isinstance(callback, BestModel))
        self._settings = experiment.config.training.checkpoint
        self._folder = path / CHECKPOINTS
        self._sequences: RunIdentity | None = RunIdentity.of(experiment.config, experiment.data)
        self._identity = self._sequences.to_dict()
        self._steps, self._saved_at = 0, time.monotonic()

    def find(self, console: Console) -> Checkpoint | None:
        """Return the newest whole checkpoint of the folder; None if training has to begin.

        Raises:
            ConfigError: it is that of another run: lists what differs.
        """
        for path in checkpoints.list_checkpoints(self._folder):
            try:
                checkpoint = checkpoints.read_checkpoint(path)
            except ConfigError as error:
                console.print(
                    f"[yellow]{'note':<9}[/]{escape(str(error))}; an older one is looked for", highlight=False
                )
                continue
            self._check(checkpoint)
            return checkpoint
        return None

    def restore(self, checkpoint: Checkpoint) -> tuple[Progress, list[str]]:
        """Restore a state; return the position at which the run goes on, and the callbacks that are missing.

        Raises:
            ConfigError: the checkpoint is of another model.
        """
        write_variables(self._model, checkpoint.variables)
        state = checkpoint.state
        for key, callback in self._resumable.items():
            if key in state["callbacks"]:
                callback.restore(state["callbacks"][key])
        self._best.put_weights(checkpoint.best)
        set_random_states(state["generators"])
        progress = Progress(*checkpoint.position, state["seconds"], state["data_wait"])
        return progress, [key for key in state["callbacks"] if key not in self._resumable]

    def count_step(self) -> None:
        """Count one more step."""
        self._steps += 1

    @property
    def is_due(self) -> bool:
        """Whether as many steps, or minutes, have passed as the config says."""
        steps, minutes = self._settings.steps, self._settings.minutes
        by_steps = steps is not None and self._steps >= steps
        return by_steps or (minutes is not None and time.monotonic() - self._saved_at >= 60 * minutes)

    def save(self, progress: Progress, *, is_complete: bool = False) -> None:
        """Save now.

        Raises:
            DivergenceError: training could not go on from the state.
        """
        self._watch.check()
        if keras.backend.backend() == "jax":
            # Within `fit`, JAX has the values elsewhere.
            self._model.jax_state_sync()
        variables = read_variables(self._model)
        state = {
            "callbacks": {key: callback.state() for key, callback in self._resumable.items()},
            "generators": random_states(),
            "seconds": progress.seconds,
            "data_wait": progress.data_wait,
        }
        position = progress.epoch, progress.step
        self._watch.check_variables(*position, variables)
        if self._sequences is not None:
            # It says what a checkpoint is compared with: of use from the first of them on.
            self._sequences.save(self._folder / SEQUENCE_TABLE)
            self._sequences = None
        checkpoint = Checkpoint(position, variables, self._best.weights(), state, self._identity, is_complete)
        checkpoints.save_checkpoint(self._folder, checkpoint, keep=self._settings.keep)
        self._copy.update()
        self._steps, self._saved_at = 0, time.monotonic()

    def _check(self, checkpoint: Checkpoint) -> None:
        identity = self._sequences
        differences = (
            [] if identity is None else identity.differences(checkpoint.identity, self._folder / SEQUENCE_TABLE)
        )
        if differences:
            problem = (
                f"{self._folder.parent}: its checkpoint is of another config or other data. Put these back as they "
                "were, or train again in another folder:"
            )
            raise ConfigError("\n  ".join([problem, *differences]))
        ours = [(tuple(variable.shape), np.dtype(variable.dtype)) for variable in all_variables(self._model)]
        theirs = [(array.shape, array.dtype) for array in checkpoint.variables]
        if ours != theirs:
            raise ConfigError(
                f"the checkpoint has {len(theirs)} variables that do not fit the {len(ours)} of this model: it was "
                "written by another version of seqconv or Keras. Use that version (see versions.json), or train again"
            )


def find_resumable(callbacks: Callbacks) -> dict[str, Resumable]:
    """Return the callbacks that have a state, by class name; further ones of a class are numbered."""
    found: dict[str, Resumable] = {}
    for callback in callbacks:
        if isinstance(callback, Resumable):
            name = type(callback).__name__
            count = sum(key.split(" ")[0] == name for key in found)
            found[f"{name} {count + 1}" if count else name] = callback
    return found


def remove_checkpoints(path: Path) -> None:
    """Remove what only an unfinished run needs."""
    shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
