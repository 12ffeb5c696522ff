"""Figures of the scores: by class, by length, confusion, calibration and values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from scipy.stats import binomtest

from seqconv.reports.answers import Answers, Interval, calibration_bins
from seqconv.reports.drawings import DOTTED, INK, PAPER, SERIES, WIDTH, Drawing, draw, shorten, whiskers
from seqconv.reports.names import label
from seqconv.reports.scores import named_table
from seqconv.reports.tables import make_table, number
from seqconv.tasks import find_task

MOST_NAMES = 40
MOST_NUMBERED = 16
MOST_CONFUSIONS = 60
MOST_POINTS = 1500
LETTER = 0.08
"""Inches that a letter takes."""


def draw_classes(
    per_class: Mapping[str, Mapping[str, Any]], intervals: Mapping[str, Mapping[str, Interval]]
) -> Drawing | None:
    """Draw F1 of each class, or the error of each column of a regression, with intervals."""
    if not per_class:
        return None
    has_f1 = "f1" in next(iter(per_class.values()))
    score, noun = ("f1", "class") if has_f1 else ("mae", "column")
    values = pd.Series({name: scores[score] for name, scores in per_class.items()}, dtype=float)
    worst = values.sort_values(ascending=has_f1, kind="stable").index[:MOST_NAMES]
    drawn = [name for name in per_class if name in worst]

    def paint(axes: Axes) -> str:
        values = [per_class[name][score] for name in drawn]
        whiskers(axes, score, drawn, values, [intervals.get(name, {}).get(score) for name in drawn])
        known = [(value, name) for name, value in zip(drawn, values, strict=True) if value is not None]
        if not known:
            return f"No class has a defined {label(score)}."
        low, high = (min(known), max(known)) if has_f1 else (max(known), min(known))
        return (
            f"{label(score)} of {len(drawn)} classes; worst is {low[1]} with {number(low[0])}, "
            f"best {high[1]} with {number(high[0])}."
        )

    table = named_table(noun, per_class, intervals)
    caption = "" if len(per_class) <= MOST_NAMES else f"The {MOST_NAMES} worst of {len(per_class)}; the table has all."
    size = (WIDTH, max(1.5, 0.7 + 0.26 * len(drawn)))
    return draw("by-class", f"By {noun}", paint, table, size=size, caption=caption)


def draw_lengths_scored(
    rows: Sequence[Mapping[str, Any]], intervals: Sequence[Mapping[str, Interval]], task: str, seconds: float | None
) -> Drawing | None:
    """Draw the headline score in each class of length."""
    if not rows:
        return None
    score = find_task(task).headline
    names = [f"{row['min_frames']:,} to {row['max_frames']:,}" for row in rows]
    if seconds is not None:
        names = [f"{row['min_frames'] * seconds:.2f} to {row['max_frames'] * seconds:.2f} s" for row in rows]

    def paint(axes: Axes) -> str:
        whiskers(axes, score, names, [row[score] for row in rows], [found.get(score) for found in intervals])
        said = "; ".join(f"{name}: {number(row[score])}" for name, row in zip(names, rows, strict=True))
        return f"{label(score)} by length. {said}."

    titles = {"max_frames": "longest (frames)", "count": "sequences"}
    named = {
        row["min_frames"]: {titles.get(name, name): value for name, value in row.items() if name != "min_frames"}
        for row in rows
    }
    table = named_table("shortest (frames)", named, dict(zip(named, intervals, strict=True)))
    size = (WIDTH, max(1.5, 0.7 + 0.32 * len(rows)))
    return draw("by-length", "By length", paint, table, size=size)


def draw_confusion(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> Drawing:
    """Draw counts of each pair of label and prediction; the shade is the share in the label's row."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    count = len(names)
    mistakes = [(int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j]
    short = [shorten(name, 14) for name in names] if count <= MOST_NAMES else []
    letters = LETTER * max(map(len, short), default=0)
    side = min(max(1.4, 0.3 * count), 5.2)
    is_turned = letters > side / count

    def paint(axes: Axes) -> str:
        _cells(axes, counts, shares)
        axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        if short:
            axes.set_xticks(range(count), short, rotation=90 if is_turned else 0)
            axes.set_yticks(range(count), short)
        axes.set(xlabel="prediction", ylabel="label")
        said = f"{int(np.trace(counts)):,} of {int(counts.sum()):,} are right"
        if mistakes:
            most, i, j = max(mistakes)
            said += f"; the most frequent mistake is {names[j]} for {names[i]}, {most} times"
        return f"Confusion matrix of {count} classes: {said}."

    size = (max(side + letters + 0.4, 3.2), side + 0.6 + (letters if is_turned else 0))
    if count <= MOST_NUMBERED:
        rows = [(name, *row) for name, row in zip(names, matrix, strict=True)]
        table, caption = make_table(["label \\ prediction", *names], rows), ""
    else:
        pairs = sorted(((times, names[i], names[j]) for times, i, j in mistakes), reverse=True)
        rows = [(i, j, times) for times, i, j in pairs[:MOST_CONFUSIONS]]
        table, caption = make_table(["label", "prediction", "times"], rows), "The table has only the mistakes."
    return draw("confusion", "Confusion matrix", paint, table, size=size, caption=caption)


def draw_calibration(answers: Answers, num_bins: int, error: float | None) -> Drawing:
    """Draw how often the model is right against how sure it was."""
    bins = calibration_bins(answers, num_bins)
    rows = [(*each, *binomtest(round(each[4] * each[2]), each[2]).proportion_ci(0.95, "wilson")) for each in bins]

    def paint(axes: Axes) -> str:
        _, _, count, sure, right, low, high = np.array(rows).T
        axes.plot([0, 1], [0, 1], **DOTTED)
        axes.plot([sure, sure], [low, high], color=SERIES[0], alpha=0.35, linewidth=3)
        axes.scatter(sure, right, 14 + 130 * count / count.max(), color=SERIES[0], zorder=3, linewidths=0)
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


def _draw_values(answers: Answers, column: int, name: str) -> Drawing:
    wanted, got = answers.targets[:, column], answers.predictions[:, column]
    # Evenly over the values, so that the extremes stay.
    places = np.linspace(0, len(wanted) - 1, min(len(wanted), MOST_POINTS)).astype(int)
    chosen = np.argsort(wanted, kind="stable")[places]
    title = "Predicted and true" if len(answers.names) == 1 else f"Predicted and true: {name}"

    def paint(axes: Axes) -> str:
        ends = [float(min(wanted.min(), got.min())), float(max(wanted.max(), got.max()))]
        axes.plot(ends, ends, **DOTTED)
        axes.scatter(wanted[chosen], got[chosen], 14, color=SERIES[0], alpha=0.55, linewidths=0)
        axes.set(xlabel="true", ylabel="predicted")
        return (
            f"Predicted against true values, {len(chosen):,} of {len(wanted):,}; true values range from "
            f"{number(float(wanted.min()))} to {number(float(wanted.max()))}."
        )

    edges, errors = np.quantile(wanted, np.linspace(0, 1, 11)), got - wanted
    bins = np.clip(np.searchsorted(edges, wanted, side="right") - 1, 0, 9)
    members = [(i, errors[bins == i]) for i in np.unique(bins)]
    rows = [(edges[i], edges[i + 1], len(each), each.mean(), np.abs(each).mean()) for i, each in members]
    columns = ["true from", "to", "count", "mean error", "mean absolute error"]
    return draw(f"values-{column}", title, paint, make_table(columns, rows), caption="Dotted: predicted as it is.")


def _cells(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
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


def _shaded(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return RGBA of many cells: blue on the diagonal, orange elsewhere."""
    colors = np.where(np.eye(len(counts), dtype=bool)[..., None], (0.2, 0.5, 0.8), (0.85, 0.4, 0.1))
    return np.concatenate([colors, np.where(counts > 0, shares.clip(min=0.15), 0)[..., None]], axis=-1)
