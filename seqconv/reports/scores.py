"""Tables of the scores: of each split, of classes and slices, and of whole recordings."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqconv.reports.answers import Interval
from seqconv.reports.names import NO_SCORES, head_of, label
from seqconv.reports.tables import Table, interval_text, make_table, number


def score_table(metrics: Mapping[str, Any]) -> Table:
    """Return every score of every split, with its interval; test, which counts, comes first."""
    metrics = dict(sorted(metrics.items(), key=lambda item: item[0] != "test"))
    names = list(dict.fromkeys(name for scores in metrics.values() for name in _scores(scores)))
    columns, rows = ["score"], [[label(name)] for name in names]
    for split, scores in metrics.items():
        columns += [split, f"{split} interval"]
        for row, name in zip(rows, names, strict=True):
            row += [scores.get(name), interval_text(scores["intervals"].get(name))]
    return make_table(columns, rows)


def member_table(members: Sequence[Mapping[str, Any]], metrics: Mapping[str, Any], headline: str) -> Table:
    """Return each member of an average and the average itself, with its headline score and loss on every split."""
    shown = [(split, name) for split in metrics for name in (headline, "loss")]
    rows = [
        [each["name"], each["folder"], number(each["weight"]), each["parameters"], *_of(each["scores"], shown)]
        for each in members
    ]
    rows.append(["average", "", "", sum(each["parameters"] for each in members), *_of(metrics, shown)])
    columns = ["member", "folder", "weight", "parameters", *(f"{label(name)}, {split}" for split, name in shown)]
    return make_table(columns, rows)


def _of(scores: Mapping[str, Any], names: Sequence[tuple[str, str]]) -> list[Any]:
    return [scores.get(split, {}).get(name) for split, name in names]


def split_table(metrics: Mapping[str, Any], confidence: float) -> Table:
    """Make a table of the scores of one split, with their intervals if there are any."""
    found = metrics["intervals"]
    rows = [(label(name), metrics[name], interval_text(found.get(name))) for name in _scores(metrics)]
    columns = ["score", "value", f"{confidence:.0%} interval"]
    return make_table(columns, rows) if found else make_table(columns[:2], [row[:2] for row in rows])


def named_table(
    first: str, rows: Mapping[Any, Mapping[str, Any]], intervals: Mapping[Any, Mapping[str, Interval]] | None = None
) -> Table:
    """Make a table with a row for each name (a class, for example): its scores, each followed by its interval."""
    known = intervals or {}
    shown = {score for found in known.values() for score in found}
    columns, cells = [first], [[name] for name in rows]
    for score in next(iter(rows.values())):
        columns += [label(score), f"{label(score)} interval"] if score in shown else [label(score)]
        for row, (name, values) in zip(cells, rows.items(), strict=True):
            row += [values[score]]
            row += [interval_text(known.get(name, {}).get(score))] if score in shown else []
    return make_table(columns, cells)


def whole_scores(metrics: Mapping[str, Any], split: str | None) -> list[dict[str, Any]]:
    """Return scores of recordings and of events, of the splits that have them; classes of the scored split.

    Each has `name` ("recordings" or "events"), `head` (what the scores are of), and two tables: `scores`, and `classes`
    (None without classes).
    """
    found = []
    for name in ("recordings", "events"):
        of_splits = {key: scores[name] for key, scores in metrics.items() if name in scores}
        if not of_splits:
            continue
        shown = split if split in of_splits else next(iter(of_splits))
        per_class = of_splits[shown].get("per_class")
        head = f"{head_of(name, of_splits[shown])} ({shown})"
        table = score_table(of_splits)
        # Each number has its own decimals: rates are mixed with counts by the hour.
        written = make_table(table.columns, [[number(cell) for cell in row] for row in table.rows])
        classes = named_table("class", per_class) if per_class else None
        found.append({"name": name, "head": head[0].upper() + head[1:], "scores": written, "classes": classes})
    return found


def _scores(scores: Mapping[str, Any]) -> list[str]:
    notes = scores.get("notes", {})
    return [
        name
        for name, value in scores.items()
        if name not in NO_SCORES and (isinstance(value, float) or (value is None and name in notes))
    ]
