"""Device, precision, seeds: the machine as a run needs it, restored after the run."""

import contextlib
import os
import random
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import keras
import numpy as np

from seqconv.config import Config
from seqconv.config.backends import BACKENDS, TITLES, choose_backend
from seqconv.errors import ConfigError
from seqconv.training.run.devices import device_name, device_scope, list_devices, runs_on_gpu


@contextlib.contextmanager
def machine_for(config: Config) -> Iterator[str]:
    """Set seeds, precision, determinism and device as the config says; yield a line that names the device.

    Afterwards, also after a failure, Keras's dtype policy and the random states of Python, NumPy and PyTorch are again
    those of the caller. TensorFlow cannot undo two things within a process: its global seed stays that of the run, and
    op determinism (`training.deterministic`), once on, stays on.

    Raises:
        ConfigError: when Keras runs on another backend than the config's, or `training.device` is not there.
    """
    check_backend(config)
    policy = keras.config.dtype_policy()
    with random_states_kept(), _determinism(config):
        try:
            keras.utils.set_random_seed(config.seed)
            keras.config.set_dtype_policy("mixed_float16" if config.training.mixed_precision else "float32")
            device = _describe_device(config)
            with device_scope(config.training.device):
                yield device
        finally:
            keras.config.set_dtype_policy(policy)


def check_backend(config: Config) -> None:
    """Check that Keras runs on the backend of the config, and on one that trains.

    Raises:
        ConfigError: it does not, or its package is missing; names both.
    """
    choose_backend(config.backend)
    running = keras.backend.backend()
    if running not in BACKENDS:
        raise ConfigError(
            f"Keras runs on '{running}', which cannot train. Set backend or KERAS_BACKEND to one of "
            f"{', '.join(BACKENDS)}."
        )


def uses_xla(config: Config) -> bool | None:
    """Return whether to compile the training step; None if a measurement is to decide.

    `auto` does on JAX, and does not on PyTorch. On TensorFlow it does not where runs are to be deterministic, as they
    are on CPUs by default, and is measured elsewhere.
    """
    if config.training.jit_compile != "auto":
        return config.training.jit_compile
    if keras.backend.backend() != "tensorflow":
        return bool(keras.backend.backend() == "jax")
    return False if _is_deterministic(config) else None


@contextlib.contextmanager
def random_states_kept() -> Iterator[None]:
    """Restore the generators of Python, NumPy and PyTorch after the block."""
    states = random_states()
    try:
        yield
    finally:
        set_random_states(states)


def random_states() -> dict[str, Any]:
    """Return the global generators of Python, NumPy and, if Keras runs on it, PyTorch, for JSON."""
    version, state, gauss = random.getstate()
    # Keras seeds NumPy's legacy generator, the one that is global.
    numpy_state: Any = np.random.get_state()  # noqa: NPY002
    name, keys, *rest = numpy_state
    states: dict[str, Any] = {"python": [version, list(state), gauss], "numpy": [name, keys.tolist(), *rest]}
    if keras.backend.backend() == "torch":
        import torch

        cuda = torch.cuda.get_rng_state_all()
        states["torch"] = [torch.get_rng_state().tolist(), [each.tolist() for each in cuda]]
    return states


def set_random_states(states: Mapping[str, Any]) -> None:
    """Put the generators into the states of `random_states`; missing graphics cards are left out."""
    version, state, gauss = states["python"]
    random.setstate((version, tuple(state), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))  # noqa: NPY002
    if "torch" in states:
        import torch

        cpu, cuda = states["torch"]
        torch.set_rng_state(torch.tensor(cpu, dtype=torch.uint8))
        for index, each in enumerate(cuda[: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(torch.tensor(each, dtype=torch.uint8), index)


def _describe_device(config: Config) -> str:
    chosen, devices = config.training.device, list_devices()
    if chosen is not None and device_name(chosen) not in devices:
        raise ConfigError(
            f"training.device is '{chosen}', but {TITLES[keras.backend.backend()]} sees {', '.join(devices)}. Use one "
            "of these, or leave it out. For TensorFlow on NVIDIA GPUs install with: pip install -e '.[gpu]'"
        )
    name = device_name(chosen) if chosen else devices[0]
    cores = f", {os.cpu_count()} cores" if name.startswith("CPU") else ""
    precision = ", mixed precision" if config.training.mixed_precision else ""
    backend = import_module(keras.backend.backend())
    title = TITLES[backend.__name__]
    return f"{name}{cores}{precision} ({title} {backend.__version__}, Keras {keras.__version__})"


@contextlib.contextmanager
def _determinism(config: Config) -> Iterator[None]:
    """Switch on determinism if the backend needs it and the config asks for it."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        _set_tensorflow_determinism(config)
        yield
    elif backend == "torch" and config.training.deterministic is True:
        import torch

        # What cuBLAS needs for it; PyTorch refuses to compute without.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
    else:
        _check_jax_determinism(config)
        yield


def _check_jax_determinism(config: Config) -> None:
    flag = "--xla_gpu_deterministic_ops=true"
    is_asked = keras.backend.backend() == "jax" and config.training.deterministic is True
    if is_asked and runs_on_gpu(config.training.device) and flag not in os.environ.get("XLA_FLAGS", ""):
        raise ConfigError(
            f"training.deterministic is true, which JAX on GPUs needs to know when it starts: set XLA_FLAGS={flag} in "
            "the environment, or leave training.deterministic at 'auto'."
        )


def _set_tensorflow_determinism(config: Config) -> None:
    """Switch on TensorFlow's op determinism, unless XLA is asked for, which lacks it for gradients of maxima."""
    import tensorflow as tf

    if config.training.jit_compile is not True:
        if _is_deterministic(config):
            tf.config.experimental.enable_op_determinism()
    elif is_determinism_on():
        raise ConfigError(
            "training.jit_compile is true, but op determinism is on in this process (an earlier run with "
            "training.deterministic switched it on), TensorFlow cannot undo it, and XLA does not have it. "
            "Start a new Python, or set training.jit_compile to false."
        )


def is_determinism_on() -> bool:
    """Whether a run of this process has switched on TensorFlow's op determinism, which excludes XLA and stays on."""
    from tensorflow.python.framework.config import is_op_determinism_enabled

    return bool(is_op_determinism_enabled())


def _is_deterministic(config: Config) -> bool:
    asked = config.training.deterministic
    return not runs_on_gpu(config.training.device) if asked == "auto" else asked
