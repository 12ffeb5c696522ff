"""Predictions for files: each readable file gets one, even if others are damaged."""

import tempfile
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.errors import AudioError, ManifestError
from seqconv.features import FeatureKind
from seqconv.features.store import BadFile, FeatureStore, build_store
from seqconv.models.card import predicts_frames, read_decision_rule, seconds_per_frame
from seqconv.prediction.forward import forward
from seqconv.prediction.streaming.long import LongRecordings
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
        yield pd.DataFrame({**columns, **_answers(model, target, forward(model, source, **options))})
        return
    stride, seconds, starts = model.total_stride, seconds_per_frame(model, source), recording_starts(source)
    table_of = np.cumsum(-(-np.asarray(source.lengths, np.int64) // stride)) // _FRAMES_PER_TABLE
    for number in np.unique(table_of):
        chosen = np.flatnonzero(table_of == number)
        part, start = Selection(source, chosen), None if starts is None else starts[chosen]
        frames = forward(model, part, **options)
        columns = frame_columns(part.ids, [len(logits) for logits in frames], stride, seconds, start)
        yield pd.DataFrame({**columns, **_answers(model, target, np.concatenate(frames))})


def predict_files(
    model: Any, target: Target, entries: pd.DataFrame, settings: FeatureKind, options: dict[str, Any]
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
    recordings = LongRecordings(model, target, entries, settings, options["strategy"], options["chunk_frames"])
    ids = list(entries["id"])
    blank = _Blank(model, target, ids)
    with tempfile.TemporaryDirectory(prefix="seqconv-") as folder:
        store, bad = _read_short(model, entries, recordings.is_long, settings, Path(folder) / "store")
        places = {name: place for place, name in enumerate(store.ids)} if store is not None else {}
        for run in recordings.runs():
            good = [position for position in run if position not in bad]
            tables: Iterator[pd.DataFrame] = iter(())
            if recordings.is_long[run[0]]:
                tables = recordings.predict(run[0])
            elif store is not None and good:
                chosen = np.array([places[ids[position]] for position in good])
                tables = predict_source(model, target, Selection(store, chosen), options)
            try:
                for table in tables:
                    yield from blank.fill(table, run, good)
            except (AudioError, ManifestError) as error:
                if not recordings.is_long[run[0]] or len(ids) == 1:
                    raise
                bad[run[0]] = BadFile(ids[run[0]], entries["path"].iloc[run[0]], reason_of(error, ids[run[0]]))
                good = []
            if not good:
                blank.hold(run)
    listed = [bad[position] for position in sorted(bad)]
    if len(bad) == len(ids):
        raise AudioError(describe_bad(listed, len(ids)))
    yield from blank.release()
    if bad:
        warnings.warn(describe_bad(listed, len(ids)), stacklevel=2)
    return listed


def _read_short(
    model: Any, entries: pd.DataFrame, is_long: npt.NDArray[np.bool_], settings: FeatureKind, path: Path
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


def _answers(model: Any, target: Target, logits: Any) -> dict[str, Any]:
    decisions = read_decision_rule(model, target)
    return decisions.columns(decisions.probabilities(logits))


def reason_of(error: Exception, name: str) -> str:
    """Return an error's reason for a file, without its name."""
    return str(error).removeprefix(f"{name}: ").removeprefix(f"'{name}': ")


def _listed_reason(error: Exception, name: str, path: str) -> str:
    """Return the reason for one file in an error that lists several."""
    listed = str(error).partition(f"\n  {name} ({path}): ")[2]
    return listed.partition("\n  ")[0] or "cannot be read"


def describe_bad(bad: Sequence[BadFile], count: int) -> str:
    """Describe the files without a prediction, a line each."""
    lines = [f"  {file.id}: {file.reason}" for file in bad]
    return "\n".join([f"{len(bad)} of {count} files have no prediction, or not all of it:", *lines])
