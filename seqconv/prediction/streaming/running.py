"""Running answers: predictions for a recording while it comes in."""

import math
from collections.abc import Iterable, Iterator
from itertools import tee
from typing import NamedTuple

import numpy as np

from seqconv.errors import ConfigError, list_some
from seqconv.geometry import output_length
from seqconv.models import LayoutModel, SequenceModel
from seqconv.prediction.compiled import Array
from seqconv.prediction.streaming.chunks import WindowBuffer, chunk_shape
from seqconv.prediction.streaming.network import Summaries, WindowNetwork, logits_of, merge_summaries, passes_of_whole
from seqconv.prediction.streaming.whole import CheckedPieces, check_chunkable


class RunningAnswer(NamedTuple):
    """The answer of a model when `num_frames` frames have come.

    Attributes:
        num_frames: input frames received.
        num_outputs: output frames whose receptive field has been received; of `frame_logits`, the last stands for input
            frame `(num_outputs - 1) * total_stride`.
        logits: `(num_outputs_of_the_model,)` over all output frames so far; of a model that predicts frames,
            `(n, num_outputs_of_the_model)` for the n that are new.
        is_final: whether the sequence has ended: the logits are those of the whole.
    """

    num_frames: int
    num_outputs: int
    logits: Array
    is_final: bool


def streaming_delay(model: LayoutModel) -> int:
    """Return the input frames that must come after a frame before its output is known; 0 for a causal model.

    Raises:
        ConfigError: a layer looks at the whole sequence, so that nothing is known before its end; names the layers.

    >>> from seqconv.models import build_model
    >>> blocks = [{"filters": 4, "kernel_size": 5}, {"filters": 4, "kernel_size": 3, "strides": 2}]
    >>> streaming_delay(build_model({"blocks": blocks}, num_features=2, num_outputs=2))
    3
    >>> blocks = [{"filters": 4, "kernel_size": 5, "padding": "causal"}]
    >>> streaming_delay(build_model({"blocks": blocks}, num_features=2, num_outputs=2))
    0
    """
    check_chunkable(model)
    whole = [name for names in passes_of_whole(model) for name in names]
    if whole:
        raise ConfigError(
            f"the model cannot answer while a recording comes in: {list_some(whole)} look at statistics of the whole "
            "sequence, which are known at its end. Predict without --stream; it runs in chunks, in several passes"
        )
    return int(model.halo[1])


def running_answers(
    model: LayoutModel, pieces: Iterable[Array], every: float, *, fill: float = 0.0
) -> Iterator[RunningAnswer]:
    """Yield an answer whenever another `every` frames have come, and one at the end.

    The answer at n frames is over the output frames whose receptive field is within the first n: for a causal model,
    the answer to these n frames alone; for another one, that of `streaming_delay` frames earlier. The last answer is
    that to the whole sequence. Before the first output frame is known there is no answer. Memory does not grow.

    Args:
        model: without layers that look at the whole sequence.
        pieces: consecutive arrays `(time, d)`, of any sizes; an iterator will do.
        every: input frames from one answer to the next, 1 or more; the k-th comes at `ceil(k * every)` frames.
        fill: what frames outside the sequence hold.

    Raises:
        ConfigError: as `streaming_delay`, or `every` is less than a frame.
        ManifestError: the sequence is too short for the model.
        ShapeError: frames have another number of features than the model.

    >>> from seqconv.models import build_model
    >>> model = build_model({"blocks": [{"filters": 4, "padding": "causal"}]}, num_features=2, num_outputs=3)
    >>> [answer.num_frames for answer in running_answers(model, [np.ones((100, 2))], every=40)]
    [40, 80, 100]
    """
    delay = streaming_delay(model)
    if not every >= 1:
        raise ConfigError(f"an answer every {every:g} frames cannot be: every must be at least 1 frame")
    # Read in step, so that hardly anything is kept back for the others.
    copies = tee(CheckedPieces(model, pieces), len(model.list_members()))
    running = [_RunningAnswers(member, every, delay, fill) for member in model.list_members()]
    answers = [each.run(copy) for each, copy in zip(running, copies, strict=True)]
    return (_combined(model, found) for found in zip(*answers, strict=True))


def _combined(model: LayoutModel, answers: tuple[RunningAnswer, ...]) -> RunningAnswer:
    """Return one answer of those of all members, which have received the same."""
    return answers[0]._replace(logits=model.combine([answer.logits for answer in answers]))


class _RunningAnswers:
    """The frames that later outputs of a member need, and the statistics of the outputs so far.

    `delay`: input frames that come after a frame before its output is known, in whichever member.
    """

    def __init__(self, model: SequenceModel, every: float, delay: int, fill: float) -> None:
        stride = model.total_stride
        self.model, self.every, self.delay = model, every, delay
        self.shape = chunk_shape(model.time_geometry, -(-math.ceil(every) // stride) * stride)
        self.network = WindowNetwork(model, self.shape)
        self.summaries: Summaries = {}
        self.num_outputs = 0
        self.buffer = WindowBuffer(self.shape, fill)

    def run(self, pieces: Iterable[Array]) -> Iterator[RunningAnswer]:
        num_frames, ticks = 0, 0
        for piece in pieces:
            while num_frames + len(piece) >= (tick := math.ceil((ticks + 1) * self.every)):
                added, piece = np.split(piece, [tick - num_frames])
                self.buffer.add(added)
                num_frames, ticks = tick, ticks + 1
                yield from self._answer(num_frames, is_final=False)
            self.buffer.add(piece)
            num_frames += len(piece)
        yield from self._answer(num_frames, is_final=True)

    def _answer(self, num_frames: int, *, is_final: bool) -> Iterator[RunningAnswer]:
        if is_final:
            known = output_length(num_frames, self.model.time_geometry)
        else:
            known = (num_frames - 1 - self.delay) // self.shape.stride + 1
        most, rows = self.shape.interior // self.shape.stride, [np.zeros((0, self.model.num_outputs), np.float32)]
        while self.num_outputs < known:
            count = min(known - self.num_outputs, most)
            window = self.buffer.window(self.num_outputs * self.shape.stride)
            is_counted = np.arange(most) < count
            if self.model.predicts_frames:
                rows.append(self.network.frames(window, is_counted, {})[:count])
            else:
                found = self.network.summarize(window, is_counted, {})
                self.summaries = merge_summaries(self.model, self.summaries, found)
            self.num_outputs += count
        if self.model.predicts_frames:
            yield RunningAnswer(num_frames, self.num_outputs, np.concatenate(rows), is_final)
        elif self.summaries:
            yield RunningAnswer(num_frames, self.num_outputs, logits_of(self.model, self.summaries), is_final)
