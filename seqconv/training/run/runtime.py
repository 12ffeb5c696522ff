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
    with contextlib.ExitStack() as changes:
        changes.enter_context(random_states_kept())
        _set_determinism(config, changes)
        changes.callback(keras.config.set_dtype_policy, keras.config.dtype_policy())
        keras.utils.set_random_seed(config.seed)
        keras.config.set_dtype_policy("mixed_float16" if config.training.mixed_precision else "float32")
        device = _describe_device(config)
        changes.enter_context(device_scope(config.training.device))
        yield device


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
    return f"{name}{cores}{precision} ({TITLES[backend.__name__]} {backend.__version__}, Keras {keras.__version__})"


def _set_determinism(config: Config, changes: contextlib.ExitStack) -> None:
    """Switch on determinism if the backend needs it and the config asks for it; `changes` undoes what can be undone."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        _set_tensorflow_determinism(config)
    elif backend == "jax":
        _check_jax_determinism(config)
    elif config.training.deterministic is True:
        import torch

        # What cuBLAS needs for it; PyTorch refuses to compute without.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        changes.callback(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled())
        torch.use_deterministic_algorithms(True)


def _check_jax_determinism(config: Config) -> None:
    flag, training = "--xla_gpu_deterministic_ops=true", config.training
    is_missing = flag not in os.environ.get("XLA_FLAGS", "")
    if is_missing and training.deterministic is True and runs_on_gpu(training.device):
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


def list_devices() -> list[str]:
    """Return names of all devices, the one that the backend computes on first.

    >>> list_devices()[-1]
    'CPU:0'
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        devices = dict.fromkeys([*jax.local_devices(), *jax.local_devices(backend="cpu")])
        return [f"{device.platform.upper()}:{device.id}" for device in devices]
    if backend == "torch":
        import torch

        first = device_name(str(keras.ops.zeros(()).device).replace("cuda", "gpu"))
        gpus = [f"GPU:{index}" for index in range(torch.cuda.device_count())]
        return list(dict.fromkeys([first, *gpus, "CPU:0"]))
    import tensorflow as tf

    names = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    return sorted(names, key=lambda name: not name.startswith("GPU"))


def runs_on_gpu(device: str | None) -> bool:
    """Whether `device`, or if it is None the backend's choice, is a GPU; checked without starting TensorFlow."""
    if device is not None:
        return device_name(device).startswith("GPU")
    if keras.backend.backend() != "tensorflow":
        return list_devices()[0].startswith("GPU")
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def device_name(device: str) -> str:
    """Return the full name of a device.

    >>> device_name("gpu"), device_name("/device:GPU:1")
    ('GPU:0', 'GPU:1')
    """
    name = device.upper().removeprefix("/").removeprefix("DEVICE:")
    return name if ":" in name else f"{name}:0"


def device_scope(device: str | None) -> contextlib.AbstractContextManager[Any]:
    """Put everything within the block on `device`; None leaves the choice to the backend."""
    if device is None:
        return contextlib.nullcontext()
    name = device_name(device).lower()
    if keras.backend.backend() == "torch" and name == "cpu:0":
        # PyTorch's own name for it. Keras would take cpu:0 for another device: copy each weight, and lose its gradient.
        name = "cpu"
    return keras.device(name)  # type: ignore[no-any-return]
