"""The framework that computes: chosen, and started quietly. Keras reads its name once, when it is imported."""

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, NoReturn, get_args

from seqconv.config.standard_error import LEVEL, stderr_kept_back
from seqconv.errors import ConfigError

Backend = Literal["tensorflow", "jax", "torch"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
TITLES: dict[str, str] = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def choose_backend(name: Backend | None) -> None:
    """Make Keras compute with `name`; None leaves it to KERAS_BACKEND and `~/.keras/keras.json`, else TensorFlow.

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
    """Return the backend on which Keras runs in this process; None if Keras is not imported."""
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


def start_keras(backend: Backend | None = None) -> None:
    """Import Keras, on `backend` if one is named, without the start-up messages of TensorFlow.

    They are shown if the start fails, and with `TF_CPP_MIN_LOG_LEVEL=0` in the environment. TensorFlow also reads data
    for the other backends.

    Raises:
        ConfigError: the backend is not installed, or is none that Keras can train with.
    """
    choose_backend(backend)
    # Otherwise waiting threads of PyTorch use the CPU: next to other programs, a step takes up to twenty times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault(LEVEL, "3")
    with stderr_kept_back(), _collection_later():
        _import_keras()


def _import_keras() -> None:
    try:
        # Before TensorFlow: PyTorch crashes when it is imported after it.
        import_module("keras")
    except ImportError as error:
        if error.name not in BACKENDS:
            raise
        refuse_missing(error.name)
    except ValueError as error:
        if not str(error).startswith("Unable to import backend"):
            raise
        raise ConfigError(
            f"Keras does not start: {error}. Set KERAS_BACKEND, or 'backend' in ~/.keras/keras.json, to one of "
            f"{', '.join(BACKENDS)}."
        ) from None
    import tensorflow as tf

    # Looks for devices, which has messages of its own.
    tf.config.list_physical_devices()


@contextlib.contextmanager
def _collection_later() -> Iterator[None]:
    """Look for no garbage among what imports create: the looking is half of what a start, and an end, take."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
