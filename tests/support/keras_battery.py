"""Keras's own battery for layers, which lives in its private testing package: the only file that knows where.

Keras is bounded in pyproject.toml, because nothing promises that this stays.
"""

import warnings
from typing import Any

import keras
from keras.src.testing import TestCase


class _Battery(TestCase):
    """Keras's checks, outside of its test runner."""

    def runTest(self) -> None:  # noqa: N802
        """Do nothing; `unittest` wants this method, and the checks are called one by one."""


def run_battery(layer: type[keras.layers.Layer], arguments: dict[str, Any], **options: Any) -> None:
    """Construction, (de)serialization, build, symbolic and eager shapes and dtypes, a training step, mixed precision.

    Args:
        layer: the class.
        arguments: of its constructor.
        options: of `keras.src.testing.TestCase.run_layer_test`.
    """
    battery = _Battery()
    battery.setUp()
    with warnings.catch_warnings():
        # The battery's own call of `fit` causes it.
        warnings.filterwarnings("ignore", "`shuffle=True` was passed, but will be ignored", UserWarning)
        # It trains layers without weights, too.
        warnings.filterwarnings("ignore", "The model does not have any trainable weights", UserWarning)
        battery.run_layer_test(layer, arguments, supports_masking=False, **options)
