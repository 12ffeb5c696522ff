"""Figures of the data and the batches: lengths of sequences, filling of rows, an example of a batch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice, pairwise
from statistics import mode

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from seqconv.batching import Layout, Plan
from seqconv.metrics.checks import IntArray
from seqconv.reports.drawings import DOTTED, MUTED, SERIES, WIDTH, Drawing, draw, set_log_ticks
from seqconv.reports.tables import Table, make_table, percent
from seqconv.text import amount

BINS = 24
MOST_LAYOUTS = 400
MOST_ROWS = 32
MOST_SHAPES = 40


def draw_lengths(lengths: Mapping[str, IntArray], plan: Plan | None, seconds: float | None) -> Drawing | None:
    """Draw the lengths of the sequences of each split; for buckets, their bounds."""
    if not lengths:
        return None
    everything = np.concatenate(list(lengths.values()))
    low, high = int(everything.min()), int(everything.max())
    edges = np.unique(np.geomspace(low, high + 1, BINS + 1).round().astype(np.int64))
    counts = {split: np.histogram(values, edges)[0] for split, values in lengths.items()}
    # The rows of other plans do not depend on the length of a sequence.
    is_by_length = plan is not None and plan.strategy in ("bucketed", "padded")
    bounds = sorted({shape.width for shape in plan.shapes}) if plan is not None and is_by_length else []

    def paint(axes: Axes) -> str:
        bottom = np.zeros(len(edges) - 1)
        for index, (split, found) in enumerate(counts.items()):
            axes.bar(edges[:-1], found, np.diff(edges), bottom, align="edge", color=SERIES[index], alpha=0.8,
                     label=split, linewidth=0)  # fmt: skip
            bottom = bottom + found
        for bound in bounds:
            axes.axvline(bound, **DOTTED)
        if high > 4 * low:
            axes.set_xscale("log")
            set_log_ticks(axes.xaxis, 9)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set(xlabel="frames" if seconds is None else f"frames of {seconds * 1000:g} ms", ylabel="sequences")
        axes.grid(visible=False, axis="x")
        if len(counts) > 1:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(counts), borderaxespad=0.2)
        median = int(np.median(everything))
        spoken = "" if seconds is None else f" ({low * seconds:.3g} to {high * seconds:.3g} s)"
        return (
            f"Lengths of {amount(len(everything), 'sequence')}: {low:,} to {high:,} frames{spoken}, "
            f"{median:,} in the median."
        )

    rows = list(zip(edges[:-1], edges[1:] - 1, *counts.values(), strict=True))
    caption = f"Dotted: the {len(bounds)} widths of batches." if bounds else ""
    return draw("lengths", "Lengths", paint, make_table(["from (frames)", "to", *counts], rows), caption=caption)


def first_layouts(plan: Plan) -> list[Layout]:
    """Return the layouts of the first epoch, as many as are drawn."""
    return list(islice(plan.epoch(0), MOST_LAYOUTS))


def draw_filling(layouts: Sequence[Layout], num_steps: int) -> Drawing:
    """Draw the share of real frames in each row, over the first of `num_steps` batches."""
    shares = [np.bincount(each.row, each.length, minlength=each.rows) / each.width for each in layouts]
    filled = np.concatenate(shares)
    counts, edges = np.histogram(np.minimum(filled, 1), np.linspace(0, 1, 21))

    def paint(axes: Axes) -> str:
        axes.bar(edges[:-1], counts, 0.05, align="edge", color=SERIES[0], alpha=0.8)
        axes.set(xlabel="part of a row that is real frames", ylabel="rows", xlim=(0, 1))
        axes.grid(visible=False, axis="x")
        low, median = np.quantile(filled, [0.1, 0.5])
        return (
            f"Filling of {amount(len(filled), 'row')} in {amount(len(layouts), 'batch', 'batches')}: "
            f"{percent(float(median))} of a row are real frames in the median, {percent(float(low))} in the "
            "emptiest tenth."
        )

    rows = [(*ends, count) for ends, count in zip(pairwise(edges), counts, strict=True)]
    caption = f"The first {MOST_LAYOUTS} of {num_steps:,} batches." if len(layouts) < num_steps else ""
    return draw("filling", "Filling of rows", paint, make_table(["from", "to", "rows"], rows), caption=caption)


def draw_batch(layouts: Sequence[Layout]) -> Drawing:
    """Draw the first batch of the commonest shape, with the position of each sequence in its row."""
    commonest = mode(layout.shape for layout in layouts)
    layout = next(layout for layout in layouts if layout.shape == commonest)
    shown = min(layout.rows, MOST_ROWS)
    rows = np.stack([layout.row, layout.slot, layout.start, layout.length], axis=1).tolist()

    def paint(axes: Axes) -> str:
        for row, slot, start, length in rows:
            if row < shown:
                color = SERIES[0] if slot % 2 == 0 else SERIES[4]
                axes.barh(row, length, 0.78, start, color=color, alpha=0.8, linewidth=0)
        axes.barh(range(shown), layout.width, 0.78, color=MUTED, alpha=0.13, linewidth=0, zorder=0)
        axes.set(xlim=(0, layout.width), ylim=(shown - 0.4, -0.6), xlabel="frames", ylabel="row")
        axes.set_yticks([])
        axes.grid(visible=False)
        share = layout.num_frames / (layout.rows * layout.width)
        return (
            f"One batch of {layout.rows} x {layout.width:,} frames with {amount(len(layout.indices), 'sequence')}: "
            f"{percent(1 - share)} of it are padding."
        )

    caption = "Each bar is a sequence; what is pale is padding."
    if shown < layout.rows:
        caption += f" {shown} of {layout.rows} rows."
    height = min(max(1.5, 0.9 + 0.14 * shown), 4.2)
    table = make_table(["row", "slot", "start (frame)", "frames"], rows[:400])
    return draw("batch", "A batch", paint, table, size=(WIDTH, height), caption=caption)


def shape_table(plan: Plan, layouts: Sequence[Layout]) -> Table:
    """Return every shape of the plan, and how many steps of the first epoch have it."""
    steps = Counter(layout.shape for layout in layouts)
    known = len(plan) <= MOST_LAYOUTS
    shapes = sorted(plan.shapes, key=lambda shape: -steps[shape])[:MOST_SHAPES]
    rows = [(shape.rows, shape.width, shape.num_slots, steps[shape] if known else None) for shape in shapes]
    return make_table(["rows", "width (frames)", "slots", "steps in epoch 1"], rows)
