"""Float64 that stays float64 on every backend; behind this one file, since it reaches into Keras.

On JAX and PyTorch, Keras promotes types as JAX does without `jax_enable_x64`: float64 becomes float32 within many
operations (`mean` is one). Keras's segment reductions on PyTorch compute in float32 by themselves.
"""

import contextlib
from collections.abc import Iterator
from unittest import mock

import keras
from keras.src.backend.common import dtypes

BACKEND = keras.backend.backend()


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Compute in float64 within it. On JAX, `JAX_ENABLE_X64=1` must have been in the environment."""
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    with mock.patch.dict(dtypes.BIT64_TO_BIT32_DTYPE, {"float64": "float64"}), _torch_in_double():
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        try:
            if BACKEND == "jax" and str(keras.ops.zeros(()).dtype) != "float64":
                raise RuntimeError("JAX computes in float32 only: set JAX_ENABLE_X64=1 in the environment.")
            yield
        finally:
            keras.config.set_floatx(floatx)
            keras.config.set_dtype_policy(policy)


@contextlib.contextmanager
def _torch_in_double() -> Iterator[None]:
    if BACKEND != "torch":
        yield
        return
    import torch

    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            yield
    finally:
        torch.set_default_dtype(default)
