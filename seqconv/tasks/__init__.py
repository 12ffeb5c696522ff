"""Tasks: labels in, targets to learn, and answers out."""

from seqconv.tasks.base import Task, find_task
from seqconv.tasks.classification import Classification
from seqconv.tasks.multilabel import Multilabel
from seqconv.tasks.regression import Regression
from seqconv.tasks.tokens import TokenSequences

__all__ = ["Classification", "Multilabel", "Regression", "Task", "TokenSequences", "find_task"]
