"""Several runs of one config: folds, seeds and settings, in one folder, with one summary."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.series.running import Series, resume_series, train_series

__all__ = ["Series", "resume_series", "train_series"]


def __getattr__(name: str) -> Any:
    """Import on first use: which runs there are is known without Keras."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'seqconv.series' has no attribute '{name}'")
    return getattr(import_module("seqconv.series.running"), name)
