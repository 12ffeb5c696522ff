"""The state of a run, taken between two steps and restored in another process."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np

from seqconv.errors import ConfigError
from seqconv.training.output.callbacks import BestModel
from seqconv.training.run.runtime import random_states, set_random_states
from seqconv.training.state.checkpoints import Checkpoint, Position
from seqconv.training.state.progress import Progress
from seqconv.training.state.variables import all_variables, read_variables, write_variables


@runtime_checkable
class Resumable(Protocol):
    """A callback whose state belongs to the run: `state()` for JSON, and `restore(state)`."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


def take_state(
    model: keras.Model,
    callbacks: Iterable[keras.callbacks.Callback],
    progress: Progress,
    identity: dict[str, Any],
    *,
    is_complete: bool = False,
) -> Checkpoint:
    """Return all that the run needs to go on from here."""
    if keras.backend.backend() == "jax":
        # Within `fit`, JAX has the values elsewhere.
        model.jax_state_sync()
    listed = list(callbacks)
    best = next((callback.weights() for callback in listed if isinstance(callback, BestModel)), [])
    return Checkpoint(
        position=Position(progress.epoch, progress.step),
        variables=read_variables(model),
        best=best,
        state={
            "callbacks": {key: callback.state() for key, callback in resumable(listed).items()},
            "generators": random_states(),
            "seconds": progress.seconds,
            "data_wait": progress.data_wait,
        },
        identity=identity,
        is_complete=is_complete,
    )


def put_state(
    model: keras.Model, callbacks: Iterable[keras.callbacks.Callback], checkpoint: Checkpoint
) -> tuple[Progress, list[str]]:
    """Restore a state; return the position at which the run goes on, and the callbacks that begin again.

    Raises:
        ConfigError: the checkpoint is of another model.
    """
    _check_shapes(model, checkpoint)
    listed = list(callbacks)
    write_variables(model, checkpoint.variables)
    states = checkpoint.state["callbacks"]
    for key, callback in resumable(listed).items():
        if key in states:
            callback.restore(states[key])
    for callback in listed:
        if isinstance(callback, BestModel):
            callback.put_weights(checkpoint.best)
    set_random_states(checkpoint.state["generators"])
    seconds, wait = checkpoint.state["seconds"], checkpoint.state["data_wait"]
    return Progress(*checkpoint.position, seconds, wait), [key for key in states if key not in resumable(listed)]


def resumable(callbacks: Iterable[keras.callbacks.Callback]) -> dict[str, Resumable]:
    """Return the callbacks that have a state, by class name; further ones of a class are numbered."""
    found: dict[str, Resumable] = {}
    for callback in callbacks:
        if isinstance(callback, Resumable):
            name = type(callback).__name__
            count = sum(key.split(" ")[0] == name for key in found)
            found[f"{name} {count + 1}" if count else name] = callback
    return found


def _check_shapes(model: keras.Model, checkpoint: Checkpoint) -> None:
    ours = [(tuple(variable.shape), np.dtype(variable.dtype)) for variable in all_variables(model)]
    theirs = [(array.shape, array.dtype) for array in checkpoint.variables]
    if ours != theirs:
        raise ConfigError(
            f"the checkpoint has {len(theirs)} variables that do not fit the {len(ours)} of this model: it was "
            "written by another version of seqconv or Keras. Use that version (see versions.json), or train again"
        )
