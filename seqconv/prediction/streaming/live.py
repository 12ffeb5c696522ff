"""Running predictions of recordings and of sound that is just being recorded."""

from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.errors import ConfigError
from seqconv.features import FeatureKind, RecordedKind, iterate_features, open_features
from seqconv.models import SequenceModel
from seqconv.models.card import predicts_frames, read_decision_rule
from seqconv.prediction.files import joined_columns
from seqconv.prediction.streaming.running import running_answers, streaming_delay
from seqconv.tasks.outputs import frame_columns
from seqconv.tasks.target import Target

Samples = npt.NDArray[np.float32]

# Sound that is being recorded is looked at ten times a second.
_PIECES_PER_SECOND = 10


class LivePredictions:
    """A model's predictions for recordings every few seconds while they come in.

    Args:
        model: made by seqconv; without layers that look at the whole sequence.
        target: what its outputs mean.
        settings: how features are computed.
        every: seconds from one answer to the next.

    Attributes:
        delay_frames: frames after a frame that the model waits for; 0 of a causal model.
        delay: the same in seconds.
        feature_delay: seconds until the window of a frame, which reaches beyond its time, has been received.

    Raises:
        ConfigError: a layer, or the features, need the whole recording; the features have no clock; or `every` is less
            than a frame.

    >>> from seqconv.models import build_model
    >>> from seqconv.tasks.target import fit_target
    >>> model = build_model({"blocks": [{"filters": 4, "padding": "causal"}]}, num_features=64, num_outputs=2)
    >>> target = fit_target("classification", ["noise", "speech"])
    >>> live = LivePredictions(model, target, FeatureKind(), every=0.5)
    >>> live.delay_frames, live.delay, live.feature_delay
    (0, 0.0, 0.016)
    >>> blocks = (np.zeros(1600, np.float32) for _ in range(13))
    >>> [table["time"].item() for table in live.listen(blocks, "silence")]
    [0.5, 1.0, 1.31]
    """

    def __init__(self, model: SequenceModel, target: Target, settings: FeatureKind, every: float) -> None:
        seconds = settings.seconds_per_frame
        if seconds is None:
            raise ConfigError(
                "an answer every few seconds needs frames that have a time, and these features are precomputed without "
                "one. Train with features.frame_rate, their frames a second"
            )
        if settings.normalize == "recording":
            raise ConfigError(
                "the model takes features of features.normalize 'recording', whose mean is known only at the end of "
                "the recording: nothing can be said before. Predict it whole, or train with normalize 'train'"
            )
        self.delay_frames = streaming_delay(model)
        if not every >= seconds:
            raise ConfigError(f"an answer every {every:g} s cannot be: a frame takes {seconds:g} s")
        self._model, self._target, self._settings = model, target, settings
        self._is_by_frame = predicts_frames(model, target)
        self._seconds, self._every_frames = seconds, every / seconds
        self.delay = round(self.delay_frames * seconds, 6)
        self.feature_delay = settings.delay

    def play(
        self, path: str | Path, name: str | None = None, *, case: int | None = None, form: str = ""
    ) -> Iterator[pd.DataFrame]:
        """Yield a table for each answer on a recording: its row is the answer at `time`; for frames, the new ones.

        The last one is the answer to the whole recording. Columns: id, time (seconds received; of a frame, its own),
        then as in `predict`.
        """
        piece_frames = max(int(self._every_frames), 1)
        pieces = open_features(path, self._settings, case=case, form=form, piece_frames=piece_frames)
        yield from self._tables(pieces, str(path) if name is None else name)

    def listen(self, blocks: Iterable[Samples], name: str) -> Iterator[pd.DataFrame]:
        """Yield the same for samples `(n,)` that come block by block, at the sample rate of the features."""
        if not isinstance(self._settings, RecordedKind):
            raise ConfigError(f"features.kind '{self._settings.kind}' is not computed from samples. Play its files")
        rate = self._settings.sample_rate
        piece_frames = max(int(min(self._every_frames, 1 / self._seconds / _PIECES_PER_SECOND)), 1)
        yield from self._tables(iterate_features(blocks, rate, self._settings, piece_frames=piece_frames), name)

    def _tables(self, pieces: Iterable[Samples], name: str) -> Iterator[pd.DataFrame]:
        decisions, stride = read_decision_rule(self._model, self._target), self._model.total_stride
        task, reached = self._target.definition, None
        joiner = task.start_joining(self._target) if task.joins_frames else None
        for answer in running_answers(self._model, pieces, self._every_frames):
            logits = answer.logits if self._model.predicts_frames else answer.logits[None]
            if joiner is not None:
                joiner.feed(logits)
                received = {"id": [name], "time": [round(answer.num_frames * self._seconds, 6)]}
                so_far = joined_columns(self._model, self._target, joiner.decided(), self._seconds)
                yield pd.DataFrame({**received, **so_far}).round(6)
                continue
            before, reached = reached, (answer.num_frames, answer.num_outputs)
            if before == reached or not len(logits):
                continue
            if self._is_by_frame:
                first = answer.num_outputs - len(logits)
                columns = frame_columns([name], [len(logits)], stride, self._seconds, first=first)
            else:
                columns = {"id": [name], "time": [round(answer.num_frames * self._seconds, 6)]}
            answers = decisions.columns(decisions.probabilities(logits))
            # Rounded to be read while it scrolls by.
            yield pd.DataFrame({**columns, **answers}).round(6)


def read_raw_samples(file: BufferedIOBase, sample_rate: int) -> Iterator[Samples]:
    """Yield samples of one channel from a stream of 16-bit little-endian integers, as soon as they come.

    >>> import io
    >>> [block.tolist() for block in read_raw_samples(io.BytesIO(b"\\x00\\x40\\x00\\x80"), 16000)]
    [[0.5, -1.0]]
    """
    wanted = max(sample_rate // _PIECES_PER_SECOND, 1) * 2
    rest = b""
    # What is there, not a full buffer, which would come late.
    while data := file.read1(wanted):
        data = rest + data
        whole = len(data) // 2 * 2
        rest = data[whole:]
        if whole:
            yield np.frombuffer(data[:whole], "<i2").astype(np.float32) / np.float32(32768)
