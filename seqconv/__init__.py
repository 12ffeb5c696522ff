"""Train convolutional networks on sequences of any length: the batch never changes the answer.

The names of this page are what most programs need; each is imported when it is first used.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seqconv.config import load_config as load_config
    from seqconv.data.manifest import load_manifest as load_manifest
    from seqconv.data.sequences import Sequences as Sequences
    from seqconv.evaluation import evaluate as evaluate
    from seqconv.features import extract_features as extract_features
    from seqconv.features.store import FeatureStore as FeatureStore
    from seqconv.features.ts import read_ts as read_ts
    from seqconv.inspection import audit as audit
    from seqconv.inspection import describe as describe
    from seqconv.models import build_model as build_model
    from seqconv.models import load_model as load_model
    from seqconv.parts import register as register
    from seqconv.prediction import predict as predict
    from seqconv.prediction import predict_events as predict_events
    from seqconv.training import resume as resume
    from seqconv.training import train as train

__version__ = "0.1.0"

__getattr__, _, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["load_config"],
        "data.manifest": ["load_manifest"],
        "data.sequences": ["Sequences"],
        "evaluation": ["evaluate"],
        "features": ["extract_features"],
        "features.store": ["FeatureStore"],
        "features.ts": ["read_ts"],
        "inspection": ["audit", "describe"],
        "models": ["build_model", "load_model"],
        "parts": ["register"],
        "prediction": ["predict", "predict_events"],
        "training": ["resume", "train"],
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
