"""Search for settings by Optuna, on valid alone."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seqconv.experiments.tuning.search import Tuning, resume_tuning, tune

__all__ = ["Tuning", "resume_tuning", "tune"]

# Names are imported on first use: a space is read without Keras and Optuna.
__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"search": ["Tuning", "resume_tuning", "tune"]})
