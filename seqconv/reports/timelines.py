"""Pictures of detected and true events along time, in the recordings that went worst."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seqconv.data.events.arrays import judged_arrays, true_arrays
from seqconv.metrics import EventArrays, is_unmet
from seqconv.reports.drawings import INK, MUTED, SERIES, Drawing, draw, shorten, shorten_all
from seqconv.reports.report_inputs import Material
from seqconv.reports.tables import make_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    split, data = material.folder.split or material.folder.scored_split, material.answered
    scores = None if split is None else material.folder.metrics[split].get("events")
    found = material.folder.events
    if scores is None or data is None or data.annotations is None or "start" not in found:
        return []
    metadata, names = data.metadata, list(scores["per_class"])
    is_cut = metadata is not None and "recording" in metadata
    ids = set(metadata["recording"]) if metadata is not None and is_cut else set(data.ids)
    beside, stretches = data.annotations, list[Stretch]()
    for name, events, start, end in zip(beside.ids, beside.events, beside.starts, beside.ends, strict=True):
        if name in ids:
            true = true_arrays(events, names, material.folder.config.target)
            given = judged_arrays(found[found["id"] == name], events, names)
            stretches.append(worst_stretch(name, float(start), float(end), true, given))
    # Where as many are wrong, those with more to see.
    stretches.sort(key=lambda each: (-each.wrong, -len(each.true.starts)))
    return [_draw(place, each, names, len(stretches)) for place, each in enumerate(stretches[:MOST_RECORDINGS])]


def worst_stretch(name: str, start: float, end: float, true: EventArrays, found: EventArrays) -> Stretch:
    """Return the recording, or if it is long the region of `STRETCH` seconds with the most errors, the first of equals.

    >>> nothing = EventArrays(np.zeros(0), np.zeros(0), np.zeros(0, int))
    >>> alarm = EventArrays(np.array([700.0]), np.array([702.0]), np.array([0]))
    >>> worst_stretch("tape", 0.0, 1000.0, nothing, alarm)[1:3]
    (600.0, 900.0)
    """
    # Of a part of a file, some events lie elsewhere.
    true, found = (_between(each, start, end - start) for each in (true, found))
    if end - start <= STRETCH:
        return Stretch(name, start, end, True, true, found)
    parts = []
    for begin in np.arange(start, end, STRETCH).tolist():
        both = (_between(each, begin, STRETCH) for each in (true, found))
        parts.append(Stretch(name, begin, min(begin + STRETCH, end), False, *both))
    return max(parts, key=lambda part: part.wrong)


def _between(events: EventArrays, start: float, seconds: float) -> EventArrays:
    is_there = (events.ends > start) & (events.starts < start + seconds)
    return EventArrays(events.starts[is_there], events.ends[is_there], events.classes[is_there])


def _draw(place: int, stretch: Stretch, names: Sequence[str], count: int) -> Drawing:
    true, found = stretch.true, stretch.found
    is_missed, is_alarm = is_unmet(true, found), is_unmet(found, true)
    used = np.unique(np.concatenate([true.classes, found.classes])).astype(int)[:MOST_CLASSES].tolist()
    rows = {number: row for row, number in enumerate(used)}
    span = f"{stretch.start:g} to {stretch.end:g} s"

    def paint(axes: "Axes") -> str:
        for events, is_wrong, color, offset in ((true, is_missed, MUTED, -0.4), (found, is_alarm, SERIES[0], 0.02)):
            for start, end, number, wrong in zip(*events, is_wrong, strict=True):
                if number in rows:
                    low, high = max(start, stretch.start), min(end, stretch.end)
                    style: dict[str, Any] = {"facecolors": SERIES[1] if wrong else color, "linewidth": 0}
                    axes.broken_barh([(low, high - low)], (rows[number] + offset, 0.36), **style)
        axes.set_yticks(range(len(used)), shorten_all([names[number] for number in used], 24))
        axes.set(xlim=(stretch.start, stretch.end), ylim=(max(len(used), 1) - 0.45, -0.55), xlabel="seconds")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", labelcolor=INK)
        return (
            f"Events in {stretch.name}, {span}: {len(true.starts)} true, {int(is_missed.sum())} of them missed; "
            f"{len(found.starts)} found, {int(is_alarm.sum())} of them false alarms."
        )

    sides = ((true, is_missed, "true", "missed"), (found, is_alarm, "found", "false alarm"))
    table = sorted(
        (float(start), float(end), names[number], what, result if wrong else "")
        for events, is_wrong, what, result in sides
        for start, end, number, wrong in zip(*events, is_wrong, strict=True)
    )
    caption = (
        "Above: what is true, grey; below: what was found, blue. Orange shares no moment with one of its class on the "
        "other side: missed, or a false alarm."
    )
    part = "" if stretch.is_whole else f", {span}"
    if count > MOST_RECORDINGS and place == 0:
        caption += f" These are the {MOST_RECORDINGS} recordings of {count} with the most of it."
    if len(used) == MOST_CLASSES:
        caption += f" {MOST_CLASSES} classes at most are drawn."
    return draw(
        f"timeline-{place}",
        f"{shorten(stretch.name, 60)}{part}",
        paint,
        make_table(["start", "end", "class", "what", "result"], table),
        size=(_WIDTH, 0.55 + 0.34 * max(len(used), 1)),
        caption=caption if place == 0 else "",
    )
