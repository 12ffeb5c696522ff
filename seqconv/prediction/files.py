"""Predictions for files: each readable file gets one, even if others are damaged."""

import tempfile
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqconv.errors import AudioError, ManifestError, SeqconvError, ShapeError, list_some
from seqconv.features import FeatureKind, open_features
from seqconv.features.kinds import RecordedKind
from seqconv.features.store import BadFile, FeatureStore, build_store
from seqconv.files import suffix_of
from seqconv.layers.shares import Mask
from seqconv.models.card import predicts_frames, read_decision_rule, seconds_per_frame
from seqconv.prediction.forward import forward, min_frames
from seqconv.prediction.streaming.whole import ChunkRunner, default_chunk_frames, find_long
from seqconv.sources import Selection, Source
from seqconv.tasks.outputs import frame_columns, recording_starts
from seqconv.tasks.target import Target

Tables = Generator[pd.DataFrame, None, list[BadFile]]

# Fewer files are read in less time than a bar is worth.
_FILES_WORTH_A_BAR = 50
_FRAMES_PER_TABLE = 1_000_000


def predict_source(model: Any, target: Target, source: Source, options: dict[str, Any]) -> Iterator[pd.DataFrame]:
    """Yield the table of a source; for a model that predicts frames, a table for every million of them."""
    if not predicts_frames(model, target):
        columns = {"id": list(source.ids), "num_frames": np.asarray(source.lengths, np.int64)}
        answers = answer_columns(model, target, forward(model, source, raw=True, **options), source)
        yield pd.DataFrame({**columns, **answers})
        return
    stride, seconds, starts = model.total_stride, seconds_per_frame(model, source), recording_starts(source)
    table_of = np.cumsum(-(-np.asarray(source.lengths, np.int64) // stride)) // _FRAMES_PER_TABLE
    for number in np.unique(table_of):
        chosen = np.flatnonzero(table_of == number)
        part, start = Selection(source, chosen), None if starts is None else starts[chosen]
        frames = forward(model, part, **options)
        columns = frame_columns(part.ids, [len(logits) for logits in frames], stride, seconds, start)
        yield pd.DataFrame({**columns, **answer_columns(model, target, np.concatenate(frames))})


def predict_files(
    model: Any, target: Target, entries: pd.DataFrame, settings: FeatureKind, options: dict[str, Any]
) -> Tables:
    """Yield the tables of files: long recordings straight from them in chunks, those between from a store.

    A file that cannot be read, or is too short for the model, has a row without a prediction; where frames are
    predicted, it has none, or those before the place where it is damaged. A warning lists these at the end.

    Args:
        entries: columns `id`, `path` and, for files of several sequences, `case`.

    Returns:
        the bad files, when the generator has ended.

    Raises:
        AudioError, ManifestError: there is a prediction for none of them.
    """
    ids, paths = entries["id"].to_numpy(), entries["path"].to_numpy()
    is_long = _find_long_files(model, entries, settings, options)
    runner = ChunkRunner(model, options.get("chunk_frames")) if is_long.any() else None
    blank = _Blank(is_used=not predicts_frames(model, target))
    with tempfile.TemporaryDirectory(prefix="seqconv-") as folder:
        store, bad = _read_short(model, entries, is_long, settings, Path(folder) / "store")
        places = {name: place for place, name in enumerate(store.ids)} if store is not None else {}
        # A long file is a run by itself; those between two long ones are a run together.
        for run in np.split(np.arange(len(ids)), np.flatnonzero(is_long[1:] | is_long[:-1]) + 1):
            names, path = ids[run].tolist(), paths[run[0]]
            chosen = np.array([places[name] for name in names if name in places and name not in bad], np.int64)
            tables: Iterator[pd.DataFrame] = iter(())
            if is_long[run[0]] and runner is not None:
                tables = _predict_long(runner, target, names[0], path, settings)
            elif store is not None and len(chosen):
                tables = predict_source(model, target, Selection(store, chosen), options)
            else:
                blank.hold(names)
            try:
                for table in tables:
                    yield from blank.fill(table, names)
            except (AudioError, ManifestError) as error:
                if not is_long[run[0]] or len(ids) == 1:
                    raise
                bad[names[0]] = BadFile(names[0], path, reason_of(error, names[0]))
                blank.hold(names)
    listed = [bad[name] for name in ids if name in bad]
    report_bad(listed, len(ids))
    yield from blank.release()
    return listed


def _find_long_files(model: Any, entries: pd.DataFrame, settings: FeatureKind, options: dict[str, Any]) -> Mask:
    """Return which files run in chunks, by their headers; warn of those that would, but need all frames at once."""
    strategy, chunk_frames = options.get("strategy", "auto"), options.get("chunk_frames")
    # Nothing is opened for a length that would decide nothing.
    is_open = chunk_frames is not None or (strategy == "auto" and hasattr(model, "chunkable"))
    lengths = np.array([_count_frames(path, settings) if is_open else 0 for path in entries["path"]])
    is_long = find_long(model, lengths, chunk_frames, strategy)
    if strategy == "auto" and not getattr(model, "chunkable", True):
        whole = entries["id"][lengths > default_chunk_frames(model)]
        if len(whole):
            warnings.warn(
                f"{list_some(whole)}: run whole, which takes memory that grows with the length ({lengths.max()} "
                f"frames), since {list_some(model.unchunkable_layers)} need all of a sequence at once.",
                stacklevel=2,
            )
    return is_long


def _count_frames(path: str, settings: FeatureKind) -> int:
    """Return frames as the header says; 0 if a file cannot be opened or has to be read whole anyway."""
    if not isinstance(settings, RecordedKind) and suffix_of(path) != ".npy":
        return 0
    try:
        return open_features(path, settings).num_frames
    except SeqconvError:
        # Reading it reports the problem, together with those of all other files.
        return 0


def _predict_long(
    runner: ChunkRunner, target: Target, name: str, path: str, settings: FeatureKind
) -> Iterator[pd.DataFrame]:
    """Yield the table of a file that runs in chunks; for a model that predicts frames, a table for each chunk."""
    model, pieces, count = runner.model, open_features(path, settings), 0
    try:
        if target.definition.joins_frames:
            joiner = target.definition.start_joining(target)
            for logits in runner.frame_logits(pieces):
                joiner.feed(logits)
            columns: dict[str, Any] = {"id": [name], "num_frames": np.array([pieces.num_frames])}
            answers = joined_columns(model, target, joiner.decided(), settings.seconds_per_frame)
            yield pd.DataFrame({**columns, **answers})
            return
        if not predicts_frames(model, target):
            answer = runner.answer(pieces)
            columns = {"id": [name], "num_frames": np.array([answer.num_frames])}
            yield pd.DataFrame({**columns, **answer_columns(model, target, answer.logits[None])})
            return
        for logits in runner.frame_logits(pieces):
            columns = frame_columns([name], [len(logits)], model.total_stride, settings.seconds_per_frame, first=count)
            yield pd.DataFrame({**columns, **answer_columns(model, target, logits)})
            count += len(logits)
    except (ManifestError, ShapeError) as error:
        raise type(error)(f"'{name}': {error}") from error


def _read_short(
    model: Any, entries: pd.DataFrame, is_long: Mask, settings: FeatureKind, folder: Path
) -> tuple[FeatureStore | None, dict[str, BadFile]]:
    """Return the features of all files except long ones, and by id the files with none or too few frames."""
    short = entries[~is_long]
    if short.empty:
        return None, {}
    path_of = dict(zip(short["id"], short["path"], strict=True))
    try:
        store = build_store(short, settings, folder, progress=len(short) > _FILES_WORTH_A_BAR, max_bad_fraction=1.0)
    except (AudioError, ManifestError) as error:
        if not is_long.any():
            raise
        return None, {name: BadFile(name, path, error.reasons.get(name, str(error))) for name, path in path_of.items()}
    bad = {file.id: file for file in store.quarantine}
    shortest = min_frames(model)
    brief = np.flatnonzero(store.lengths < shortest).tolist()
    # Where there is no other, the model says so itself.
    for place in brief if len(brief) < len(store) or is_long.any() else ():
        name, reason = store.ids[place], f"has {store.lengths[place]} frames, but the model needs at least {shortest}"
        bad[name] = BadFile(name, path_of[name], reason)
    return store, bad


class _Blank:
    """Rows without a prediction, inserted at the positions of their files; kept back until there is any prediction."""

    def __init__(self, *, is_used: bool) -> None:
        self._is_used = is_used
        self._held: list[list[str]] = []
        self._first: pd.DataFrame | None = None

    def fill(self, table: pd.DataFrame, names: list[str]) -> Iterator[pd.DataFrame]:
        """Yield the table of a run of files, with rows for those without one, after the rows that were kept back."""
        self._first = table.head(0) if self._first is None else self._first
        yield from self.release()
        yield self._spread(table, names) if self._is_used and len(table) < len(names) else table

    def hold(self, names: list[str]) -> None:
        """Keep a row for each of a run of which none has a prediction."""
        if self._is_used:
            self._held.append(names)

    def release(self) -> Iterator[pd.DataFrame]:
        """Yield the tables that were kept back."""
        while self._held and self._first is not None:
            yield self._spread(self._first, self._held.pop(0))

    def _spread(self, table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
        rows = table.set_index("id").reindex(names).reset_index()
        return rows.assign(num_frames=rows["num_frames"].fillna(0).astype(np.int64))


def answer_columns(model: Any, target: Target, logits: Any, source: Any = None) -> dict[str, Any]:
    """Return the columns of answers to logits `(n, num_outputs)`, or to what a stock model returns.

    Of frames that say something together, `logits` are those of each sequence; `source` has these.
    """
    decisions = read_decision_rule(model, target)
    probabilities = decisions.probabilities(logits)
    if not target.definition.joins_frames:
        return decisions.columns(probabilities)
    seconds, starts = seconds_per_frame(model, source), recording_starts(source)
    return joined_columns(model, target, decisions.decide(probabilities), seconds, starts)


def joined_columns(
    model: Any, target: Target, decided: Any, seconds: float | None, starts: Any = None
) -> dict[str, Any]:
    """Return the columns of what the frames of each sequence say together, and when.

    Args:
        model, target: say how.
        decided: as `Task.decide` returns it.
        seconds: from one input frame to the next; None: they have no time.
        starts: where in its recording each sequence starts, in seconds, `(n,)`.
    """
    task, step = target.definition, model.total_stride * (1 if seconds is None else seconds)
    places = task.place_columns(decided, step, None if seconds is None else starts)
    return {**task.prediction_columns(target, None, decided), **places}


def reason_of(error: Exception, name: str) -> str:
    """Return an error's reason for a file, without its name."""
    return str(error).removeprefix(f"{name}: ").removeprefix(f"'{name}': ")


def report_bad(bad: Sequence[BadFile], count: int) -> None:
    """Warn of the files without a prediction, a line each.

    Raises:
        AudioError: that is so for all of them.
    """
    lines = [f"  {file.id}: {file.reason}" for file in bad]
    report = "\n".join([f"{len(bad)} of {count} files have no prediction, or not all of it:", *lines])
    if len(bad) == count:
        raise AudioError(report)
    if bad:
        warnings.warn(report, stacklevel=3)
