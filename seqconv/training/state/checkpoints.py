"""Checkpoints: all that a run needs to go on at the exact step, each in one file that is whole or not there."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.errors import ConfigError
from seqconv.features.arrays import load_arrays
from seqconv.files import write_atomically

FORMAT_VERSION = 1
CHECKPOINTS = "checkpoints"
"""The folder of checkpoints within the folder of a run."""

_NAME = re.compile(r"epoch-(\d+)-step-(\d+)\.npz")
_IN_HEADER = ("state", "identity", "is_complete")


@dataclass
class Progress:
    """The position of a run: epoch and step, both from 0, with `seconds` and `data_wait` of the epoch so far."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    data_wait: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run between two steps.

    `position`: the epoch, and how many of its steps are done, both from 0; where no step is left, its validation comes
    next. `variables`: weights, statistics, seeds, optimizer, metrics. `best`: weights of the best model so far, if
    there is one. `state`: what is no array, as JSON has it: callbacks, history, random generators, seconds.
    `identity`: the run that it belongs to. `is_complete`: training is over.
    """

    position: tuple[int, int]
    variables: list[np.ndarray]
    best: list[np.ndarray] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    is_complete: bool = False


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int) -> None:
    """Write a checkpoint, atomically and through to the disk, then remove all but the newest `keep`."""
    folder.mkdir(exist_ok=True)
    header = {
        "format_version": FORMAT_VERSION,
        "position": checkpoint.position,
        "num_variables": len(checkpoint.variables),
        "num_best": len(checkpoint.best),
        **{name: getattr(checkpoint, name) for name in _IN_HEADER},
    }
    arrays: dict[str, Any] = {f"variable_{index}": array for index, array in enumerate(checkpoint.variables)}
    arrays |= {f"best_{index}": array for index, array in enumerate(checkpoint.best)}
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    epoch, step = checkpoint.position
    path = folder / f"epoch-{epoch:04}-step-{step:06}.npz"
    write_atomically(path, lambda temporary: np.savez(temporary, header=text, **arrays))
    for old in list_checkpoints(folder)[keep:]:
        old.unlink(missing_ok=True)


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the newest first; other files there are ignored."""
    found = [(match, path) for path in folder.glob("*.npz") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(((int(m[1]), int(m[2])), path) for m, path in found)][::-1]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is ever executed.

    Raises:
        ConfigError: it is damaged, or of a later version.
    """
    try:
        arrays = load_arrays(path)
        header = json.loads(arrays["header"].tobytes())
        version = header["format_version"]
        if version == FORMAT_VERSION:
            epoch, step = header["position"]
            return Checkpoint(
                position=(epoch, step),
                variables=[arrays[f"variable_{index}"] for index in range(header["num_variables"])],
                best=[arrays[f"best_{index}"] for index in range(header["num_best"])],
                **{name: header[name] for name in _IN_HEADER},
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"checkpoint {path} is damaged ({error or type(error).__name__})") from error
    raise ConfigError(
        f"checkpoint {path} has format {version}, this version of seqconv reads format {FORMAT_VERSION}. "
        "Go on with the version that began the run (see versions.json), or train again"
    )
