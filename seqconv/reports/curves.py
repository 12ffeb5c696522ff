"""Figures of training: losses, scores, learning rate and speed by epoch."""

from typing import TYPE_CHECKING, Any

import numpy as np

from seqconv.reports.drawings import INK, MUTED, SERIES, WIDTH, Drawing, draw
from seqconv.reports.names import label
from seqconv.reports.tables import make_table, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_SCORES = 4


def draw_losses(history: "pd.DataFrame", best: int | None) -> Drawing:
    """Draw loss on training and validation sequences by epoch."""
    names = [name for name in ("loss", "val_loss") if name in history]
    titles = {"loss": "training", "val_loss": "validation"}

    def paint(axes: "Axes") -> str:
        _lines(axes, history, {name: titles[name] for name in names}, best)
        values = history[names].to_numpy(float)
        if (values > 0).all() and values.max() > 20 * values.min():
            axes.set_yscale("log")
            _plain_ticks(axes)
        ends = ", ".join(
            f"{titles[name]} from {number(history[name].iloc[0])} to {number(history[name].iloc[-1])}" for name in names
        )
        return f"Loss over {len(history)} epochs: {ends}."

    return draw("loss", "Loss", paint, _columns(history, names), caption=_kept(best))


def draw_scores(history: "pd.DataFrame", best: int | None, monitor: str) -> Drawing | None:
    """Draw the scores on the validation sequences by epoch, the monitored one first."""
    names = score_columns(history, monitor)
    if not names:
        return None

    def paint(axes: "Axes") -> str:
        _lines(axes, history, {name: label(name.removeprefix("val_")) for name in names}, best)
        tops = ", ".join(
            f"{label(name.removeprefix('val_'))} {number(float(history[name].iloc[(best or len(history)) - 1]))}"
            for name in names
        )
        return f"Validation scores by epoch; in epoch {best or len(history)}: {tops}."

    return draw("scores-by-epoch", "Validation scores", paint, _columns(history, names), caption=_kept(best))


def score_columns(history: "pd.DataFrame", monitor: str) -> list[str]:
    """Return scores of one scale that can share an axis."""
    found = [
        name
        for name in history
        if str(name).startswith("val_") and name not in ("val_loss", "val_log_loss", "val_calibration_error")
    ]
    if {"val_mae", "val_rmse"} & set(found):
        found = [name for name in found if name in ("val_mae", "val_rmse")]
    found.sort(key=lambda name: name != monitor)
    return [str(name) for name in found[:MOST_SCORES] if history[name].notna().any()]


def draw_learning_rate(history: "pd.DataFrame") -> Drawing | None:
    """Draw the learning rate at the end of each epoch."""
    if "learning_rate" not in history:
        return None

    def paint(axes: "Axes") -> str:
        _lines(axes, history, {"learning_rate": "learning rate"}, None)
        axes.set_ylim(bottom=0)
        return (
            f"Learning rate at the end of each epoch, at most {number(float(history['learning_rate'].max()))}, "
            f"in the end {number(float(history['learning_rate'].iloc[-1]))}."
        )

    return draw("learning-rate", "Learning rate", paint, _columns(history, ["learning_rate"]), size=(WIDTH, 1.7))


def draw_speed(history: "pd.DataFrame") -> Drawing | None:
    """Draw frames a second by epoch."""
    if "frames_per_second" not in history:
        return None

    def paint(axes: "Axes") -> str:
        axes.bar(history["epoch"], history["frames_per_second"] / 1000, color=SERIES[0], alpha=0.75, width=0.7)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("thousand frames / s")
        set_epochs(axes, history)
        warm = history["frames_per_second"].iloc[1:] if len(history) > 1 else history["frames_per_second"]
        return f"Real frames a second by epoch; {warm.median():,.0f} in the median after the first."

    return draw("speed", "Throughput", paint, _columns(history, ["frames_per_second"]))


def draw_waiting(history: "pd.DataFrame") -> Drawing | None:
    """Draw how the time of each epoch was spent: steps, and waiting for data."""
    if "data_wait" not in history:
        return None
    table = history[["epoch", "seconds", "data_wait"]].assign(share=history["data_wait"] / history["seconds"])

    def paint(axes: "Axes") -> str:
        busy = table["seconds"] - table["data_wait"]
        axes.bar(table["epoch"], busy, color=SERIES[0], alpha=0.75, width=0.7, label="steps")
        axes.bar(table["epoch"], table["data_wait"], bottom=busy, color=SERIES[1], width=0.7, label="waiting for data")
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("seconds")
        set_epochs(axes, history)
        axes.legend(loc="upper right", ncols=2, borderaxespad=0)
        axes.margins(y=0.2)
        total = float(table["data_wait"].sum() / table["seconds"].sum())
        return f"Seconds of each epoch; {percent(total)} of all were spent waiting for data."

    columns = ["epoch", "seconds", "waiting for data (s)", "share"]
    return draw("waiting", "Time of an epoch", paint, make_table(columns, table.to_numpy().tolist()))


def best_epoch(history: "pd.DataFrame", monitor: str, mode: str) -> int | None:
    """Return the epoch whose model was kept, from 1: the first with the best monitored value."""
    if monitor not in history or history[monitor].isna().all():
        return None
    values = history[monitor].to_numpy(float)
    place = np.nanargmax(values) if mode == "max" else np.nanargmin(values)
    return int(history["epoch"].iloc[int(place)])


def set_epochs(axes: "Axes", history: "pd.DataFrame") -> None:
    """Name the epochs on the axis."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    if len(history) > 1:
        axes.set_xlim(history["epoch"].min() - 0.5, history["epoch"].max() + 0.5)


def _lines(axes: "Axes", history: "pd.DataFrame", titles: dict[str, str], best: int | None) -> None:
    marker = "o" if len(history) == 1 else None
    for index, (name, title) in enumerate(titles.items()):
        axes.plot(history["epoch"], history[name], color=SERIES[index], label=title, marker=marker, markersize=5)
    if best is not None:
        axes.axvline(best, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
    set_epochs(axes, history)
    if len(titles) > 1:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(titles), labelcolor=INK, borderaxespad=0.2,
                    handlelength=1.3, columnspacing=1.4)  # fmt: skip


def _plain_ticks(axes: "Axes") -> None:
    """Set numbers instead of powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _columns(history: "pd.DataFrame", names: list[str]) -> Any:
    titles = [label(name.removeprefix("val_")) if name.startswith("val_") else label(name) for name in names]
    titles = [
        f"validation {title}" if name.startswith("val_") else title for name, title in zip(names, titles, strict=True)
    ]
    rows = history[["epoch", *names]].itertuples(index=False)
    return make_table(["epoch", *titles], [(int(row[0]), *map(float, row[1:])) for row in rows])


def _kept(best: int | None) -> str:
    return "" if best is None else f"Dotted: epoch {best}, whose model was kept."
