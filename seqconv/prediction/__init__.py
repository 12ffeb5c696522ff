"""Prediction: from recordings, arrays or sequences to tables of answers."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seqconv.prediction.dispatch import predict
    from seqconv.prediction.events import predict_events

__all__ = ["predict", "predict_events"]

# Names are imported on first use: chunks and windows are planned without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"dispatch": ["predict"], "events": ["predict_events"]}
)
