"""Pictures of detected and true events along time, in the recordings that went worst."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from seqconv.data.events.arrays import judged_arrays, true_arrays
from seqconv.metrics import EventArrays, is_unmet
from seqconv.reports.drawings import INK, MUTED, SERIES, Drawing, draw, shorten, shorten_all
from seqconv.reports.report_inputs import Material
from seqconv.reports.tables import make_table

MOST_RECORDINGS = 3
MOST_CLASSES = 24
STRETCH = 300.0
"""Seconds that one picture shows at most."""
_WIDTH = 8.4


class Stretch(NamedTuple):
    """A region of a recording: start and end in seconds of its file, and the events in it."""

    name: str
    start: float
    end: float
    is_whole: bool
    true: EventArrays
    found: EventArrays

    @property
    def wrong(self) -> int:
        """False alarms and missed events."""
        return int(is_unmet(self.true, self.found).sum() + is_unmet(self.found, self.true).sum())


def draw_timelines(material: Material) -> list[Drawing]:
    """Draw each of the recordings with the most false alarms and missed events, its worst minutes."""
    scores, data, found = material.scores.get("events"), material.answered, material.folder.events
    if scores is None or data is None or data.annotations is None or "start" not in found:
        return []
    metadata, names = data.metadata, list(scores["per_class"])
    ids = set(data.ids if metadata is None or "recording" not in metadata else metadata["recording"])
    marked, stretches = data.annotations, list[Stretch]()
    for name, events, start, end in zip(marked.ids, marked.events, marked.starts, marked.ends, strict=True):
        if name in ids:
            true = true_arrays(events, names, material.folder.config.target)
            given = judged_arrays(found[found["id"] == name], events, names)
            stretches.append(worst_stretch(name, float(start), float(end), true, given))
    # Of those with equally many errors, those with more events come first.
    stretches.sort(key=lambda each: (-each.wrong, -len(each.true.starts)))
    return [_draw(place, each, names, len(stretches)) for place, each in enumerate(stretches[:MOST_RECORDINGS])]


def worst_stretch(name: str, start: float, end: float, true: EventArrays, found: EventArrays) -> Stretch:
    """Return the recording, or if it is long the region of `STRETCH` seconds with the most errors, the first of equals.

    >>> nothing = EventArrays(np.zeros(0), np.zeros(0), np.zeros(0, int))
    >>> alarm = EventArrays(np.array([700.0]), np.array([702.0]), np.array([0]))
    >>> worst_stretch("tape", 0.0, 1000.0, nothing, alarm)[1:3]
    (600.0, 900.0)
    """
    begins = [start] if end - start <= STRETCH else np.arange(start, end, STRETCH).tolist()
    parts = []
    for begin in begins:
        stop = min(begin + STRETCH, end)
        both = (_between(each, begin, stop) for each in (true, found))
        parts.append(Stretch(name, begin, stop, len(begins) == 1, *both))
    return max(parts, key=lambda part: part.wrong)


def _between(events: EventArrays, start: float, end: float) -> EventArrays:
    is_there = (events.ends > start) & (events.starts < end)
    return EventArrays(events.starts[is_there], events.ends[is_there], events.classes[is_there])


def _draw(place: int, stretch: Stretch, names: Sequence[str], count: int) -> Drawing:
    true, found = stretch.true, stretch.found
    is_missed, is_alarm = is_unmet(true, found), is_unmet(found, true)
    used = np.unique(np.concatenate([true.classes, found.classes])).astype(int)[:MOST_CLASSES].tolist()
    span = f"{stretch.start:g} to {stretch.end:g} s"
    sides = (
        (true, is_missed, "true", "missed", MUTED, -0.4),
        (found, is_alarm, "found", "false alarm", SERIES[0], 0.02),
    )
    bars = [
        (float(start), float(end), number, what, result if is_wrong else "", SERIES[1] if is_wrong else color, offset)
        for events, are_wrong, what, result, color, offset in sides
        for start, end, number, is_wrong in zip(*events, are_wrong, strict=True)
    ]

    def paint(axes: Axes) -> str:
        for start, end, number, _, _, color, offset in bars:
            if number in used:
                low, high = max(start, stretch.start), min(end, stretch.end)
                axes.broken_barh(
                    [(low, high - low)], (used.index(number) + offset, 0.36), facecolors=color, linewidth=0
                )
        axes.set_yticks(range(len(used)), shorten_all([names[number] for number in used], 24))
        axes.set(xlim=(stretch.start, stretch.end), ylim=(max(len(used), 1) - 0.45, -0.55), xlabel="seconds")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", labelcolor=INK)
        return (
            f"Events in {stretch.name}, {span}: {len(true.starts)} true, {int(is_missed.sum())} of them missed; "
            f"{len(found.starts)} found, {int(is_alarm.sum())} of them false alarms."
        )

    rows = sorted((start, end, names[number], what, result) for start, end, number, what, result, _, _ in bars)
    caption = (
        "Above: what is true, grey; below: what was found, blue. Orange shares no moment with one of its class on the "
        "other side: missed, or a false alarm."
    )
    part = "" if stretch.is_whole else f", {span}"
    if count > MOST_RECORDINGS and place == 0:
        caption += f" These are the {MOST_RECORDINGS} recordings of {count} with the most of it."
    if len(used) == MOST_CLASSES:
        caption += f" {MOST_CLASSES} classes at most are drawn."
    table = make_table(["start", "end", "class", "what", "result"], rows)
    size = (_WIDTH, 0.55 + 0.34 * max(len(used), 1))
    title = f"{shorten(stretch.name, 60)}{part}"
    return draw(f"timeline-{place}", title, paint, table, size=size, caption=caption if place == 0 else "")
