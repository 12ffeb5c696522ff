"""Tables of the scores over whole recordings: of their windows together, and of the events found in them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from seqconv.reports.names import head_of
from seqconv.reports.scores import named_table, score_table
from seqconv.reports.tables import Table, make_table, number


class Whole(NamedTuple):
    """Scores of whole recordings. `name`: "recordings" or "events"; `head`: their subject; tables of all scores and of
    classes."""

    name: str
    head: str
    scores: Table
    classes: Table | None


def whole_scores(metrics: Mapping[str, Any], split: str | None) -> list[Whole]:
    """Return scores of recordings and of events, of the splits that have them; classes of the scored split."""
    found = []
    for name in ("recordings", "events"):
        of_splits = {key: scores[name] for key, scores in metrics.items() if name in scores}
        if not of_splits:
            continue
        shown = split if split in of_splits else next(iter(of_splits))
        per_class = of_splits[shown].get("per_class")
        head = f"{head_of(name, of_splits[shown])} ({shown})"
        head = head[0].upper() + head[1:]
        classes = named_table("class", per_class) if per_class else None
        found.append(Whole(name, head, _written(score_table(of_splits)), classes))
    return found


def _written(table: Table) -> Table:
    """Format each number with its own decimals: rates are mixed with counts by the hour."""
    return make_table(table.columns, [[number(cell) for cell in row] for row in table.rows])
