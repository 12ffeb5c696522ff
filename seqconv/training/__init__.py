"""Training: from a config, or from arrays, to a run directory."""

from seqconv.training.output.mlflow import MLflowLogger
from seqconv.training.run.scoring import Run
from seqconv.training.run.train import dry_run, resume, train

__all__ = ["MLflowLogger", "Run", "dry_run", "resume", "train"]
