"""Predictions for the windows of long recordings, from file to answer in bounded memory."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.data.settings import WindowSettings
from seqconv.data.windows import left_frames
from seqconv.errors import AudioError, ConfigError, ManifestError
from seqconv.features import FeatureKind, open_features
from seqconv.features.cases import case_arguments
from seqconv.features.store import BadFile
from seqconv.prediction.files import Tables, answer_columns, reason_of, report_bad
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
        entries: columns `id`, `path` and, for files of several sequences, `case`.
        options: of `forward`.

    Returns:
        the bad files, when the generator has ended.

    Raises:
        AudioError, ManifestError: there is a prediction for none of them.
        ConfigError: the features do not say how long a frame is.
    """
    seconds = settings.seconds_per_frame
    if seconds is None:
        raise ConfigError(
            "the model was trained on windows of some seconds, but these features do not say how many a frame is. Set "
            "features.frame_rate to the frames in a second"
        )
    size, step = windows.in_frames(seconds)
    bad = []
    for row in entries.to_dict("records"):
        name, path = row["id"], row["path"]
        try:
            pieces = open_features(path, settings, **case_arguments(row))
            found = iterate_windows(pieces, size, step)
            while some := list(islice(found, -(-_FRAMES_AT_ONCE // size))):
                starts = np.array([first for first, _ in some]) * seconds
                ends = starts + np.array([len(window) for _, window in some]) * seconds
                source = ArraySource([window for _, window in some], [f"{name} at {start:.2f} s" for start in starts])
                columns = {"id": name, "start": np.round(starts, 6), "end": np.round(ends, 6)}
                outputs = forward(model, source, raw=True, **options)
                yield pd.DataFrame({**columns, **answer_columns(model, target, outputs)})
        except (AudioError, ManifestError) as error:
            if len(entries) == 1:
                raise
            bad.append(BadFile(name, path, reason_of(error, name)))
    report_bad(bad, len(entries))
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
