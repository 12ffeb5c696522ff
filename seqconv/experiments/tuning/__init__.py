"""Search for settings by Optuna, on valid alone."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.experiments.tuning.search import Tuning, resume_tuning, tune

__all__ = ["Tuning", "resume_tuning", "tune"]


def __getattr__(name: str) -> Any:
    """Import names on first use: a space is read without Keras and Optuna."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.experiments.tuning' has no attribute '{name}'")
    from seqconv.experiments.tuning import search

    return getattr(search, name)
