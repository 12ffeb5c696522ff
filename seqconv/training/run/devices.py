"""The devices of the backend, by Keras's names: CPU:0, GPU:1."""

import contextlib
from typing import Any

import keras


def list_devices() -> list[str]:
    """Return names of all devices, the one that the backend computes on first.

    >>> list_devices()[-1]
    'CPU:0'
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return _jax_devices()
    if backend == "torch":
        return _torch_devices()
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


def _jax_devices() -> list[str]:
    import jax

    devices = dict.fromkeys([*jax.local_devices(), *jax.local_devices(backend="cpu")])
    return [f"{device.platform.upper()}:{device.id}" for device in devices]


def _torch_devices() -> list[str]:
    import torch

    first = device_name(str(keras.ops.zeros(()).device).replace("cuda", "gpu"))
    gpus = [f"GPU:{index}" for index in range(torch.cuda.device_count())]
    return list(dict.fromkeys([first, *gpus, "CPU:0"]))
