"""Pictures of recordings: features over time, contributions, and labels of frames next to answers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqconv.features import FeatureKind
from seqconv.inspection import Contributions
from seqconv.reports.answers import Answers
from seqconv.reports.drawings import PAPER, SERIES, Drawing, render, shorten
from seqconv.reports.tables import Table, make_table
from seqconv.text import amount

MOST_COLUMNS = 900
SIZE = (4.9, 1.7)
STRIP = 0.5
TABLE_ROWS = 24
Strips = tuple[np.ndarray, np.ndarray, list[str]]
"""Class numbers of labels (-1: none) and of answers, over the whole time, and the names of the classes."""


def draw_recording(
    name: str, features: np.ndarray, settings: FeatureKind, below: Contributions | Strips | None
) -> Drawing:
    """Draw the features `(time, d)` of a recording and, below, its contributions or strips.

    Args:
        name: of the drawing.
        features: of the recording.
        settings: what its axes mean.
        below: what its frames add to the class that was given; or labels and answers of its frames.
    """
    seconds = settings.seconds_per_frame
    duration = len(features) * (seconds or 1)
    ratios = [SIZE[1]] if below is None else [SIZE[1], STRIP]
    said = f"Features of {amount(len(features), 'frame')}" + ("" if seconds is None else f", {duration:.2f} s")
    caption = ""
    if isinstance(below, Contributions):
        table, caption = _energy_table(features, below, seconds), _explain(below)
        top = int(below.positions[np.argmax(below.frames)])
        where = f"frame {top}" if seconds is None else f"{top * seconds:.2f} s"
        said += f"; below, what each frame adds to the logit of {below.label}, most at {where}"
    elif below is not None:
        table = _run_table(below, seconds)
        said += "; below, the label of each frame and the answer to it"
    else:
        table = _energy_table(features, None, seconds)

    def fill(figure: Figure) -> Axes:
        grid = {"height_ratios": ratios}
        stack: list[Axes] = list(figure.subplots(len(ratios), 1, sharex=True, gridspec_kw=grid, squeeze=False)[:, 0])
        _features(stack[0], features, settings, duration)
        if isinstance(below, Contributions):
            _contributions(stack[1], below, seconds or 1, duration)
        elif below is not None:
            _strips(stack[1], below, duration)
        stack[-1].set_xlabel("frame" if seconds is None else "seconds")
        if seconds is None:
            stack[-1].locator_params(axis="x", integer=True)
        stack[0].set_xlim(0, duration)
        return stack[0]

    svg, box = render(name, fill, (SIZE[0], sum(ratios) + 0.35))
    return Drawing(name, "", said + ".", svg, table, caption, box)


def frame_strips(answers: Answers, place: int, num_frames: int) -> Strips | None:
    """Return the strips of a sequence, of a classification of frames; None otherwise."""
    if answers.kind != "frame" or answers.given is None:
        return None
    targets, given = (answers.definition.class_numbers(of) for of in (answers.targets, answers.given))
    if targets is None or given is None:
        return None
    rows = np.flatnonzero(answers.owners == place)
    at = answers.table["frame"].to_numpy()[rows]
    strips, both = np.full((2, num_frames), -1), np.stack([targets[rows], given[rows]])
    for step in range(int(np.diff(at).min()) if len(at) > 1 else 1):
        inside = at + step < num_frames
        strips[:, at[inside] + step] = both[:, inside]
    return strips[0], strips[1], answers.names


def squeeze_time(values: np.ndarray, most: int = MOST_COLUMNS) -> np.ndarray:
    """Return at most so many columns: the mean over neighbors.

    >>> squeeze_time(np.arange(6.0), 3).tolist()
    [0.5, 2.5, 4.5]
    """
    if len(values) <= most:
        return values
    edges = np.linspace(0, len(values), most + 1).astype(int)[:-1]
    counts = np.diff([*edges, len(values)])
    return np.add.reduceat(values, edges, axis=0) / counts.reshape(-1, *[1] * (values.ndim - 1))


def _features(axes: Axes, features: np.ndarray, settings: FeatureKind, duration: float) -> None:
    shown = squeeze_time(np.asarray(features, np.float64))
    axes.grid(visible=False)
    if shown.shape[1] == 1:
        axes.plot(np.linspace(0, duration, len(shown)), shown[:, 0], color=SERIES[0], linewidth=1.1)
        axes.set_ylabel("value")
        return
    low, high = np.quantile(shown, [0.02, 0.995])
    axes.imshow(shown.T, aspect="auto", origin="lower", extent=(0, duration, 0, shown.shape[1]), cmap="magma",
                vmin=low, vmax=high if high > low else low + 1)  # fmt: skip
    axes.spines[:].set_visible(False)
    places, count = settings.axis, shown.shape[1]
    if places is not None and len(places) == count:
        ticks = [value for value in (250, 500, 1000, 2000, 4000, 8000) if places[0] <= value <= places[-1]]
        axes.set_yticks(np.interp(ticks, places, np.arange(count) + 0.5), [f"{value:,}" for value in ticks])
        axes.set_ylabel(settings.unit)
    else:
        axes.set_yticks([0.5, count - 0.5], ["0", f"{count - 1}"])
        axes.set_ylabel("feature")


def _explain(contributions: Contributions) -> str:
    total = float(contributions.frames.sum())
    bias = f"{'+' if contributions.bias >= 0 else '-'} {abs(contributions.bias):.3f}"
    sum_of = f"Logit of {contributions.label}: {contributions.logit:.3f} = {total:.3f} from frames {bias} (bias)."
    sum_of = sum_of.replace(" -", " \N{MINUS SIGN}")
    return sum_of if contributions.is_exact else f"{sum_of} Not exact: {' '.join(contributions.notes)}"


def _contributions(axes: Axes, contributions: Contributions, seconds: float, duration: float) -> None:
    starts, shown = contributions.positions * seconds, contributions.frames
    if len(shown) > MOST_COLUMNS:
        firsts = np.linspace(0, len(shown), MOST_COLUMNS + 1).astype(int)[:-1]
        starts, shown = starts[firsts], np.add.reduceat(shown, firsts)
    for values, color in ((np.maximum(shown, 0), SERIES[0]), (np.minimum(shown, 0), SERIES[1])):
        axes.stairs(values, np.append(starts, duration), fill=True, color=color, linewidth=0)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.locator_params(axis="y", nbins=2)
    axes.set_ylabel("logit")


def _strips(axes: Axes, frames: Strips, duration: float) -> None:
    labels, said, names = frames
    step = duration / len(labels)
    for row, values in enumerate((labels, said)):
        starts = np.flatnonzero(np.diff(values, prepend=-2))
        for first, last in zip(starts, [*starts[1:], len(values)], strict=True):
            if values[first] >= 0:
                color = SERIES[int(values[first]) % len(SERIES)]
                axes.barh(row, (last - first) * step, 0.8, first * step, color=color, linewidth=0)
                if (last - first) > 0.09 * len(values):
                    name = shorten(names[int(values[first])], 10)
                    axes.text((first + last) / 2 * step, row, name, ha="center", va="center", fontsize=7.5, color=PAPER)
    axes.set(ylim=(1.5, -0.5))
    axes.set_yticks([0, 1], ["label", "answer"])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _run_table(frames: Strips, seconds: float | None) -> Table:
    """Return labels and answers, a row whenever one of them changes."""
    labels, said, names = frames
    starts = np.flatnonzero(np.diff(labels, prepend=-2) | np.diff(said, prepend=-2))
    rows = [
        (
            int(start) if seconds is None else round(float(start) * seconds, 3),
            *(names[int(values[start])] if values[start] >= 0 else None for values in (labels, said)),
        )
        for start in starts
    ]
    return make_table(["from (frame)" if seconds is None else "from (s)", "label", "answer"], rows)


def _energy_table(features: np.ndarray, contributions: Contributions | None, seconds: float | None) -> Table:
    """Return means over a few pieces of the recording, and sums of the frames' contributions."""
    pieces = squeeze_time(np.asarray(features, np.float64).mean(axis=1), TABLE_ROWS)
    step = len(features) / len(pieces) * (seconds or 1)
    columns = ["from (s)" if seconds else "from (frame)", "mean feature"]
    rows = [[round(i * step, 3), float(value)] for i, value in enumerate(pieces)]
    if contributions is not None:
        columns.append("contribution")
        of_piece = np.minimum(contributions.positions * len(pieces) // len(features), len(pieces) - 1)
        sums = np.bincount(of_piece, contributions.frames, len(pieces)).tolist()
        rows = [[*row, value] for row, value in zip(rows, sums, strict=True)]
    return make_table(columns, rows)
