"""Training: from a config, or from arrays, to a run directory."""

from seqconv.training.run import Run, dry_run, resume, train
from seqconv.training.tracking import MLflowLogger

__all__ = ["MLflowLogger", "Run", "dry_run", "resume", "train"]
