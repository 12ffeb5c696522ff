"""The framework that computes. Keras reads its name once, when it is imported."""

import os
import sys
from importlib.util import find_spec
from typing import Literal, NoReturn, get_args

from seqconv.errors import ConfigError

Backend = Literal["tensorflow", "jax", "torch"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
TITLES: dict[str, str] = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def choose_backend(name: Backend | None) -> None:
    """Have Keras compute with `name`; None leaves it to KERAS_BACKEND and `~/.keras/keras.json`, else TensorFlow.

    Raises:
        ConfigError: its package is not installed, or Keras was imported before and runs on another backend.
    """
    if name is None:
        return
    if find_spec(name) is None:
        refuse_missing(name)
    running = running_backend()
    if running is None:
        os.environ["KERAS_BACKEND"] = name
    elif running != name:
        raise ConfigError(
            f"backend is '{name}', but Keras runs on '{running}' in this process and cannot change. Start a new Python "
            f"with KERAS_BACKEND={name} in its environment (in a notebook: import os; os.environ['KERAS_BACKEND'] = "
            f"'{name}' in the first cell, before Keras or seqconv are imported), or set backend to '{running}'."
        )


def running_backend() -> str | None:
    """The backend on which Keras runs in this process; None while Keras is not imported."""
    keras = sys.modules.get("keras")
    return None if keras is None else str(keras.backend.backend())


def refuse_missing(name: str) -> NoReturn:
    """Say that the package of a backend is missing, and how to install it.

    Raises:
        ConfigError: always.
    """
    others = " or ".join(other for other in BACKENDS if other != name)
    extra = "" if name == "tensorflow" else f"[{name}]"
    raise ConfigError(
        f"backend is '{name}', but {TITLES[name]} is not installed. Install it with: pip install {name} (or, from the "
        f"project's folder, pip install -e '.{extra}'), or set backend to {others}."
    )
