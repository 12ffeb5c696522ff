"""Events as arrays for metrics: the true ones, and the detected ones that can be judged."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.data.events.annotations import event_names
from seqconv.data.events.tables import Events
from seqconv.metrics import EventArrays
from seqconv.tasks.settings import TargetConfig


def true_arrays(events: Events, names: list[str], target: TargetConfig) -> EventArrays:
    """Return the true events of a recording for a metric: those that `names` name, a row for each class of each."""
    rows = [
        (start, end, names.index(name))
        for start, end, label in zip(events.starts, events.ends, events.labels, strict=True)
        for name in event_names(label, target)
        if name in names
    ]
    return _arrays(rows)


def judged_arrays(found: pd.DataFrame, events: Events, names: list[str]) -> EventArrays:
    """Return the detected events of a recording for a metric, without those of which half is in events of unknown
    class.
    """
    judged = found.loc[_is_judged(found, events), ["start", "end", "label"]]
    return _arrays([(start, end, names.index(label)) for start, end, label in judged.itertuples(index=False)])


def _is_judged(found: pd.DataFrame, events: Events) -> npt.NDArray[np.bool_]:
    unnamed = [place for place, label in enumerate(events.labels) if label is None]
    if not unnamed or found.empty:
        return np.ones(len(found), bool)
    starts, ends = (found[name].to_numpy(np.float64)[:, None] for name in ("start", "end"))
    shared = np.minimum(ends, events.ends[unnamed]) - np.maximum(starts, events.starts[unnamed])
    return np.asarray(np.maximum(shared, 0).sum(axis=1) < 0.5 * (ends - starts)[:, 0])


def _arrays(rows: list[tuple[float, float, int]]) -> EventArrays:
    values = np.array(rows, np.float64).reshape(-1, 3)
    return EventArrays(values[:, 0], values[:, 1], values[:, 2].astype(np.int64))
