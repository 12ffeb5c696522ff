"""Tables of recordings: read them, check them, divide them into train, valid and test."""

from seqconv.data.manifest.checks import check_manifest
from seqconv.data.manifest.columns import KNOWN_COLUMNS, SPLITS
from seqconv.data.manifest.folds import make_folds
from seqconv.data.manifest.labels import check_labels
from seqconv.data.manifest.loading import load_manifest
from seqconv.data.manifest.splits import make_splits

__all__ = ["KNOWN_COLUMNS", "SPLITS", "check_labels", "check_manifest", "load_manifest", "make_folds", "make_splits"]
