"""Predictions for the windows of long recordings, from file to answer in bounded memory."""

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.data.settings import WindowSettings
from seqconv.data.windows import left_frames
from seqconv.errors import AudioError, ConfigError, ManifestError
from seqconv.features import FeatureKind, open_features
from seqconv.features.store import BadFile
from seqconv.models.card import read_decision_rule
from seqconv.prediction.files import Tables, describe_bad, reason_of
from seqconv.prediction.forward import forward
from seqconv.sources import ArraySource
from seqconv.tasks.target import Target

Frames = npt.NDArray[np.float32]
_FRAMES_AT_ONCE = 200_000


def predict_windows(
    model: Any,
    target: Target,
    entries: pd.DataFrame,
    settings: FeatureKind,
    windows: WindowSettings,
    options: dict[str, Any],
) -> Tables:
    """Yield tables of the windows of files, cut as in training: columns `id`, `start`, `end`, then predictions.

    A file that cannot be read has no rows, or those before the place where it is damaged; a warning lists these.

    Args:
        entries: columns `id`, `path` and, for `.ts` files, `case`.
        options: of `forward`.

    Returns:
        the bad files, when the generator has ended.

    Raises:
        AudioError, ManifestError: there is a prediction for none of them.
    """
    bad = []
    cases = entries["case"] if "case" in entries else [None] * len(entries)
    for name, path, case in zip(entries["id"], entries["path"], cases, strict=True):
        try:
            pieces = open_features(path, settings, case=None if pd.isna(case) else int(case))
            yield from _predict_recording(model, target, name, pieces, settings, windows, options)
        except (AudioError, ManifestError) as error:
            if len(entries) == 1:
                raise
            bad.append(BadFile(name, path, reason_of(error, name)))
    if len(bad) == len(entries):
        raise AudioError(describe_bad(bad, len(entries)))
    if bad:
        warnings.warn(describe_bad(bad, len(entries)), stacklevel=2)
    return bad


def iterate_windows(pieces: Iterable[Frames], size: int, step: int) -> Iterator[tuple[int, Frames]]:
    """Yield start frame and frames of each window of a sequence that comes in pieces; those of `cut_frames`.

    >>> [(first, len(window)) for first, window in iterate_windows([np.zeros((7, 1)), np.zeros((4, 1))], 4, 4)]
    [(0, 4), (4, 4), (7, 4)]
    """
    held: Frames = np.zeros((0, 0), np.float32)
    base = first = last = 0
    for piece in pieces:
        held = np.concatenate([held, piece]) if len(held) else np.asarray(piece)
        while first + size <= base + len(held):
            yield first, held[first - base : first - base + size]
            last, first = first + size, first + step
        # The last window ends with the sequence, wherever that is.
        done = max(0, min(first - base, len(held) - size))
        held, base = held[done:], base + done
    count = base + len(held)
    if last < count - (left_frames(step) if last else 0):
        begin = max(count - size, 0)
        yield begin, held[begin - base :]


def _predict_recording(
    model: Any,
    target: Target,
    name: str,
    pieces: Iterable[Frames],
    settings: FeatureKind,
    windows: WindowSettings,
    options: dict[str, Any],
) -> Iterator[pd.DataFrame]:
    seconds_per_frame = settings.seconds_per_frame
    if seconds_per_frame is None:
        raise ConfigError(
            "the model was trained on windows of some seconds, but these features do not say how many a frame is. Set "
            "features.frame_rate to the frames in a second"
        )
    size, step = windows.in_frames(seconds_per_frame)
    firsts: list[int] = []
    arrays: list[Frames] = []
    for first, array in iterate_windows(pieces, size, step):
        firsts.append(first)
        arrays.append(array)
        if len(arrays) * size >= _FRAMES_AT_ONCE:
            yield _table(model, target, name, np.array(firsts) * seconds_per_frame, arrays, seconds_per_frame, options)
            firsts, arrays = [], []
    if arrays:
        yield _table(model, target, name, np.array(firsts) * seconds_per_frame, arrays, seconds_per_frame, options)


def _table(
    model: Any,
    target: Target,
    name: str,
    starts: npt.NDArray[np.float64],
    arrays: list[Frames],
    seconds_per_frame: float,
    options: dict[str, Any],
) -> pd.DataFrame:
    ids = [f"{name} at {start:.2f} s" for start in starts]
    decisions = read_decision_rule(model, target)
    predictions = decisions.probabilities(forward(model, ArraySource(arrays, ids), **options))
    ends = starts + np.array([len(array) for array in arrays]) * seconds_per_frame
    columns = {"id": name, "start": np.round(starts, 6), "end": np.round(ends, 6)}
    return pd.DataFrame({**columns, **decisions.columns(predictions)})
