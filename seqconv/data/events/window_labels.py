"""Labels of windows from the events that overlap with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqconv.data.events.annotations import event_names
from seqconv.data.events.tables import Events, FloatArray
from seqconv.tasks.settings import TargetConfig
from seqconv.text import amount

_TOLERANCE = 1e-6


@dataclass
class WindowLabels:
    """The label of each window: a class, or a list of them (multilabel); None if nothing is known.

    `is_empty`: whether no event labels the window. The numbers are for a report.
    """

    labels: list[Any] = field(default_factory=list)
    is_empty: list[bool] = field(default_factory=list)
    num_contested: int = 0
    num_grazed: int = 0
    num_lost: int = 0

    def notes(self) -> list[str]:
        """Return the decisions made, as sentences."""
        hold, label = ("window holds", "windows hold"), ("event labels", "events label")
        known = [
            (self.num_contested, hold, "events of several classes: labeled by the one that fills most of it"),
            (self.num_grazed, hold, "less of an event than data.windows.min_overlap asks for: not labeled by it"),
            (self.num_lost, label, "no window: raise data.windows.seconds, or lower its hop"),
        ]
        return [f"{amount(count, *nouns)} {text}" for count, nouns, text in known if count]


def label_windows(
    starts: Sequence[FloatArray],
    ends: Sequence[FloatArray],
    events: Sequence[Events],
    target: TargetConfig,
    min_overlap: float,
) -> WindowLabels:
    """Label the windows of each recording by its events.

    An event labels a window when the time that they share is at least `min_overlap` of the window, or of the event
    where that is shorter. So the least bit that leaves no event without a window, for windows side by side, is 0.5.

    Args:
        starts, ends: of the windows of each recording, in order, in seconds.
        events: of each recording.
        target: the task, the separator, and the class of windows without an event.
        min_overlap: above 0, up to 1.

    >>> here = [np.array([0.0, 1.0, 2.0])], [np.array([1.0, 2.0, 3.0])]
    >>> song = Events(np.array([0.7]), np.array([1.9]), ("song",))
    >>> label_windows(*here, [song], TargetConfig(background="none"), 0.5).labels
    ['none', 'song', 'none']
    """
    found = WindowLabels()
    for of_recording in zip(starts, ends, events, strict=True):
        _label(*of_recording, target, min_overlap, found)
    return found


def _label(
    starts: FloatArray, ends: FloatArray, events: Events, target: TargetConfig, min_overlap: float, found: WindowLabels
) -> None:
    parts: list[dict[str, list[tuple[float, float]]]] = [{} for _ in starts]
    is_unknown, is_touched = np.zeros(len(starts), bool), np.zeros(len(starts), bool)
    for start, end, label in zip(events.starts, events.ends, events.labels, strict=True):
        near = np.arange(np.searchsorted(ends, start, "right"), np.searchsorted(starts, end, "left"))
        first, last = np.maximum(starts[near], start), np.minimum(ends[near], end)
        needed = min_overlap * np.minimum(ends[near] - starts[near], end - start)
        is_labeled = last - first >= needed - _TOLERANCE
        is_touched[near[last - first > _TOLERANCE]] = True
        # Of a part of a file, some events are elsewhere.
        is_here = end > starts[0] + _TOLERANCE and start < ends[-1] - _TOLERANCE
        found.num_lost += int(is_here and not is_labeled.any())
        names = event_names(label, target)
        if not names:
            is_unknown[near[is_labeled]] = True
        for place, *shared in zip(near[is_labeled], first[is_labeled], last[is_labeled], strict=True):
            for name in names:
                parts[place].setdefault(name, []).append((shared[0], shared[1]))
    for place, of_window in enumerate(parts):
        is_empty = not of_window
        found.num_grazed += int(is_empty and is_touched[place] and not is_unknown[place])
        found.is_empty.append(is_empty)
        if is_unknown[place]:
            found.labels.append(None)
        else:
            found.num_contested += int(len(of_window) > 1 and not target.definition.allows_overlaps)
            # In the order of time: dicts keep it.
            covered = {name: _covered(parts) for name, parts in of_window.items()}
            found.labels.append(target.definition.window_label(covered, target.background))


def _covered(parts: list[tuple[float, float]]) -> float:
    """Return the seconds covered by some of the regions, which may overlap, rounded so that equal shares are equal.

    >>> _covered([(0.0, 0.5), (0.25, 1.0), (2.0, 2.5)])
    1.5
    """
    total, reached = 0.0, -np.inf
    for first, last in sorted(parts):
        total += max(last - max(first, reached), 0.0)
        reached = max(reached, last)
    return round(total, 6)
