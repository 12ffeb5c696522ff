"""Figures and tables of the scores: all of them, by class, by length, confusion and calibration."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqconv.metrics.records import larger_is_better
from seqconv.reports.answers import Answers, Interval, calibration_bins
from seqconv.reports.drawings import INK, MUTED, PAPER, SERIES, WIDTH, Drawing, draw, shorten, whiskers
from seqconv.reports.names import NO_SCORES, label
from seqconv.reports.tables import Table, interval_text, make_table, number
from seqconv.tasks import find_task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMES = 40
MOST_NUMBERED = 16
MOST_CONFUSIONS = 60
MOST_POINTS = 1500
LETTER = 0.08
"""Inches that a letter takes."""


def headline(task: str) -> str:
    """Return the score that a task is known by."""
    return find_task(task).headline


def score_table(metrics: Mapping[str, Any]) -> Table:
    """Return every score of every split, with its interval."""
    names = list(dict.fromkeys(name for scores in metrics.values() for name in _scores(scores)))
    columns, rows = ["score"], [[label(name)] for name in names]
    for split, scores in metrics.items():
        columns += [split, f"{split} interval"]
        for row, name in zip(rows, names, strict=True):
            row += [scores.get(name), interval_text(scores["intervals"].get(name))]
    return make_table(columns, rows)


def split_table(metrics: Mapping[str, Any], confidence: float) -> Table:
    """Make a table of the scores of one split, with their intervals if there are any."""
    found = metrics["intervals"]
    rows = [(label(name), metrics[name], interval_text(found.get(name))) for name in _scores(metrics)]
    columns = ["score", "value", f"{confidence:.0%} interval"]
    return make_table(columns, rows) if found else make_table(columns[:2], [row[:2] for row in rows])


def named_table(
    first: str, rows: Mapping[str, Mapping[str, Any]], intervals: Mapping[str, Mapping[str, Interval]] | None = None
) -> Table:
    """Make a table with a row for each name (a class, for example): its scores, each followed by its interval."""
    known, scores = intervals or {}, list(next(iter(rows.values())))
    shown = {score for found in known.values() for score in found}
    columns, cells = [first], [[name] for name in rows]
    for score in scores:
        columns += [label(score), *([f"{label(score)} interval"] if score in shown else [])]
        for row, (name, values) in zip(cells, rows.items(), strict=True):
            row += [values[score]]
            row += [interval_text(known.get(name, {}).get(score))] if score in shown else []
    return make_table(columns, cells)


def slice_tables(metrics: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Return the scores of each value of each column of `evaluation.slices`, with the column."""
    return [(column, named_table(column, rows)) for column, rows in metrics.get("slices", {}).items()]


def draw_classes(
    per_class: Mapping[str, Mapping[str, Any]], intervals: Mapping[str, Mapping[str, Interval]]
) -> Drawing | None:
    """Draw F1 of each class, or the error of each column of a regression, with intervals."""
    if not per_class:
        return None
    first = next(iter(per_class.values()))
    score = "f1" if "f1" in first else "mae"
    drawn = sorted(per_class, key=lambda name: _rank(per_class[name][score], reverse=score == "mae"))[:MOST_NAMES]
    drawn = [name for name in per_class if name in set(drawn)]

    def paint(axes: "Axes") -> str:
        values = [per_class[name][score] for name in drawn]
        whiskers(axes, drawn, values, [intervals.get(name, {}).get(score) for name in drawn])
        axes.set_xlabel(label(score))
        set_unit_interval(axes, score)
        known = [(value, name) for name, value in zip(drawn, values, strict=True) if value is not None]
        if not known:
            return f"No class has a defined {label(score)}."
        low, high = (min(known), max(known)) if score == "f1" else (max(known), min(known))
        return (
            f"{label(score)} of {len(drawn)} classes; worst is {low[1]} with {number(low[0])}, "
            f"best {high[1]} with {number(high[0])}."
        )

    table = named_table("class" if score == "f1" else "column", per_class, intervals)
    caption = "" if len(per_class) <= MOST_NAMES else f"The {MOST_NAMES} worst of {len(per_class)}; the table has all."
    height = max(1.5, 0.7 + 0.26 * len(drawn))
    title = "By class" if score == "f1" else "By column"
    return draw("by-class", title, paint, table, size=(WIDTH, height), caption=caption)


def draw_lengths_scored(
    rows: Sequence[Mapping[str, Any]], intervals: Sequence[Mapping[str, Interval]], task: str, seconds: float | None
) -> Drawing | None:
    """Draw the headline score in each class of length."""
    if not rows:
        return None
    score = headline(task)
    names = [f"{row['min_frames']:,} to {row['max_frames']:,}" for row in rows]
    if seconds is not None:
        names = [f"{row['min_frames'] * seconds:.2f} to {row['max_frames'] * seconds:.2f} s" for row in rows]
    scores = [name for name in rows[0] if name not in ("min_frames", "max_frames", "count")]

    def paint(axes: "Axes") -> str:
        whiskers(axes, names, [row[score] for row in rows], [found.get(score) for found in intervals])
        axes.set_xlabel(label(score))
        set_unit_interval(axes, score)
        said = "; ".join(f"{name}: {number(row[score])}" for name, row in zip(names, rows, strict=True))
        return f"{label(score)} by length. {said}."

    columns = ["shortest (frames)", "longest (frames)", "sequences"]
    for name in scores:
        columns += [label(name), f"{label(name)} interval"]
    table = []
    for row, found in zip(rows, intervals, strict=True):
        cells = [row["min_frames"], row["max_frames"], row["count"]]
        for name in scores:
            cells += [row[name], interval_text(found.get(name))]
        table.append(cells)
    height = max(1.5, 0.7 + 0.32 * len(rows))
    return draw("by-length", "By length", paint, make_table(columns, table), size=(WIDTH, height))


def draw_confusion(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> Drawing:
    """Draw counts of each pair of label and prediction; the shade is the share in the label's row."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    count = len(names)

    short = [shorten(name, 14) for name in names] if count <= MOST_NAMES else []
    letters = LETTER * max(map(len, short), default=0)
    side = min(max(1.4, 0.3 * count), 5.2)
    is_turned = letters > side / count

    def paint(axes: "Axes") -> str:
        _cells(axes, counts, shares)
        axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        if short:
            axes.set_xticks(range(count), short, rotation=90 if is_turned else 0)
            axes.set_yticks(range(count), short)
        axes.set(xlabel="prediction", ylabel="label")
        wrong = [(int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j]
        said = f"{int(np.trace(counts)):,} of {int(counts.sum()):,} are right"
        if wrong:
            most, i, j = max(wrong)
            said += f"; the most frequent mistake is {names[j]} for {names[i]}, {most} times"
        return f"Confusion matrix of {count} classes: {said}."

    size = (max(side + letters + 0.4, 3.2), side + 0.6 + (letters if is_turned else 0))
    if count <= MOST_NUMBERED:
        rows = [[name, *row] for name, row in zip(names, counts.tolist(), strict=True)]
        table = make_table(["label \\ prediction", *names], rows)
        return draw("confusion", "Confusion matrix", paint, table, size=size)
    pairs = sorted(
        ((int(counts[i, j]), names[i], names[j]) for i, j in zip(*np.nonzero(counts), strict=True) if i != j),
        reverse=True,
    )
    table = make_table(["label", "prediction", "times"], [(i, j, times) for times, i, j in pairs[:MOST_CONFUSIONS]])
    return draw("confusion", "Confusion matrix", paint, table, size=size, caption="The table has the mistakes alone.")


def draw_calibration(answers: Answers, num_bins: int, error: float | None) -> Drawing:
    """Draw how often the model is right against how sure it was."""
    from scipy.stats import binomtest

    bins = calibration_bins(answers, num_bins)
    rows = []
    for lower, upper, count, sure, right in bins:
        found = binomtest(round(right * count), count).proportion_ci(0.95, "wilson")
        rows.append((lower, upper, count, sure, right, float(found.low), float(found.high)))

    def paint(axes: "Axes") -> str:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
        for _, _, _, sure, _, low, high in rows:
            axes.plot([sure, sure], [low, high], color=SERIES[0], alpha=0.35, linewidth=3)
        most = max(row[2] for row in rows)
        areas = [14 + 130 * row[2] / most for row in rows]
        axes.scatter([row[3] for row in rows], [row[4] for row in rows], areas, color=SERIES[0], zorder=3, linewidths=0)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        confidence, truth = answers.definition.axes
        axes.set(xlabel=confidence, ylabel=truth)
        said = "" if error is None else f" The expected calibration error is {number(error)}."
        return f"Part that is right against confidence, in {len(rows)} bins; on the dotted line both agree.{said}"

    columns = ["above", "up to", "count", "mean confidence", "right", "low", "high"]
    caption = "Larger dots hold more. Bars: 95 % intervals (Wilson). Dotted: confidence that is justified."
    return draw("calibration", "Calibration", paint, make_table(columns, rows), caption=caption)


def draw_values(answers: Answers) -> list[Drawing]:
    """Draw predicted against true values of each column of a regression."""
    return [_draw_values(answers, column, name) for column, name in enumerate(answers.names[:6])]


def set_unit_interval(axes: "Axes", score: str) -> None:
    """Set room for a score that cannot exceed one, and a scale that shows differences."""
    if not larger_is_better(score):
        axes.set_xlim(left=0)
        return
    low, _ = axes.get_xlim()
    axes.set_xlim(max(min(low, 0.9), -0.02), 1.01)


def _draw_values(answers: Answers, column: int, name: str) -> Drawing:
    wanted, got = answers.targets[:, column], answers.predictions[:, column]
    # Evenly over the values, so that the extremes stay.
    chosen = np.argsort(wanted, kind="stable")[
        np.linspace(0, len(wanted) - 1, min(len(wanted), MOST_POINTS)).astype(int)
    ]
    title = "Predicted and true" if len(answers.names) == 1 else f"Predicted and true: {name}"

    def paint(axes: "Axes") -> str:
        ends = [float(min(wanted.min(), got.min())), float(max(wanted.max(), got.max()))]
        axes.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
        axes.scatter(wanted[chosen], got[chosen], 14, color=SERIES[0], alpha=0.55, linewidths=0)
        axes.set(xlabel="true", ylabel="predicted")
        return (
            f"Predicted against true values, {len(chosen):,} of {len(wanted):,}; true values range from "
            f"{number(float(wanted.min()))} to {number(float(wanted.max()))}."
        )

    edges = np.quantile(wanted, np.linspace(0, 1, 11))
    bins = np.clip(np.searchsorted(edges, wanted, side="right") - 1, 0, 9)
    rows = [
        (edges[i], edges[i + 1], int((bins == i).sum()), (got - wanted)[bins == i].mean(),
         np.abs(got - wanted)[bins == i].mean())
        for i in np.unique(bins)
    ]  # fmt: skip
    columns = ["true from", "to", "count", "mean error", "mean absolute error"]
    return draw(f"values-{column}", title, paint, make_table(columns, rows), caption="Dotted: predicted as it is.")


def _cells(axes: "Axes", counts: "np.ndarray", shares: "np.ndarray") -> None:
    from matplotlib.patches import Rectangle

    if len(counts) > MOST_NAMES:
        axes.imshow(_shaded(counts, shares))
        return
    is_numbered, gap = len(counts) <= MOST_NUMBERED, 0.03
    for i, j in zip(*np.nonzero(counts), strict=True):
        color = SERIES[0] if i == j else SERIES[1]
        shade = max(0.12, float(shares[i, j]))
        corner = (j - 0.5 + gap, i - 0.5 + gap)
        axes.add_patch(Rectangle(corner, 1 - 2 * gap, 1 - 2 * gap, facecolor=color, alpha=shade, linewidth=0))
        if is_numbered:
            text = f"{counts[i, j]:,}"
            axes.text(j, i, text, ha="center", va="center", color=PAPER if shade > 0.55 else INK,
                      fontsize=9 if len(text) < 4 else 7)  # fmt: skip


def _shaded(counts: "np.ndarray", shares: "np.ndarray") -> "np.ndarray":
    """Return RGBA of many cells: blue on the diagonal, orange elsewhere."""
    image = np.zeros((*counts.shape, 4))
    image[..., :3] = (0.85, 0.4, 0.1)
    image[np.arange(len(counts)), np.arange(len(counts)), :3] = (0.2, 0.5, 0.8)
    image[..., 3] = np.where(counts > 0, np.maximum(shares, 0.15), 0)
    return image


def _scores(scores: Mapping[str, Any]) -> list[str]:
    notes = scores.get("notes", {})
    return [
        name
        for name, value in scores.items()
        if name not in NO_SCORES and (isinstance(value, float) or (value is None and name in notes))
    ]


def _rank(value: float | None, *, reverse: bool) -> float:
    return np.inf if value is None else -value if reverse else value
