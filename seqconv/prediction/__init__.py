"""Prediction: from recordings, arrays or sequences to tables of answers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.prediction.dispatch import predict
    from seqconv.prediction.events import predict_events

__all__ = ["predict", "predict_events"]


def __getattr__(name: str) -> Any:
    """Import names on first use: chunks and windows are planned without Keras."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.prediction' has no attribute '{name}'")
    if name == "predict":
        from seqconv.prediction import dispatch

        return getattr(dispatch, name)
    from seqconv.prediction import events

    return getattr(events, name)
