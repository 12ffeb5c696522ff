"""Training: from a config, or from arrays, to a run directory."""

from seqconv.training.run import Run, dry_run, resume, train

__all__ = ["Run", "dry_run", "resume", "train"]
