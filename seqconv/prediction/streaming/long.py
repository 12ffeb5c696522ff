"""Sequences that are long enough to run in chunks, and the predictions for them."""

import itertools
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError, ManifestError, SeqconvError, ShapeError, list_some
from seqconv.features import FeatureKind, FeaturePieces, RecordedKind, open_features, pieces_of
from seqconv.models.card import predicts_frames, read_decision_rule
from seqconv.prediction.streaming.chunks import chunk_shape
from seqconv.sources import Source
from seqconv.tasks.outputs import frame_columns
from seqconv.tasks.target import Target

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.models import SequenceModel
    from seqconv.prediction.streaming.whole import ChunkRunner

Array = npt.NDArray[Any]
Claims = npt.NDArray[np.bool_]


def find_long(
    model: "SequenceModel", lengths: npt.ArrayLike, chunk_frames: int | None = None, *, strategy: str = "auto"
) -> Claims:
    """Return which lengths run in chunks: those of more than `chunk_frames`.

    By itself (`chunk_frames` None) this is so only for strategy "auto" and where the model is `chunkable`.

    Raises:
        ConfigError: `chunk_frames` is asked for, and the model cannot be run over chunks or takes larger ones.
    """
    from seqconv.prediction.streaming.whole import check_chunkable, default_chunk_frames

    frames = np.asarray(lengths, np.int64)
    if chunk_frames is None:
        is_possible = strategy == "auto" and getattr(model, "chunkable", False)
        return frames > default_chunk_frames(model) if is_possible else np.zeros(len(frames), np.bool_)
    if not hasattr(model, "chunkable"):
        raise ConfigError(
            f"chunk_frames={chunk_frames}: '{model.name}' is a stock Keras model, which takes a sequence whole. Leave "
            "this out"
        )
    check_chunkable(model)
    chunk_shape(model.time_geometry, chunk_frames)
    return frames > chunk_frames


def forward_long(
    model: "SequenceModel", source: Source, indices: npt.ArrayLike, chunk_frames: int | None = None
) -> list[Array]:
    """Return logits of these sequences of a source, each in chunks: `(num_outputs,)`, or `(frames, num_outputs)`."""
    from seqconv.prediction.streaming.whole import ChunkRunner

    runner = ChunkRunner(model, chunk_frames)
    answers: list[Array] = []
    for index in np.asarray(indices).tolist():
        pieces = pieces_of(source[index])
        if model.predicts_frames:
            answers.append(np.concatenate(list(runner.frame_logits(pieces))))
        else:
            answers.append(runner.answer(pieces).logits)
    return answers


class LongRecordings:
    """The files to predict that are read and run in chunks, from file to answer in bounded memory.

    Args:
        model, target: what predicts, and what its outputs mean.
        entries: columns `id` and `path` (and `case`).
        settings: how features are computed.
        strategy, chunk_frames: as for `find_long`.
    """

    def __init__(
        self,
        model: "SequenceModel",
        target: Target,
        entries: "pd.DataFrame",
        settings: FeatureKind,
        strategy: str = "auto",
        chunk_frames: int | None = None,
    ) -> None:
        self._model, self._target, self._settings = model, target, settings
        self._chunk_frames = chunk_frames
        self._runner: ChunkRunner | None = None
        self._paths, self._ids = list(entries["path"]), list(entries["id"])
        # Nothing is opened for a length that would decide nothing.
        is_open = chunk_frames is not None or (strategy == "auto" and hasattr(model, "chunkable"))
        lengths = np.array([_count_frames(path, settings) if is_open else 0 for path in self._paths])
        self.is_long = find_long(model, lengths, chunk_frames, strategy=strategy)
        if strategy == "auto" and not getattr(model, "chunkable", True):
            _warn_of_whole_passes(model, lengths, self._ids)

    def runs(self) -> Iterator[list[int]]:
        """Yield positions in the table, in order: a long one by itself, those between long ones together."""
        for is_long, group in itertools.groupby(range(len(self._ids)), key=lambda i: bool(self.is_long[i])):
            positions = list(group)
            yield from ([position] for position in positions) if is_long else [positions]

    def predict(self, position: int) -> "Iterator[pd.DataFrame]":
        """Yield the table of one of them; for a model that predicts frames, a table for each chunk."""
        import pandas as pd

        decisions = read_decision_rule(self._model, self._target)
        pieces, name = open_features(self._paths[position], self._settings), self._ids[position]
        try:
            for columns, logits in self._answers(name, pieces):
                yield pd.DataFrame({**columns, **decisions.columns(decisions.probabilities(logits))})
        except (ManifestError, ShapeError) as error:
            raise type(error)(f"'{name}': {error}") from error

    def _answers(self, name: str, pieces: FeaturePieces) -> Iterator[tuple[dict[str, Any], Array]]:
        from seqconv.prediction.streaming.whole import ChunkRunner

        if self._runner is None:
            self._runner = ChunkRunner(self._model, self._chunk_frames)
        if not predicts_frames(self._model, self._target):
            answer = self._runner.answer(pieces)
            yield {"id": [name], "num_frames": np.array([answer.num_frames])}, answer.logits[None]
            return
        stride, count = self._model.total_stride, 0
        for logits in self._runner.frame_logits(pieces):
            columns = frame_columns([name], [len(logits)], stride, self._settings.seconds_per_frame, first=count)
            yield columns, logits
            count += len(logits)


def _count_frames(path: str, settings: FeatureKind) -> int:
    """Return frames as the header says; 0 if a file cannot be opened or has to be read whole anyway."""
    if not isinstance(settings, RecordedKind) and not path.lower().endswith(".npy"):
        return 0
    try:
        return open_features(path, settings).num_frames
    except SeqconvError:
        # Reading it reports the problem, together with those of all other files.
        return 0


def _warn_of_whole_passes(model: "SequenceModel", lengths: npt.NDArray[np.int64], ids: list[str]) -> None:
    from seqconv.prediction.streaming.whole import default_chunk_frames

    is_long = lengths > default_chunk_frames(model)
    if is_long.any():
        warnings.warn(
            f"{list_some(itertools.compress(ids, is_long))}: run whole, which takes memory that grows with the length "
            f"({lengths.max()} frames), since {list_some(model.unchunkable_layers)} need all of a sequence at once.",
            stacklevel=2,
        )
