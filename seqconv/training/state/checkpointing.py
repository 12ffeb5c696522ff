"""Saves of a run's state: every so many steps or minutes, when it is asked to stop, and at its end."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import keras
from rich.console import Console
from rich.markup import escape

from seqconv.config.training import CheckpointSettings
from seqconv.errors import ConfigError
from seqconv.training.run.identity import RunIdentity
from seqconv.training.run.setup import RunSetup
from seqconv.training.state.checkpoints import CHECKPOINTS, Checkpoint, newest_checkpoint, save_checkpoint
from seqconv.training.state.progress import Progress
from seqconv.training.state.run_state import take_state
from seqconv.training.step.divergence import LossWatch

SEQUENCE_TABLE = "data.csv"


class StateKeeper:
    """A keeper of the state of a run in its folder.

    Args:
        experiment: the run.
        callbacks: whose state belongs to it.
        path: the folder of the run.
        identity: the run that the states belong to.
        watch: looks at the loss; a state from which nothing can be trained is never saved.
    """

    def __init__(
        self,
        experiment: RunSetup,
        callbacks: Sequence[keras.callbacks.Callback],
        path: Path,
        identity: RunIdentity,
        watch: LossWatch,
    ) -> None:
        self._model, self._callbacks, self._watch = experiment.model, callbacks, watch
        self._settings: CheckpointSettings = experiment.config.training.checkpoint
        self._folder = path / CHECKPOINTS
        self._folder.mkdir(exist_ok=True)
        self._sequences: RunIdentity | None = identity
        self._identity = identity.to_dict()
        self._steps, self._saved_at = 0, time.monotonic()

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
            DivergenceError: the state is none that training could go on from.
        """
        self._watch.check()
        checkpoint = take_state(self._model, self._callbacks, progress, self._identity, is_complete=is_complete)
        self._watch.check_variables(progress.epoch, progress.step, checkpoint.variables)
        if self._sequences is not None:
            # It says what a checkpoint is compared with: of use from the first of them on.
            self._sequences.save(self._folder / SEQUENCE_TABLE)
            self._sequences = None
        save_checkpoint(self._folder, checkpoint, keep=self._settings.keep)
        self._steps, self._saved_at = 0, time.monotonic()


def find_checkpoint(path: Path, identity: RunIdentity, console: Console) -> Checkpoint | None:
    """Return the newest whole checkpoint of a run folder; None if training has to begin.

    Raises:
        ConfigError: it is that of another run: lists what differs.
    """
    checkpoint, problems = newest_checkpoint(path / CHECKPOINTS)
    for problem in problems:
        console.print(f"[yellow]{'note':<9}[/]{escape(problem)}; an older one is looked for", highlight=False)
    if checkpoint is None:
        return None
    differences = identity.differences(checkpoint.identity, path / CHECKPOINTS / SEQUENCE_TABLE)
    if differences:
        raise ConfigError(
            "\n  ".join(
                [
                    f"{path}: its checkpoint is of another config or other data. Put these back as they were, or train "
                    "again in another folder:",
                    *differences,
                ]
            )
        )
    return checkpoint


def remove_checkpoints(path: Path) -> None:
    """Remove what only an unfinished run needs."""
    shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
