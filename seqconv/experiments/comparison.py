"""`write_comparison`: several runs on one page: scores with intervals, differences of their configs, their curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from seqconv.errors import ConfigError
from seqconv.experiments import run_groups
from seqconv.experiments.folder import is_sweep
from seqconv.experiments.run_groups import Contender, score_names, scores_of
from seqconv.reports.curves import best_epoch, set_epochs
from seqconv.reports.drawings import HEIGHT, SERIES, WIDTH, Drawing, draw, legend_columns, shorten_all, whiskers
from seqconv.reports.folder import RunFolder
from seqconv.reports.html_page import write_page
from seqconv.reports.names import label
from seqconv.reports.scores import named_table
from seqconv.reports.tables import Table, interval_text, make_table, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_RUNS = 20
MOST_CURVES = 6
_LEGEND_LINE = 0.17


def write_comparison(run_dirs: Sequence[str | Path], path: str | Path) -> Path:
    """Write one page about several runs, in the order given; return its path.

    The folder of a sweep stands for all of them. Runs that differ only in seed and fold are also shown
    together, and differences are those from the first.

    Raises:
        ConfigError: fewer than two folders, one of them twice, or one that holds no run.
        StoreError: a file of a run is damaged.
        StorageError: the page cannot be written.
    """
    folders = [Path(run_dir).resolve() for run_dir in run_dirs]
    is_alone = len(folders) == 1 and is_sweep(folders[0])
    if not (is_alone or 2 <= len(set(folders)) == len(folders) <= MOST_RUNS):
        raise ConfigError(
            f"a comparison is of 2 to {MOST_RUNS} different runs, got {len(folders)}, {len(set(folders))} of them "
            "different. Give the folder of each once."
        )
    runs = run_groups.expand(folders)
    contenders = run_groups.group_runs(runs)
    if len(runs) > MOST_RUNS:
        # One of each kind stands for the others, whose scores are in the table of all.
        runs = {each.name: each.runs[0] for each in contenders[:MOST_RUNS]}
    path = Path(path)
    return write_page("comparison.html.j2", path, **_contents(runs, contenders, path))


def _contents(runs: dict[str, RunFolder], contenders: Sequence[Contender], path: Path) -> dict[str, Any]:
    several = any(len(each.runs) > 1 for each in contenders)
    measured = dict.fromkeys(["val_loss", *(run.config.monitor for run in runs.values()), "loss"])
    drawn = [_draw_curves(runs, score) for score in list(measured)[:MOST_CURVES]]
    return {
        "title": f"Comparison of {len(runs)} runs",
        "runs": [(name, run.path, _report_of(run, path)) for name, run in runs.items()],
        "scores": _score_table(runs),
        "spreads": run_groups.spread_table(contenders) if several else None,
        "paired": run_groups.difference_table(contenders) if len(contenders) > 1 else None,
        "baseline": contenders[0].name,
        "facts": _fact_table(runs),
        "score_drawings": [_draw_scores(runs, score) for score in _shared_scores(runs)[:2]],
        "curves": [curve for curve in drawn if curve is not None],
        "differences": run_groups.config_differences({name: run.config.to_dict() for name, run in runs.items()}),
        "version_differences": run_groups.config_differences({name: run.versions for name, run in runs.items()}),
    }


def _score_table(runs: dict[str, RunFolder]) -> Table:
    names, rows, intervals = _shared_scores(runs), {}, {}
    for title, run in runs.items():
        scores = scores_of(run)
        of_what = {"split": run.scored_split or "", "sequences": scores.get("num_sequences")}
        rows[title] = {**of_what, **{name: scores.get(name) for name in names}}
        intervals[title] = scores.get("intervals", {})
    return named_table("run", rows, intervals)


def _fact_table(runs: dict[str, RunFolder]) -> Table:
    rows = []
    for title, run in runs.items():
        history, facts = run.history, run.facts
        warm = history.iloc[1:] if len(history) > 1 else history
        speed = round(warm["frames_per_second"].median()) if "frames_per_second" in history else None
        seconds = round(history["seconds"].sum()) if "seconds" in history else None
        best = best_epoch(history, run.config.monitor, run.config.monitor_mode)
        rows.append((title, len(history), best, seconds, speed, facts.get("parameters"), facts.get("compilations")))
    columns = ["run", "epochs", "kept epoch", "training (s)", "frames / s", "parameters", "compiled shapes"]
    return make_table(columns, rows)


def _draw_scores(runs: dict[str, RunFolder], score: str) -> Drawing:
    title, names = label(score), list(runs)
    values = [scores_of(run).get(score) for run in runs.values()]
    intervals = [scores_of(run).get("intervals", {}).get(score) for run in runs.values()]

    def paint(axes: "Axes") -> str:
        whiskers(axes, score, names, values, intervals)
        texts = [f"{name} {number(value)}" for name, value in zip(names, values, strict=True)]
        return f"{title} of each run: {', '.join(texts)}"

    table = make_table(["run", title, "interval"], list(zip(names, values, map(interval_text, intervals), strict=True)))
    size = (WIDTH, max(1.5, 0.8 + 0.3 * len(runs)))
    return draw(f"score-{score}", title.capitalize() if score.islower() else title, paint, table, size=size)


def _draw_curves(runs: dict[str, RunFolder], score: str) -> Drawing | None:
    having = {name: run.history for name, run in runs.items() if score in run.history}
    if not having:
        return None
    names = dict(zip(having, shorten_all(list(having), 22), strict=True))
    columns = legend_columns(list(names.values()))
    title = label(score.removeprefix("val_")) + (", validation" if score.startswith("val_") else ", training")

    def paint(axes: "Axes") -> str:
        for index, (name, history) in enumerate(having.items()):
            style = "-" if index < len(SERIES) else "--"
            axes.plot(history["epoch"], history[score], style, color=SERIES[index % len(SERIES)],
                      label=names[name], marker="o" if len(history) == 1 else None)  # fmt: skip
        longest = max(having.values(), key=len)
        set_epochs(axes, longest)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=columns, borderaxespad=0.2)
        ends = ", ".join(f"{name} {number(float(history[score].iloc[-1]))}" for name, history in having.items())
        return f"{title} by epoch; in the end: {ends}."

    curves = pd.concat({name: history.set_index("epoch")[score] for name, history in having.items()}, axis=1)
    table = make_table(["epoch", *having], list(curves.sort_index().itertuples(name=None)))
    # The legend stands above the axes, which keep their height.
    size = (WIDTH, HEIGHT + _LEGEND_LINE * (-(-len(having) // columns) - 1))
    return draw(f"curve-{score}", title[0].upper() + title[1:], paint, table, size=size)


def _shared_scores(runs: dict[str, RunFolder]) -> list[str]:
    """Return scores that some run has, those with intervals first."""
    named = [name for run in runs.values() for name in scores_of(run).get("intervals", {})]
    return list(dict.fromkeys([*named, *score_names(runs.values())]))


def _report_of(run: RunFolder, path: Path) -> str | None:
    """Return the path of a run's report, relative to the page."""
    import os.path
    from urllib.parse import quote

    report = run.path / "report.html"
    return quote(os.path.relpath(report, path.resolve().parent)) if report.is_file() else None
