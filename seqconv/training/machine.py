"""Device, precision, seeds: how the machine is set up for a run, and handed back after it."""

import contextlib
import os
import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from seqconv.config import Config
from seqconv.errors import ConfigError


@contextlib.contextmanager
def machine_for(config: Config) -> Iterator[str]:
    """Set seeds, precision, determinism and device as the config says; gives a line that names the device.

    Afterwards, also after a failure, Keras's dtype policy and the random states of Python and NumPy are again those of
    the caller. TensorFlow cannot undo two things within a process: its global seed stays that of the run, and op
    determinism (`training.deterministic`), once on, stays on.

    Raises:
        ConfigError: when `training.device` is not there.
    """
    policy, random_state = keras.config.dtype_policy(), random.getstate()
    # Keras seeds NumPy's legacy generator, the one that is global.
    numpy_state = np.random.get_state()  # noqa: NPY002
    try:
        keras.utils.set_random_seed(config.seed)
        keras.config.set_dtype_policy("mixed_float16" if config.training.mixed_precision else "float32")
        device = _find_device(config)
        with _device_scope(config.training.device):
            yield device
    finally:
        keras.config.set_dtype_policy(policy)
        random.setstate(random_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def _find_device(config: Config) -> str:
    if keras.backend.backend() != "tensorflow":
        return f"{keras.backend.backend()} backend"
    import tensorflow as tf

    _set_determinism(config)
    devices = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    gpus = [name for name in devices if name.startswith("GPU")]
    chosen = config.training.device
    if chosen is not None and _device_name(chosen) not in devices:
        raise ConfigError(
            f"training.device is '{chosen}', but TensorFlow sees {', '.join(devices)}. Use one of these, or leave it "
            "out. For NVIDIA GPUs install with: pip install -e '.[gpu]'"
        )
    name = _device_name(chosen) if chosen else (gpus or devices)[0]
    cores = f", {os.cpu_count()} cores" if name.startswith("CPU") else ""
    precision = ", mixed precision" if config.training.mixed_precision else ""
    return f"{name}{cores}{precision} (TensorFlow {tf.__version__}, Keras {keras.__version__})"


def _set_determinism(config: Config) -> None:
    """XLA lacks deterministic forms of some operations (gradients of maxima), so that Keras would leave it out."""
    import tensorflow as tf
    from tensorflow.python.framework.config import is_op_determinism_enabled

    if config.training.jit_compile is not True:
        if _is_deterministic(config):
            tf.config.experimental.enable_op_determinism()
    elif is_op_determinism_enabled():
        raise ConfigError(
            "training.jit_compile is true, but op determinism is on in this process (an earlier run with "
            "training.deterministic switched it on), TensorFlow cannot undo it, and XLA does not have it. "
            "Start a new Python, or set training.jit_compile to false."
        )


def uses_xla(config: Config) -> bool:
    """Whether to compile with XLA. `auto` does on GPUs unless they are to be deterministic; it does not on CPUs, where
    each new shape costs seconds."""
    if config.training.jit_compile != "auto":
        return config.training.jit_compile
    if keras.backend.backend() != "tensorflow":
        return True
    return _runs_on_gpu(config) and not _is_deterministic(config)


def _is_deterministic(config: Config) -> bool:
    asked = config.training.deterministic
    return not _runs_on_gpu(config) if asked == "auto" else asked


def _runs_on_gpu(config: Config) -> bool:
    if config.training.device is not None:
        return _device_name(config.training.device).startswith("GPU")
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _device_scope(device: str | None) -> contextlib.AbstractContextManager[Any]:
    """Within it, everything is placed on `device`; None leaves the choice to the backend."""
    if device is None:
        return contextlib.nullcontext()
    return keras.device(_device_name(device).lower())  # type: ignore[no-any-return]


def _device_name(device: str) -> str:
    name = device.upper().removeprefix("/").removeprefix("DEVICE:")
    return name if ":" in name else f"{name}:0"
