"""Several runs of one config: folds, seeds, settings and searches, and their comparison."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.experiments.comparison import write_comparison
    from seqconv.experiments.summary import Sweep
    from seqconv.experiments.sweep import resume_sweep, train_sweep

__all__ = ["Sweep", "resume_sweep", "train_sweep", "write_comparison"]
_HOMES = {"Sweep": "summary", "write_comparison": "comparison"}


def __getattr__(name: str) -> Any:
    """Import names on first use: the runs of a sweep are listed without Keras."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.experiments' has no attribute '{name}'")
    return getattr(import_module(f"seqconv.experiments.{_HOMES.get(name, 'sweep')}"), name)
