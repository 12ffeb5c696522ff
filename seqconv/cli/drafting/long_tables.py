"""Tables in which each row is a frame, and folders with a file for each channel."""

import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.questions import Reading, choose
from seqconv.cli.drafting.targets import GROUP_NAMES, LABEL_WORDS
from seqconv.data.manifest.columns import SPLIT_WORDS, SPLITS
from seqconv.data.manifest.readers.channels import CHANNELS, read_channel_folder
from seqconv.data.manifest.readers.folders import ARRAY_SUFFIXES, AUDIO_SUFFIXES
from seqconv.errors import ManifestError, SeqconvError, list_some
from seqconv.features.cases.detection import propose_rows
from seqconv.features.cases.division import RowSettings
from seqconv.features.cells import ROW_SUFFIXES, read_cells, to_columns, to_text
from seqconv.features.columns import Columns, read_clock

_HEAD = 1 << 20
_MOST_TRIED = 20
_LABELS = LABEL_WORDS | {"activity", "activities", "gesture", "state"}
_GROUPS = {*GROUP_NAMES, "group", "participant", "patient", "volunteer", "recording", "trial", "run"}
_SEPARATORS = (None, " ", ";", "\t")
_WINDOW = 100
"""Most frames of a window, where sequences end with their label."""


@dataclass(frozen=True)
class _Head:
    """The beginning of a table: its cells as text and as numbers, by column, and the proposal of its sequences."""

    cells: dict[str, list[str | None]]
    columns: Columns
    rows: RowSettings


def find_channels(place: Place) -> Find | None:
    """Find folders with a file for each channel, and a sequence in each line of all."""
    folders = sorted({(place.path / path).parent for path in place.files if path.suffix.lower() in (".txt", ".dat")})
    found: dict[Path, list[str]] = {}
    for folder in [] if _has_recordings(place) else folders:
        with suppress(SeqconvError, ValueError, OSError):
            columns = list(read_channel_folder(folder)[0].columns)
            # Without labels above it, tables of equal size may be anything.
            if _label_of(columns):
                found[folder] = columns
    if not found:
        return None
    splits = {split: folder for folder in found if (split := _split_of(folder, place)) is not None}
    if set(splits.values()) != set(found) or "train" not in splits:
        if len(found) > 1:
            return None
        splits = {"": next(iter(found))}
    manifest: Any = {split: f"{CHANNELS}{splits[split]}" for split in ("", *SPLITS) if split in splits}
    columns = next(iter(found.values()))
    groups = [name for name in columns if name in _GROUPS]
    named = {"label": _label_of(columns), **({"group": groups[0]} if groups else {})}
    data = {"manifest": manifest.get("", manifest), "columns": named}
    shown = list_some(folder.relative_to(place.path) for folder in splits.values())
    return Find(data, f"a file for each channel in {shown} of '{place.path}', a sequence in each line")


def find_long_tables(place: Place) -> Find | None:
    """Find a table, or a folder of tables, in which each row is a frame, and a column says what happens in it.

    Raises:
        ManifestError: a sequence may be a run of rows or all rows of a key, and there is no terminal to ask on.
    """
    if _has_recordings(place):
        return None
    paths = [place.path] if place.path.is_file() else [place.path / path for path in place.files]
    paths = [path for path in paths if path.suffix.lower() in ROW_SUFFIXES]
    given = place.given.get("data", {})
    text: dict[str, Any] = {key: given[key] for key in ("names", "separator", "comment") if key in given}
    heads = _read_heads(paths, text)
    labels = _labels_in(list(heads.values()))
    if labels:
        others = [path for path in paths[:_MOST_TRIED] if path not in heads]
        return _describe(place, heads, labels, others)
    for separator in () if heads or "names" in text else _SEPARATORS:
        numbered = _read_heads(paths, {"names": ["..."], "separator": separator})
        if _labels_in(list(numbered.values())):
            _refuse_nameless(place, *next(iter(numbered.items())), separator)
    return None


def _read_heads(paths: Sequence[Path], text: dict[str, Any]) -> dict[Path, _Head]:
    """Read the first rows of those of some tables that have a frame in each; none unless all have the same columns."""
    heads = {path: head for path in paths[:_MOST_TRIED] if (head := _read_head(path, text)) is not None}
    return heads if len({tuple(head.cells) for head in heads.values()}) == 1 else {}


def _labels_in(heads: Sequence[_Head]) -> list[str]:
    """Return the columns that may say what happens: those that are named so, or else all of words."""
    if not heads:
        return []
    keys = dict.fromkeys(name for head in heads for name in head.rows.by if not _GROUPS & _words_of(name))
    worded = [name for name in keys if _LABELS & _words_of(name)]
    return worded or [name for name in keys if name in heads[0].columns.words]


def _refuse_nameless(place: Place, path: Path, head: _Head, separator: str | None) -> None:
    """Ask for names of the columns.

    Raises:
        ManifestError: always; shows the first row.
    """
    row = [cells[0] for cells in head.cells.values()]
    options = [] if separator is None else ["--set", shlex.quote(f"data.separator='{separator}'")]
    names = f"data.names=[{', '.join(['NAME'] * len(row))}]"
    raise ManifestError(
        f"{place.show(path)} has a frame in each row, and no names of columns; its first row is {list_some(row, 8)}. "
        "Name them: what happens 'label', who or what it is of 'group', the time as you like: "
        f"{place.command('--set', shlex.quote(names), *options)}"
    )


def _describe(place: Place, tables: Mapping[Path, _Head], labels: Sequence[str], others: Sequence[Path]) -> Find:
    heads = list(tables.values())
    first = heads[0]
    names = list(first.cells)
    given = place.given.get("data", {})
    label = (given.get("columns") or {}).get("label")
    if label is None and len(labels) > 1:
        readings = [Reading(f"'{name}'", place.set("data.columns", f"{{label: {name}}}"), name) for name in labels]
        label = choose(f"'{place.path}': several columns may be what is to be learned.", readings)
    label = label or labels[0]
    groups = [name for name in names if _GROUPS & _words_of(name) and name != label]
    by = [*groups, label]
    keys = [list(zip(*(head.cells[name] for name in by), strict=True)) for head in heads]
    order = first.rows.order
    rows: dict[str, Any] = {"by": by, **({"order": order} if order else {})}
    if not _is_divided(keys) and "sequence" not in (given.get("rows") or {}):
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
    table = f"the table '{path.name}'" if len(tables) == 1 else f"tables in '{place.path}'"
    step = None if order is None else _seconds_of_step(first, keys[0], order)
    if step is None:
        return Find(data, f"{table}, with a frame in each row", said=tuple(said))
    frames = min(_WINDOW, sum(map(len, keys)) / sum(map(_count_runs, keys)))
    rate, seconds = float(f"{1 / step:.3g}"), float(f"{frames * step:.1g}")
    why = f"a second: steps of '{order}' are mostly {step:.3g} s"
    said.append("windows are cut alike in training and prediction, which does not know where the label changes")
    data["windows"] = {"seconds": seconds}
    return Find(data, f"{table}, with a frame in each row", features={"frame_rate": (rate, why)}, said=tuple(said))


def _has_recordings(place: Place) -> bool:
    return any(path.suffix.lower() in (*AUDIO_SUFFIXES, *ARRAY_SUFFIXES) for path in place.recordings)


def _label_of(columns: Sequence[str]) -> str | None:
    return next((name for name in columns if name in ("y", *_LABELS)), None)


def _split_of(folder: Path, place: Place) -> str | None:
    words = [SPLIT_WORDS[part.lower()] for part in folder.relative_to(place.path).parts if part.lower() in SPLIT_WORDS]
    return words[0] if words else None


def _read_head(path: Path, text: dict[str, Any]) -> _Head | None:
    """Read the first rows of a table; None if it is none."""
    if path.suffix.lower() == ".parquet":
        return _sort_head(path, {})
    with path.open("rb") as file:
        body = file.read(_HEAD)
    # The last line may be cut.
    body = body[: body.rfind(b"\n") + 1] if len(body) == _HEAD else body
    with tempfile.TemporaryDirectory() as folder:
        head = Path(folder, f"head{path.suffix}")
        head.write_bytes(body)
        return _sort_head(head, text)


def _sort_head(path: Path, text: dict[str, Any]) -> _Head | None:
    rows = propose_rows(path, **text)
    if rows is None:
        return None
    columns = read_cells(path, **text)
    cells = {name: to_text(column) for name, column in columns.items()}
    head = _Head(cells, to_columns(columns), rows)
    # Other words in each row, such as names of files, are not measured.
    names = [name for name in head.columns.words if name != rows.order]
    return None if any(len(set(cells[name])) > len(cells[name]) / 2 for name in names) else head


def _words_of(name: str) -> set[str]:
    return {word for word in re.split(r"[\W_\d]+", name.lower()) if word}


def _longest_run(keys: Sequence[Any]) -> tuple[int, int]:
    edges = [0, *(row + 1 for row, (one, other) in enumerate(pairwise(keys)) if one != other), len(keys)]
    return max(pairwise(edges), key=lambda edge: edge[1] - edge[0])


def _is_divided(keys: Sequence[Sequence[Any]]) -> bool:
    """Whether each key is one run of rows."""
    return all(_count_runs(each) == len(set(each)) for each in keys)


def _count_runs(cells: Sequence[Any]) -> int:
    return 1 + sum(bool(one != other) for one, other in pairwise(cells))


def _ask_sequence(place: Place, by: Sequence[str]) -> str:
    texts = {"run": "a run of neighboring rows", "key": "all rows of a key, wherever they stand"}
    readings = [Reading(text, place.set("data.rows.sequence", name), name) for name, text in texts.items()]
    return choose(
        f"'{place.path}': rows with equal {list_some(by)} stand in several runs. What is a sequence?", readings
    )


def _seconds_of_step(head: _Head, keys: Sequence[Any], order: str) -> float | None:
    """Return the usual step of the clock, if its name or its dates say that it counts seconds."""
    is_date = order in head.columns.words
    if not is_date and not _words_of(order) & {"s", "sec", "secs", "second", "seconds", "elapsed"}:
        return None
    start, end = _longest_run(keys)
    steps = np.diff(read_clock(head.columns, order)[start:end])
    step = float(np.median(steps)) if len(steps) else 0.0
    return step if step > 0 else None
