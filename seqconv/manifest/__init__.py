"""Tables of recordings: read them, check them, cut them into train, valid and test."""

from seqconv.manifest.checks import check_manifest
from seqconv.manifest.columns import KNOWN_COLUMNS, SPLITS
from seqconv.manifest.folds import make_folds
from seqconv.manifest.labels import check_labels
from seqconv.manifest.loading import load_manifest
from seqconv.manifest.splits import make_splits

__all__ = [
    "KNOWN_COLUMNS",
    "SPLITS",
    "check_labels",
    "check_manifest",
    "load_manifest",
    "make_folds",
    "make_splits",
]
