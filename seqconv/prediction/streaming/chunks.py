"""Chunks of a long sequence: frames that a network reads to give some of its outputs exactly, in pure NumPy."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry, halo, total_stride
from seqconv.prediction.compiled import Array


class ChunkShape(NamedTuple):
    """The size of each window, in input frames: `left` and `right` are only read, `interior` gets answers.

    Windows begin at multiples of the total stride, so that a strided layer takes the same frames as in the whole.
    """

    left: int
    interior: int
    right: int
    stride: int

    @property
    def width(self) -> int:
        """Frames of a window."""
        return self.left + self.interior + self.right


class Window(NamedTuple):
    """One window on a sequence.

    Attributes:
        features: `(width, d)`; frames outside the sequence hold the fill.
        is_real: `(width,)`, False for frames outside the sequence.
        start: input frame of the sequence at which the interior begins.
    """

    features: Array
    is_real: npt.NDArray[np.bool_]
    start: int


def chunk_shape(geometry: TimeGeometry, chunk_frames: int) -> ChunkShape:
    """Return the window for an interior of `chunk_frames`, rounded down to a multiple of the total stride.

    Raises:
        ConfigError: `chunk_frames` is less than the total stride, from one output frame to the next.

    >>> from seqconv.geometry import TimeLayer
    >>> chunk_shape((TimeLayer(5), TimeLayer(3, stride=2), TimeLayer(3)), 100)
    ChunkShape(left=6, interior=100, right=6, stride=2)
    """
    stride = total_stride(geometry)
    if chunk_frames < stride:
        raise ConfigError(
            f"chunk_frames={chunk_frames} is less than the total stride of the model, {stride} frames: a chunk must "
            f"hold at least one output frame. Use {stride} or more"
        )
    left, right = (-(-frames // stride) * stride for frames in halo(geometry))
    return ChunkShape(left, chunk_frames // stride * stride, right, stride)


def cut_windows(pieces: Iterable[Array], shape: ChunkShape, *, fill: float = 0.0) -> Iterator[Window]:
    """Yield windows whose interiors follow each other over a sequence that comes in pieces of any size.

    Each is as wide as the others, also the last one: frames outside the sequence are marked.

    >>> shape = ChunkShape(left=1, interior=4, right=1, stride=1)
    >>> for window in cut_windows([np.arange(3.0)[:, None], np.arange(3.0, 6.0)[:, None]], shape):
    ...     print(window.start, window.features[:, 0], window.is_real.astype(int))
    0 [0. 0. 1. 2. 3. 4.] [0 1 1 1 1 1]
    4 [3. 4. 5. 0. 0. 0.] [1 1 1 0 0 0]
    """
    buffer, start = WindowBuffer(shape, fill), 0
    for piece in pieces:
        buffer.add(piece)
        while buffer.end >= start + shape.interior + shape.right:
            yield buffer.window(start)
            start += shape.interior
    while start < buffer.end:
        yield buffer.window(start)
        start += shape.interior


class WindowBuffer:
    """The frames of a sequence that windows to come need; `end` is the number of frames that were added."""

    def __init__(self, shape: ChunkShape, fill: float) -> None:
        self._shape, self._fill = shape, fill
        self._held: list[Array] = []
        self._first = self.end = 0

    def add(self, frames: Array) -> None:
        """Take the next frames of the sequence."""
        self._held.append(frames)
        self.end += len(frames)

    def window(self, start: int) -> Window:
        """Return the window that answers from frame `start` on, never less than for the window before."""
        begin = start - self._shape.left
        held = self._held[0] if len(self._held) == 1 else np.concatenate(self._held)
        held = held[max(begin - self._first, 0) :]
        self._held, self._first = [held], max(begin, self._first)
        offset, part = self._first - begin, held[: begin - self._first + self._shape.width]
        features = np.full((self._shape.width, held.shape[1]), self._fill, np.float32)
        features[offset : offset + len(part)] = part
        is_real = np.zeros(self._shape.width, np.bool_)
        is_real[offset : offset + len(part)] = True
        return Window(features, is_real, start)
