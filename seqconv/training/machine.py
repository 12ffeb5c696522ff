"""Device, precision, seeds: how the machine is set up before a run."""

import contextlib
import os
from typing import Any

import keras

from seqconv.config import Config
from seqconv.errors import ConfigError


def set_up_machine(config: Config) -> str:
    """Seed everything, set precision and determinism, and return a line that names the device.

    Raises:
        ConfigError: when `training.device` is not there.
    """
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(_policy(config))
    if keras.backend.backend() != "tensorflow":
        return f"{keras.backend.backend()} backend"
    import tensorflow as tf

    if config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
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
    return f"{name}{cores} (TensorFlow {tf.__version__}, Keras {keras.__version__})"


def device_scope(device: str | None) -> contextlib.AbstractContextManager[Any]:
    """Within it, everything is placed on `device`; None leaves the choice to the backend."""
    if device is None:
        return contextlib.nullcontext()
    return keras.device(_device_name(device).lower())  # type: ignore[no-any-return]


def _device_name(device: str) -> str:
    name = device.upper().removeprefix("/").removeprefix("DEVICE:")
    return name if ":" in name else f"{name}:0"


def _policy(config: Config) -> str:
    return "mixed_float16" if config.training.mixed_precision else "float32"
