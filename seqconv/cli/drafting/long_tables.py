"""Tables in which each row is a frame."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.heads import GROUPS, MOST_TRIED, Head, count_runs, read_heads, words_of
from seqconv.cli.drafting.paces import Pace, find_pace
from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.questions import Reading, choose
from seqconv.cli.drafting.row_labels import ask_label, steady_labels, tell_others
from seqconv.config.files import write_value
from seqconv.errors import ManifestError, list_some
from seqconv.features.cells import ROW_SUFFIXES

_SEPARATORS = (None, " ", ";", "\t")
_WINDOW = 100
"""Most frames of a window, where sequences end with their label."""


def find_long_tables(place: Place) -> Find | None:
    """Find a table, or a folder of tables, in which each row is a frame, and a column says what happens in it.

    Raises:
        ManifestError: a sequence may be a run of rows or all rows of a key, or several columns may be what is to be
            learned, and there is no terminal to ask on.
    """
    if place.has_signals:
        return None
    paths = [place.path] if place.path.is_file() else [place.path / path for path in place.files]
    paths = [path for path in paths if path.suffix.lower() in ROW_SUFFIXES]
    given = place.given.get("data", {})
    text: dict[str, Any] = {key: given[key] for key in ("names", "separator", "comment") if key in given}
    tables = read_heads(paths, text)
    rows = _choose_rows(place, list(tables.values()))
    if rows is not None:
        others = [path for path in paths[:MOST_TRIED] if path not in tables]
        return _describe(place, tables, rows, others)
    for separator in () if tables or "names" in text else _SEPARATORS:
        numbered = read_heads(paths, {"names": ["..."], "separator": separator})
        if steady_labels(list(numbered.values())):
            _refuse_nameless(place, *next(iter(numbered.items())), separator)
    return None


def _refuse_nameless(place: Place, path: Path, head: Head, separator: str | None) -> None:
    """Ask for names of the columns.

    Raises:
        ManifestError: always; shows the first row.
    """
    row = [cells[0] for cells in head.cells.values()]
    options = [] if separator is None else ["--set", f"data.separator='{separator}'"]
    names = f"data.names=[{', '.join(['NAME'] * len(row))}]"
    raise ManifestError(
        f"{place.show(path)} has a frame in each row, and no names of columns; its first row is {list_some(row, 8)}. "
        "Name them: what happens 'label', who or what it is of 'group', the time as you like: "
        f"{place.command('--set', names, *options)}"
    )


def _choose_rows(place: Place, heads: Sequence[Head]) -> tuple[str, dict[str, Any]] | None:
    """Return the column with the labels and `data.rows`; None if nothing may be what is to be learned."""
    if not heads:
        return None
    first, given = heads[0], place.given.get("data", {})
    said = given.get("rows") or {}
    wanted = (given.get("columns") or {}).get("label") or place.label
    wanted = wanted if wanted in first.cells else None
    groups = [name for name in first.cells if GROUPS & words_of(name) and name != wanted]
    order = said.get("order", first.rows.order)
    rows = {"by": list(said.get("by", groups)), **({"order": order} if order else {})}
    labels = [wanted] if wanted else steady_labels(heads)
    if "by" in said:
        labels = [name for name in labels if _stays_same(heads, rows["by"], name)]
    if not labels and ("by" in said or len(heads) == 1):
        label = ask_label(place, heads, rows, wanted)
        if label is None:
            return None
        rows |= {"by": [*rows["by"], label], "sequence": "run"}
        place.answer("rows", rows)
        return label, rows
    if not labels:
        return None
    label = labels[0]
    if len(labels) > 1:
        readings = [Reading(f"'{name}'", place.set("data.columns.label", write_value(name)), name) for name in labels]
        label = choose(f"'{place.path}': several columns may be what is to be learned.", readings)
    return label, rows if "by" in said else rows | {"by": [*groups, label]}


def _stays_same(heads: Sequence[Head], by: Sequence[str], name: str) -> bool:
    return all(head.count_runs(by) == head.count_runs([*by, name]) for head in heads)


def _describe(place: Place, tables: Mapping[Path, Head], found: tuple[str, dict[str, Any]], others: list[Path]) -> Find:
    (label, rows), heads = found, list(tables.values())
    by, order = rows["by"], rows.get("order")
    groups = [name for name in heads[0].cells if GROUPS & words_of(name) and name != label]
    keys = [head.keys(by) for head in heads]
    if not _is_divided(keys) and "sequence" not in {**rows, **(place.given.get("data", {}).get("rows") or {})}:
        rows["sequence"] = _ask_sequence(place, by)
    meant = {"label": label, "group": groups[0] if groups else None}
    named = {meaning: name for meaning, name in meant.items() if name not in (None, meaning)}
    path = next(iter(tables)) if len(tables) == 1 else place.path
    data: dict[str, Any] = {"manifest": str(path), **({"columns": named} if named else {}), "rows": rows}
    ordered = f", in the order of '{order}'" if order else ""
    said = [f"LOOK AT THIS: each row is a frame; a sequence has equal cells in {list_some(by)}{ordered}"]
    if others and len(tables) > 1:
        data["ignore"] = [path.relative_to(place.path).as_posix() for path in others]
    if others:
        said.append(f"not used, since they have no frame in each row: {place.show(*others)}")
    pace = find_pace(place, heads[0], keys[0])
    if label in by and pace.step is None:
        said += pace.said
    elif label in by and pace.step is not None:
        said.append("windows are cut alike in training and prediction, which does not know where the label changes")
        frames = min(_WINDOW, sum(map(len, keys)) / sum(map(count_runs, keys)))
        data["windows"] = {"seconds": float(f"{frames * pace.step:.1g}")}
    said += tell_others(place, heads, by)
    table = f"the table '{path.name}'" if len(tables) == 1 else f"tables in '{place.path}'"
    features = {**_choose_features(heads[0], by, order), **_rate_of(pace)}
    return Find(data, f"{table}, with a frame in each row", features=features, said=tuple(said))


def _rate_of(pace: Pace) -> dict[str, tuple[Any, str]]:
    return {"frame_rate": (pace.rate, pace.why)} if pace.why else {}


def _choose_features(head: Head, by: Sequence[str], order: str | None) -> dict[str, tuple[Any, str]]:
    """Leave out further clocks: a model would learn from when something was measured."""
    clocks = [name for name in head.clocks if name in head.columns.numbers and name not in (*by, order)]
    left = [name for name in head.columns.numbers if name not in (*by, order, *clocks)]
    left = [name for name in left if not _stays_same([head], by, name)]
    return {"columns": (left, f"of the table; {list_some(clocks)} counts time, too")} if clocks and left else {}


def _is_divided(keys: Sequence[Sequence[Any]]) -> bool:
    """Whether each key is one run of rows."""
    return all(count_runs(each) == len(set(each)) for each in keys)


def _ask_sequence(place: Place, by: Sequence[str]) -> str:
    texts = {"run": "a run of neighboring rows", "key": "all rows of a key, wherever they stand"}
    readings = [Reading(text, place.set("data.rows.sequence", name), name) for name, text in texts.items()]
    return choose(
        f"'{place.path}': rows with equal {list_some(by)} stand in several runs. What is a sequence?", readings
    )
