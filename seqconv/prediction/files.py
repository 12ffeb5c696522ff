"""Predictions for files: each readable file gets one, even if others are damaged."""

import tempfile
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.errors import AudioError, ManifestError, SeqconvError, ShapeError, list_some
from seqconv.features import open_features
from seqconv.features.kinds import RecordedKind
from seqconv.features.settings import FeatureSettings
from seqconv.features.store import BadFile, FeatureStore, build_store
from seqconv.models.card import predicts_frames, read_decision_rule, seconds_per_frame
from seqconv.prediction.forward import forward
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
        yield pd.DataFrame({**columns, **answer_columns(model, target, forward(model, source, **options))})
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
    model: Any, target: Target, entries: pd.DataFrame, settings: FeatureSettings, options: dict[str, Any]
) -> Tables:
    """Yield the tables of files: long recordings straight from them in chunks, those between from a store.

    A file that cannot be read, or is too short for the model, has a row without a prediction; where frames are
    predicted, it has none, or those before the place where it is damaged. A warning lists these at the end.

    Args:
        entries: columns `id`, `path` and, for `.ts` files, `case`.

    Returns:
        the bad files, when the generator has ended.

    Raises:
        AudioError, ManifestError: there is a prediction for none of them.
    """
    ids, paths = list(entries["id"]), list(entries["path"])
    is_long = _find_long_files(model, entries, settings, options)
    runner = ChunkRunner(model, options.get("chunk_frames")) if is_long.any() else None
    blank = _Blank(model, target, ids)
    with tempfile.TemporaryDirectory(prefix="seqconv-") as folder:
        store, bad = _read_short(model, entries, is_long, settings, Path(folder) / "store")
        places = {name: place for place, name in enumerate(store.ids)} if store is not None else {}
        # A long file is a run by itself; those between two long ones are a run together.
        for positions in np.split(np.arange(len(ids)), np.flatnonzero(is_long[1:] | is_long[:-1]) + 1):
            run: list[int] = positions.tolist()
            first, good = run[0], [position for position in run if position not in bad]
            tables: Iterator[pd.DataFrame] = iter(())
            if is_long[first] and runner is not None:
                tables = _predict_long(runner, target, ids[first], paths[first], settings)
            elif store is not None and good:
                chosen = np.array([places[ids[position]] for position in good])
                tables = predict_source(model, target, Selection(store, chosen), options)
            try:
                for table in tables:
                    yield from blank.fill(table, run, good)
            except (AudioError, ManifestError) as error:
                if not is_long[first] or len(ids) == 1:
                    raise
                bad[first] = BadFile(ids[first], paths[first], reason_of(error, ids[first]))
                good = []
            if not good:
                blank.hold(run)
    listed = [bad[position] for position in sorted(bad)]
    report_bad(listed, len(ids))
    yield from blank.release()
    return listed


def _find_long_files(
    model: Any, entries: pd.DataFrame, settings: FeatureSettings, options: dict[str, Any]
) -> npt.NDArray[np.bool_]:
    """Return which files run in chunks, by their headers; warn of those that would, but need all frames at once."""
    strategy, chunk_frames = options.get("strategy", "auto"), options.get("chunk_frames")
    # Nothing is opened for a length that would decide nothing.
    is_open = chunk_frames is not None or (strategy == "auto" and hasattr(model, "chunkable"))
    lengths = np.array([_count_frames(path, settings) if is_open else 0 for path in entries["path"]])
    is_long = find_long(model, lengths, chunk_frames, strategy=strategy)
    if strategy == "auto" and not getattr(model, "chunkable", True):
        whole = entries["id"][lengths > default_chunk_frames(model)]
        if len(whole):
            warnings.warn(
                f"{list_some(whole)}: run whole, which takes memory that grows with the length ({lengths.max()} "
                f"frames), since {list_some(model.unchunkable_layers)} need all of a sequence at once.",
                stacklevel=2,
            )
    return is_long


def _count_frames(path: str, settings: FeatureSettings) -> int:
    """Return frames as the header says; 0 if a file cannot be opened or has to be read whole anyway."""
    if not isinstance(settings, RecordedKind) and not path.lower().endswith(".npy"):
        return 0
    try:
        return open_features(path, settings).num_frames
    except SeqconvError:
        # Reading it reports the problem, together with those of all other files.
        return 0


def _predict_long(
    runner: ChunkRunner, target: Target, name: str, path: str, settings: FeatureSettings
) -> Iterator[pd.DataFrame]:
    """Yield the table of a file that runs in chunks; for a model that predicts frames, a table for each chunk."""
    model, pieces, count = runner.model, open_features(path, settings), 0
    try:
        if not predicts_frames(model, target):
            answer = runner.answer(pieces)
            columns: dict[str, Any] = {"id": [name], "num_frames": np.array([answer.num_frames])}
            yield pd.DataFrame({**columns, **answer_columns(model, target, answer.logits[None])})
            return
        for logits in runner.frame_logits(pieces):
            columns = frame_columns([name], [len(logits)], model.total_stride, settings.seconds_per_frame, first=count)
            yield pd.DataFrame({**columns, **answer_columns(model, target, logits)})
            count += len(logits)
    except (ManifestError, ShapeError) as error:
        raise type(error)(f"'{name}': {error}") from error


def _read_short(
    model: Any, entries: pd.DataFrame, is_long: npt.NDArray[np.bool_], settings: FeatureSettings, path: Path
) -> tuple[FeatureStore | None, dict[int, BadFile]]:
    """Return the features of all files except long ones, and by position the files with none or too few frames."""
    positions = np.flatnonzero(~is_long).tolist()
    if not positions:
        return None, {}
    short, has_bar = entries.iloc[positions], len(positions) > _FILES_WORTH_A_BAR
    try:
        store = build_store(short, settings, path, progress=has_bar, max_bad_fraction=1.0)
    except (AudioError, ManifestError) as error:
        if not is_long.any():
            raise
        rows = zip(positions, short["id"], short["path"], strict=True)
        return None, {place: BadFile(name, path, _listed_reason(error, name, path)) for place, name, path in rows}
    position_of = dict(zip(short["id"], positions, strict=True))
    bad = {position_of[file.id]: file for file in store.quarantine}
    shortest = getattr(model, "min_frames", 1)
    brief = np.flatnonzero(store.lengths < shortest).tolist()
    # Where there is no other, the model says so itself.
    for place in brief if len(brief) < len(store) or is_long.any() else ():
        position = position_of[store.ids[place]]
        reason = f"has {store.lengths[place]} frames, but the model needs at least {shortest}"
        bad[position] = BadFile(store.ids[place], entries["path"].iloc[position], reason)
    return store, bad


class _Blank:
    """Rows without a prediction, inserted at the positions of their files; kept back until there is any prediction."""

    def __init__(self, model: Any, target: Target, ids: Sequence[str]) -> None:
        self._ids, self._is_used = ids, not predicts_frames(model, target)
        self._held: list[list[int]] = []
        self._first: pd.DataFrame | None = None

    def fill(self, table: pd.DataFrame, run: Sequence[int], good: Sequence[int]) -> Iterator[pd.DataFrame]:
        """Yield a table of the good files of a run, with rows for the others, after those that were kept back."""
        self._first = table.head(0) if self._first is None else self._first
        yield from self.release()
        yield self._spread(table, run, good) if self._is_used and len(good) < len(run) else table

    def hold(self, run: Sequence[int]) -> None:
        """Keep a row for each of a run of which none has a prediction."""
        if self._is_used:
            self._held.append(list(run))

    def release(self) -> Iterator[pd.DataFrame]:
        """Yield the tables that were kept back."""
        while self._held and self._first is not None:
            yield self._spread(self._first, self._held.pop(0), [])

    def _spread(self, table: pd.DataFrame, run: Sequence[int], good: Sequence[int]) -> pd.DataFrame:
        rows = table.set_axis(list(good), axis=0).reindex(list(run))
        frames = rows["num_frames"].fillna(0).astype(np.int64)
        return rows.assign(id=[self._ids[position] for position in run], num_frames=frames).reset_index(drop=True)


def answer_columns(model: Any, target: Target, logits: Any) -> dict[str, Any]:
    """Return the columns of answers to logits `(n, num_outputs)`."""
    decisions = read_decision_rule(model, target)
    return decisions.columns(decisions.probabilities(logits))


def reason_of(error: Exception, name: str) -> str:
    """Return an error's reason for a file, without its name."""
    return str(error).removeprefix(f"{name}: ").removeprefix(f"'{name}': ")


def _listed_reason(error: Exception, name: str, path: str) -> str:
    """Return the reason for one file in an error that lists several."""
    listed = str(error).partition(f"\n  {name} ({path}): ")[2]
    return listed.partition("\n  ")[0] or "cannot be read"


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
