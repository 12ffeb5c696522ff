"""The answer for a sequence of any length, in the memory of a chunk."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError, ManifestError, ShapeError, list_some
from seqconv.features import pieces_of
from seqconv.layers.shares import Array, Mask
from seqconv.models import LayoutModel, SequenceModel
from seqconv.prediction.streaming.chunks import ChunkShape, chunk_shape
from seqconv.prediction.streaming.member_runner import MemberRunner
from seqconv.prediction.streaming.network import passes_of, passes_of_whole, values_per_frame
from seqconv.sources import Source

# Few enough that they stay in the caches of a processor.
_BUDGET_BYTES = 32 << 20
# Inputs, outputs and what a convolution unfolds are alive at once.
_COPIES = 6
# A halo is computed twice: at most a quarter more work.
_CHUNK_PER_HALO = 4


class Answer(NamedTuple):
    """Logits `(num_outputs,)` of one sequence, and how many frames it had."""

    logits: Array
    num_frames: int


class ChunkRunner:
    """A runner of a model over sequences of any length, in windows of one shape, compiled once.

    Each window holds a chunk and the frames around it that the receptive field needs; statistics of the poolings are
    merged in float64. Layers that look at the whole sequence (squeeze-and-excite, group and instance normalization, the
    context of attentive pooling) take a pass over the pieces each, and the answer takes the last one. Members of an
    average run one after the other.

    Args:
        model: a model that is `chunkable`.
        chunk_frames: input frames answered for at once; default: `default_chunk_frames` of each member. It changes time
            and memory, not the answer.
        fill: what frames of a window outside the sequence hold; no answer depends on it.

    Raises:
        ConfigError: a layer cannot be run over chunks, or a chunk would hold no output frame.

    >>> from seqconv.models import build_model
    >>> model = build_model({"blocks": [{"filters": 4, "padding": "causal"}]}, num_features=2, num_outputs=3)
    >>> pieces = [np.ones((100, 2)), np.ones((50, 2))]
    >>> answer = ChunkRunner(model, chunk_frames=64).answer(pieces)
    >>> answer.num_frames, np.allclose(answer.logits, model(np.ones((1, 150, 2)))[0], atol=1e-5)
    (150, True)
    """

    def __init__(self, model: LayoutModel, chunk_frames: int | None = None, *, fill: float = 0.0) -> None:
        check_chunkable(model)
        self.model = model
        self._runners = [
            MemberRunner(member, default_chunk_frames(member) if chunk_frames is None else chunk_frames, fill)
            for member in model.list_members()
        ]

    @property
    def shapes(self) -> tuple[ChunkShape, ...]:
        """The windows of each member."""
        return tuple(runner.shape for runner in self._runners)

    def answer(self, pieces: Iterable[Array]) -> Answer:
        """Return logits of one sequence, from consecutive arrays `(time, d)`.

        Raises:
            ConfigError: `pieces` come but once, and the model needs several passes.
            ManifestError: the sequence is too short for the model.
            ShapeError: frames have another number of features than the model.
        """
        checked = self._checked(pieces)
        logits = [runner.logits(checked) for runner in self._runners]
        return Answer(self.model.combine(logits), checked.num_frames)

    def frame_logits(self, pieces: Iterable[Array]) -> Iterator[Array]:
        """Yield logits `(n, num_outputs)` of consecutive output frames of a frame model, chunk by chunk.

        Raises:
            As `answer`.
        """
        checked = self._checked(pieces)
        for answers in _in_step([runner.frame_logits(checked) for runner in self._runners]):
            yield self.model.combine(answers)

    def _checked(self, pieces: Iterable[Array]) -> "CheckedPieces":
        passes = [part for member in self.model.list_members() for part in passes_of(member)]
        if len(passes) > 1 and isinstance(pieces, Iterator):
            whole = [name for names in passes_of_whole(self.model) for name in names]
            reason = f"{list_some(whole)} look at the whole sequence, which" if whole else "an average of models"
            raise ConfigError(
                f"{reason} takes {len(passes)} passes over its pieces, but an iterator gives them once. Pass a list, "
                "or what open_features returns"
            )
        return CheckedPieces(self.model, pieces)


def _in_step(streams: Sequence[Iterator[Array]]) -> Iterator[list[Array]]:
    """Yield arrays of one length, one of each stream, of streams whose arrays are of different lengths."""
    held: list[Array] = [next(stream) for stream in streams]
    while True:
        count = min(map(len, held))
        yield [rows[:count] for rows in held]
        held = [rows[count:] for rows in held]
        try:
            held = [rows if len(rows) else next(stream) for rows, stream in zip(held, streams, strict=True)]
        except StopIteration:
            return


def check_chunkable(model: LayoutModel) -> None:
    """Refuse a model that cannot be run over chunks.

    Raises:
        ConfigError: names the layers.
    """
    if not model.chunkable:
        raise ConfigError(
            f"the model cannot run over a sequence in chunks: {list_some(model.unchunkable_layers)} need all of it at "
            "once, recurrent layers because their state runs through it, attention because every frame looks at every "
            "other. Pass the sequence whole"
        )


def default_chunk_frames(model: LayoutModel) -> int:
    """Return the input frames of a chunk that keep the activations near 32 MB, and the halo small.

    Of several members, those of the one with the longest chunks: shorter sequences need no chunks in one of them.
    """

    def of(member: SequenceModel) -> int:
        left, right = member.halo
        stride = member.total_stride
        affordable = int(_BUDGET_BYTES / (4 * _COPIES * values_per_frame(member)))
        return max(affordable, _CHUNK_PER_HALO * (left + right), stride) // stride * stride

    return max(map(of, model.list_members()))


def find_long(model: Any, lengths: npt.ArrayLike, chunk_frames: int | None, strategy: str) -> Mask:
    """Return which lengths run in chunks: those of more than `chunk_frames`.

    By itself (`chunk_frames` None) this is so only for strategy "auto" and where the model is `chunkable`.

    Raises:
        ConfigError: `chunk_frames` is asked for, and the model cannot be run over chunks or takes larger ones.
    """
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
    for member in model.list_members():
        chunk_shape(member.time_geometry, chunk_frames)
    return frames > chunk_frames


def forward_long(model: LayoutModel, source: Source, chunk_frames: int | None) -> list[Array]:
    """Return logits of the sequences of a source, each in chunks: `(num_outputs,)`, or `(frames, num_outputs)`."""
    runner = ChunkRunner(model, chunk_frames)
    sequences = (pieces_of(source[index]) for index in range(len(source.lengths)))
    if model.predicts_frames:
        return [np.concatenate(list(runner.frame_logits(pieces))) for pieces in sequences]
    return [runner.answer(pieces).logits for pieces in sequences]


class CheckedPieces:
    """Pieces that fit the model, and how many frames there were when the last pass ended."""

    def __init__(self, model: LayoutModel, pieces: Iterable[Array]) -> None:
        self.model, self.pieces = model, pieces
        self.num_frames = 0

    def __iter__(self) -> Iterator[Array]:
        num_frames, expected = 0, self.model.num_features
        for piece in self.pieces:
            if piece.ndim != 2 or piece.shape[1] != expected:
                raise ShapeError(
                    f"a piece of the sequence has shape {piece.shape}, but the model takes (time, {expected})."
                )
            num_frames += len(piece)
            yield piece
        self.num_frames = num_frames
        if num_frames < self.model.min_frames:
            raise ManifestError(
                f"the sequence has {num_frames} frames, but the model needs at least {self.model.min_frames}; leave it "
                "out, or use a model with padding 'same'."
            )
