"""Several runs of one config: folds, seeds, settings and searches, and their comparison."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seqconv.experiments.comparison import write_comparison
    from seqconv.experiments.recipes.auto import train_recipe
    from seqconv.experiments.summary import Sweep
    from seqconv.experiments.sweep import resume_sweep, train_sweep

__all__ = ["Sweep", "resume_sweep", "train_recipe", "train_sweep", "write_comparison"]

# Names are imported on first use: the runs of a sweep are listed without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "comparison": ["write_comparison"],
        "recipes.auto": ["train_recipe"],
        "summary": ["Sweep"],
        "sweep": ["resume_sweep", "train_sweep"],
    },
)
