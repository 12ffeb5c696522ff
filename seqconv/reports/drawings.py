"""Drawings: matplotlib figures as inline SVG with the colors and fonts of the page, in light and in dark."""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, cast

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, NullFormatter

from seqconv.metrics.records import larger_is_better
from seqconv.reports.names import label
from seqconv.reports.tables import Table

INK, MUTED, LINE, PAPER = "#0a1b01", "#0a1b02", "#0a1b03", "#0a1b04"
SERIES = tuple(f"#0a1b1{i}" for i in range(8))
"""Placeholders that matplotlib writes into the SVG; each becomes a variable of the page's style."""
DOTTED: dict[str, Any] = {"color": MUTED, "linewidth": 0.9, "linestyle": (0, (2, 3))}
Box = tuple[float, float, float, float]

_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", PAPER: "--paper"} | {
    color: f"--series-{i}" for i, color in enumerate(SERIES)
}
WIDTH, HEIGHT = 4.9, 2.9
"""Inches of 72 units: on a telephone a unit is about a pixel."""
_LARGEST = 1.4
"""Pixels to a unit at most: letters are then a little larger than those of the page."""
_KEY_INCHES, _LETTER_INCHES = 0.5, 0.075
"""Sizes in a legend: a line with its gaps, and a letter at most."""
_COLUMN, _AROUND = 440, 110
"""Pixels: width of a column of figures on a large screen, height of everything around a figure."""

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    # A class may be called "$x^2$".
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    **{f"{axis}tick.{kind}.size": 0 for axis in "xy" for kind in ("major", "minor")},
    "legend.frameon": False,
    "figure.facecolor": "none",
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "image.interpolation": "none",
}


@dataclass(frozen=True)
class Drawing:
    """One figure of the page.

    `name`: unique on the page. `summary`: what the figure shows, for screen readers. `table`: the numbers drawn. `box`:
    left, right, top and bottom of the axes as parts of the width and height, for something that moves over them.
    """

    name: str
    title: str
    summary: str
    svg: str
    table: Table
    caption: str = ""
    box: Box | None = None

    @property
    def height(self) -> float:
        """Height in pixels in a column."""
        _, _, width, height = map(float, self.svg.split('viewBox="')[1].split('"')[0].split())
        return min(_COLUMN, _LARGEST * width) * height / width


def in_columns(drawings: Sequence[Drawing]) -> list[list[Drawing]]:
    """Arrange drawings in two columns of about one height: each goes to the column with most room."""
    columns: list[list[Drawing]] = [[], []]
    for drawing in drawings:
        shortest = min(columns, key=lambda column: sum(each.height + _AROUND for each in column))
        shortest.append(drawing)
    return [column for column in columns if column]


def draw(
    name: str,
    title: str,
    paint: Callable[[Axes], str],
    table: Table,
    *,
    size: tuple[float, float] = (WIDTH, HEIGHT),
    caption: str = "",
) -> Drawing:
    """Draw a figure with one pair of axes; `paint` fills them and returns the summary."""
    summary = ""

    def fill(figure: Figure) -> Axes:
        nonlocal summary
        axes = figure.subplots()
        summary = paint(axes)
        return axes

    svg, box = render(name, fill, size)
    return Drawing(name, title, summary, svg, table, caption, box)


def render(name: str, fill: Callable[[Figure], Axes], size: tuple[float, float]) -> tuple[str, Box]:
    """Return inline SVG of a figure, and the box of the axes that `fill` returns."""
    buffer = io.StringIO()
    with rc_context(cast(Any, {**_STYLE, "svg.hashsalt": name})), warnings.catch_warnings():
        # The browser has its own fonts for letters that are missing in those of matplotlib.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message=".*layout not applied")
        figure = Figure(figsize=size)
        axes = fill(figure)
        # The layout is computed here: with `layout=` the figure would draw everything a second time for it.
        ConstrainedLayoutEngine().execute(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        place = axes.get_position()
    return themed(buffer.getvalue(), name), (place.x0, place.x1, 1 - place.y1, 1 - place.y0)


def themed(svg: str, name: str) -> str:
    """Return the `<svg>` element alone, with the page's colors and fonts, and with ids that no other figure has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', _open_tag, svg, count=1)
    svg = re.sub(r'(?<= )id="([^"]*)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--font)", svg)
    return re.sub(r"#0a1b[0-9a-f]{2}", lambda found: f"var({_VARIABLES[found[0]]})", svg)


def _open_tag(found: "re.Match[str]") -> str:
    width = float(found[1].split()[2])
    return f'<svg {found[1]} aria-hidden="true" style="max-width: {_LARGEST * width:.0f}px">'


def whiskers(
    axes: Axes,
    score: str,
    names: Sequence[str],
    values: Sequence[float | None],
    intervals: Sequence[Sequence[float] | None],
) -> None:
    """Draw a dot and a line for each value of a score and its interval, from top to bottom."""
    for place, (value, interval) in enumerate(zip(values, intervals, strict=True)):
        if interval is not None:
            axes.plot(interval, [place, place], color=SERIES[0], alpha=0.45, linewidth=3, solid_capstyle="round")
        if value is not None:
            axes.plot([value], [place], "o", color=SERIES[0], markersize=5.5)
    axes.set_yticks(range(len(names)), shorten_all(names, 24))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_xlabel(label(score))
    if larger_is_better(score):
        # A score that cannot exceed one: a scale that shows differences.
        axes.set_xlim(max(min(axes.get_xlim()[0], 0.9), -0.02), 1.01)
    else:
        axes.set_xlim(left=0)


def set_log_ticks(axis: Axis, most: int) -> None:
    """Set ticks at 1, 2 and 5 times the powers of ten, at most so many, without names between them."""
    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=most))
    axis.set_minor_formatter(NullFormatter())


def shorten(text: Any, limit: int = 30) -> str:
    """Shorten a text for a narrow space.

    >>> shorten("a" * 40, 5)
    'aaaa…'
    """
    whole = str(text)
    return whole if len(whole) <= limit else whole[: limit - 1] + "…"


def shorten_all(names: Sequence[str], limit: int = 30) -> list[str]:
    """Shorten names for a narrow space so that they still differ: if needed, without their common beginning.

    >>> shorten_all(["learning_rate=0.0003-fold0-seed0", "learning_rate=0.001-fold0-seed0"], 24)
    ['learning_rate=0.0003-fo…', 'learning_rate=0.001-fol…']
    >>> shorten_all(["learning_rate=0.001-fold0-seed0", "learning_rate=0.001-fold0-seed1"], 24)
    ['…seed0', '…seed1']
    """
    short = [shorten(name, limit) for name in names]
    if len(set(short)) == len(set(names)):
        return short
    pairs = zip(min(names), max(names), strict=False)
    start = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    common = max(start.rfind(end) for end in "=-/: ") + 1
    rest = [f"…{name[common:]}" if common > 1 else name for name in names]
    tail = limit // 2
    return [name if len(name) <= limit else f"{name[: limit - 1 - tail]}…{name[-tail:]}" for name in rest]


def legend_columns(names: Sequence[str], most: int = 3) -> int:
    """Return how many names of a legend fit in one line above a figure of `WIDTH`."""
    widest = _KEY_INCHES + _LETTER_INCHES * max(map(len, names))
    return max(1, min(most, len(names), int(WIDTH / widest)))
