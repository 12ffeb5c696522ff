"""Several runs of one config: folds, seeds, settings and searches, and their comparison."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.experiments.comparison import write_comparison
    from seqconv.experiments.sweep import Sweep, resume_sweep, train_sweep

__all__ = ["Sweep", "resume_sweep", "train_sweep", "write_comparison"]


def __getattr__(name: str) -> Any:
    """Import names on first use: the runs of a sweep are listed without Keras."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.experiments' has no attribute '{name}'")
    if name == "write_comparison":
        from seqconv.experiments import comparison

        return getattr(comparison, name)
    from seqconv.experiments import sweep

    return getattr(sweep, name)
