"""Train convolutional networks on sequences of any length: the batch never changes the answer.

The names of this page are what most programs need; each is imported when it is first used.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seqconv.config import load_config
    from seqconv.data.manifest import load_manifest
    from seqconv.data.sequences import Sequences
    from seqconv.evaluation import evaluate
    from seqconv.features import extract_features
    from seqconv.features.store import FeatureStore
    from seqconv.features.ts import read_ts
    from seqconv.inspection import audit, describe
    from seqconv.models import build_model, load_model
    from seqconv.parts import register
    from seqconv.prediction import predict, predict_events
    from seqconv.training import resume, train

__version__ = "0.1.0"

__all__ = [
    "FeatureStore",
    "Sequences",
    "audit",
    "build_model",
    "describe",
    "evaluate",
    "extract_features",
    "load_config",
    "load_manifest",
    "load_model",
    "predict",
    "predict_events",
    "read_ts",
    "register",
    "resume",
    "train",
]

__getattr__, __dir__, _ = lazy_loader.attach(
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
