"""Train convolutional networks on sequences of any length: the batch never changes the answer.

The names of this page are what most programs need; each is imported when it is first used.
"""

from typing import TYPE_CHECKING, Any

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

_HOMES = {
    "FeatureStore": "features.store",
    "Sequences": "data.sequences",
    "audit": "inspection",
    "build_model": "models",
    "describe": "inspection",
    "evaluate": "evaluation",
    "extract_features": "features",
    "load_config": "config",
    "load_manifest": "data.manifest",
    "load_model": "models",
    "predict": "prediction",
    "predict_events": "prediction",
    "read_ts": "features.ts",
    "register": "parts",
    "resume": "training",
    "train": "training",
}

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


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'seqconv' has no attribute '{name}'")
    from importlib import import_module

    found = getattr(import_module(f"seqconv.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
