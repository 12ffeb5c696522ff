"""Scores on arrays: NumPy arrays in, plain dictionaries for JSON out.

scikit-learn and SciPy compute the scores; those that are resampled a thousand times have a second, fast function, which
tests compare with them.
A score that is undefined (a class without a sequence, a constant target) is `None`, and `notes` says why.
"""

from seqconv.metrics.calibration import fit_label_temperature, fit_temperature, label_calibration_error
from seqconv.metrics.classification import calibration_error, classification_scores
from seqconv.metrics.events import EventArrays, count_events, event_scorer, event_scores, is_unmet
from seqconv.metrics.frames import class_frame_scorer, label_frame_scorer, number_frame_scorer
from seqconv.metrics.intervals import bootstrap_intervals, by_length
from seqconv.metrics.means import Spread, spread
from seqconv.metrics.multilabel import multilabel_scores
from seqconv.metrics.records import Metric
from seqconv.metrics.regression import regression_scores
from seqconv.metrics.thresholds import choose_macro_threshold, choose_threshold

__all__ = [
    "EventArrays",
    "Metric",
    "Spread",
    "bootstrap_intervals",
    "by_length",
    "calibration_error",
    "choose_macro_threshold",
    "choose_threshold",
    "class_frame_scorer",
    "classification_scores",
    "count_events",
    "event_scorer",
    "event_scores",
    "fit_label_temperature",
    "fit_temperature",
    "is_unmet",
    "label_calibration_error",
    "label_frame_scorer",
    "multilabel_scores",
    "number_frame_scorer",
    "regression_scores",
    "spread",
]
