"""Prediction: from recordings, arrays or sequences to tables of answers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.prediction.dispatch import predict
    from seqconv.prediction.events import predict_events

__all__ = ["predict", "predict_events"]
_HOMES = {"predict": "dispatch", "predict_events": "events"}


def __getattr__(name: str) -> Any:
    """Import names on first use: chunks and windows are planned without Keras."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.prediction' has no attribute '{name}'")
    return getattr(import_module(f"seqconv.prediction.{_HOMES[name]}"), name)
