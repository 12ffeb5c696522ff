"""Figures of training: losses, scores, learning rate and speed by epoch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from seqconv.reports.drawings import DOTTED, INK, SERIES, WIDTH, Drawing, draw, set_log_ticks
from seqconv.reports.names import label
from seqconv.reports.tables import Table, frame_table, number, percent

MOST_SCORES = 4
NO_CURVES = ("val_loss", "val_log_loss", "val_calibration_error")


def draw_losses(history: pd.DataFrame, best: int | None) -> Drawing:
    """Draw loss on training and validation sequences by epoch."""
    titles = {"loss": "training", "val_loss": "validation"}
    titles = {name: title for name, title in titles.items() if name in history}

    def paint(axes: Axes) -> str:
        _lines(axes, history, titles, best)
        values = history[list(titles)].to_numpy(float)
        if (values > 0).all() and values.max() > 20 * values.min():
            axes.set_yscale("log")
            set_log_ticks(axes.yaxis, 8)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ends = ", ".join(
            f"{title} from {number(history[name].iloc[0])} to {number(history[name].iloc[-1])}"
            for name, title in titles.items()
        )
        return f"Loss over {len(history)} epochs: {ends}."

    return draw("loss", "Loss", paint, _table(history, list(titles)), caption=_kept(best))


def draw_scores(history: pd.DataFrame, best: int | None, monitor: str) -> Drawing | None:
    """Draw the scores on the validation sequences by epoch, the monitored one first."""
    titles = {name: label(name.removeprefix("val_")) for name in _score_columns(history, monitor)}
    if not titles:
        return None

    def paint(axes: Axes) -> str:
        _lines(axes, history, titles, best)
        epoch = best or len(history)
        tops = ", ".join(f"{title} {number(float(history[name].iloc[epoch - 1]))}" for name, title in titles.items())
        return f"Validation scores by epoch; in epoch {epoch}: {tops}."

    return draw("scores-by-epoch", "Validation scores", paint, _table(history, list(titles)), caption=_kept(best))


def draw_learning_rate(history: pd.DataFrame) -> Drawing | None:
    """Draw the learning rate at the end of each epoch."""
    if "learning_rate" not in history:
        return None
    rates = history["learning_rate"].astype(float)

    def paint(axes: Axes) -> str:
        _lines(axes, history, {"learning_rate": "learning rate"}, None)
        axes.set_ylim(bottom=0)
        return (
            f"Learning rate at the end of each epoch, at most {number(rates.max())}, in the end "
            f"{number(rates.iloc[-1])}."
        )

    return draw("learning-rate", "Learning rate", paint, _table(history, ["learning_rate"]), size=(WIDTH, 1.7))


def draw_speed(history: pd.DataFrame) -> Drawing | None:
    """Draw frames a second by epoch."""
    if "frames_per_second" not in history:
        return None

    def paint(axes: Axes) -> str:
        _bars(axes, history, "thousand frames / s", history["frames_per_second"] / 1000)
        median = after_first(history)["frames_per_second"].median()
        return f"Real frames a second by epoch; {median:,.0f} in the median after the first."

    return draw("speed", "Throughput", paint, _table(history, ["frames_per_second"]))


def draw_waiting(history: pd.DataFrame) -> Drawing | None:
    """Draw how the time of each epoch was spent: steps, and waiting for data."""
    if "data_wait" not in history:
        return None
    seconds, waiting = history["seconds"], history["data_wait"]

    def paint(axes: Axes) -> str:
        busy = seconds - waiting
        _bars(axes, history, "seconds", busy, label="steps")
        axes.bar(history["epoch"], waiting, bottom=busy, color=SERIES[1], width=0.7, label="waiting for data")
        axes.legend(loc="upper right", ncols=2, borderaxespad=0)
        axes.margins(y=0.2)
        return f"Seconds of each epoch; {percent(waiting.sum() / seconds.sum())} of all were spent waiting for data."

    columns = {"epoch": history["epoch"], "seconds": seconds, "waiting for data (s)": waiting}
    return draw(
        "waiting", "Time of an epoch", paint, frame_table(pd.DataFrame({**columns, "share": waiting / seconds}))
    )


def after_first(history: pd.DataFrame) -> pd.DataFrame:
    """Return the epochs after the first, which includes the start-up time; the first if there is no other."""
    return history.iloc[1:] if len(history) > 1 else history


def best_epoch(history: pd.DataFrame, monitor: str, mode: str) -> int | None:
    """Return the number (from 1) of the first epoch with the best monitored value, of which the model was kept."""
    if monitor not in history or history[monitor].isna().all():
        return None
    values = history[monitor].to_numpy(float)
    place = np.nanargmax(values) if mode == "max" else np.nanargmin(values)
    return int(history["epoch"].iloc[int(place)])


def set_epochs(axes: Axes, history: pd.DataFrame) -> None:
    """Name the epochs on the axis."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    if len(history) > 1:
        axes.set_xlim(history["epoch"].min() - 0.5, history["epoch"].max() + 0.5)


def _score_columns(history: pd.DataFrame, monitor: str) -> list[str]:
    """Return the scores that have the same scale and can share an axis."""
    found = [str(name) for name in history if str(name).startswith("val_") and name not in NO_CURVES]
    errors = [name for name in found if name in ("val_mae", "val_rmse")]
    first = sorted(errors or found, key=lambda name: name != monitor)[:MOST_SCORES]
    return [name for name in first if history[name].notna().any()]


def _lines(axes: Axes, history: pd.DataFrame, titles: dict[str, str], best: int | None) -> None:
    marker = "o" if len(history) == 1 else None
    for index, (name, title) in enumerate(titles.items()):
        axes.plot(history["epoch"], history[name], color=SERIES[index], label=title, marker=marker, markersize=5)
    if best is not None:
        axes.axvline(best, **DOTTED)
    set_epochs(axes, history)
    if len(titles) > 1:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(titles), labelcolor=INK, borderaxespad=0.2,
                    handlelength=1.3, columnspacing=1.4)  # fmt: skip


def _bars(axes: Axes, history: pd.DataFrame, unit: str, heights: "pd.Series[float]", **options: Any) -> None:
    axes.bar(history["epoch"], heights, color=SERIES[0], alpha=0.75, width=0.7, **options)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel(unit)
    set_epochs(axes, history)


def _table(history: pd.DataFrame, names: Sequence[str]) -> Table:
    def title(name: str) -> str:
        return ("validation " if name.startswith("val_") else "") + label(name.removeprefix("val_"))

    return frame_table(history[["epoch", *names]].astype(dict.fromkeys(names, float)).rename(columns=title))


def _kept(best: int | None) -> str:
    return "" if best is None else f"Dotted: epoch {best}, whose model was kept."
