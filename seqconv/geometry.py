"""Frame arithmetic: the effect of a stack of layers on time, in pure integers.

A `TimeLayer` says how one layer reads time; a model's `time_geometry` is the tuple of them, in order.
Receptive field, gap between packed sequences, smallest input and output length all follow from it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple


class TimeLayer(NamedTuple):
    """One layer that reads several frames.

    Output frame `p` reads input frames `p * stride + k * dilation - left` for `k = 0 .. kernel_size - 1`.
    """

    kernel_size: int
    stride: int = 1
    dilation: int = 1
    padding: str = "same"

    @property
    def span(self) -> int:
        """Frames from the first tap to the last, inclusive (the effective kernel size)."""
        return (self.kernel_size - 1) * self.dilation + 1

    @property
    def left(self) -> int:
        """Zero frames put before the sequence: constant, for any length (phase-fixed)."""
        if self.padding == "valid":
            return 0
        return self.span - 1 if self.padding == "causal" else (self.span - 1) // 2

    @property
    def right(self) -> int:
        """Zero frames put after the sequence."""
        return 0 if self.padding == "valid" else self.span - 1 - self.left

    @property
    def reach(self) -> int:
        """Frames beyond its own sequence that an output may read; a `valid` layer reads none."""
        return max(self.left, self.right)


TimeGeometry = tuple[TimeLayer, ...]


def conv_output_length(num_frames: int, layer: TimeLayer) -> int:
    """Return the frames that a layer returns for a sequence of `num_frames`; 0 if a `valid` kernel does not fit.

    >>> conv_output_length(10, TimeLayer(kernel_size=3, stride=4))
    3
    >>> conv_output_length(10, TimeLayer(kernel_size=3, padding="valid"))
    8
    """
    if layer.padding == "valid":
        return max(0, (num_frames - layer.span) // layer.stride + 1)
    return -(-num_frames // layer.stride)


def output_length(num_frames: int, geometry: Sequence[TimeLayer]) -> int:
    """Return the frames that come out of the whole stack.

    >>> output_length(10, [TimeLayer(3, stride=2), TimeLayer(3, stride=2)])
    3
    """
    for layer in geometry:
        num_frames = conv_output_length(num_frames, layer)
    return num_frames


def total_stride(geometry: Sequence[TimeLayer]) -> int:
    """Return the input frames from one output frame to the next.

    >>> total_stride([TimeLayer(5, stride=2), TimeLayer(3, stride=3)])
    6
    """
    return math.prod(layer.stride for layer in geometry)


def receptive_field(geometry: Sequence[TimeLayer]) -> int:
    """Return the input frames that one output frame can see.

    >>> receptive_field([TimeLayer(5), TimeLayer(3, stride=2), TimeLayer(3)])
    11
    """
    return sum(halo(geometry)) + 1


def min_frames(geometry: Sequence[TimeLayer]) -> int:
    """Return the length of the shortest sequence that gives one output frame.

    >>> min_frames([TimeLayer(5, padding="valid"), TimeLayer(3, stride=2, padding="valid")])
    7
    >>> min_frames([TimeLayer(5)])
    1
    """
    needed = 1
    for layer in reversed(geometry):
        needed = (needed - 1) * layer.stride + (layer.span if layer.padding == "valid" else 1)
    return needed


def halo(geometry: Sequence[TimeLayer]) -> tuple[int, int]:
    """Return the input frames that an output frame reads before and after the one at its own time.

    Output `p` stands for input frame `p * total_stride`; both sides together and that frame are the receptive field.

    >>> halo([TimeLayer(5), TimeLayer(3, stride=2), TimeLayer(3, padding="causal")])
    (7, 3)
    """
    left, right, stride = 0, 0, 1
    for layer in geometry:
        left += layer.left * stride
        right += (layer.span - 1 - layer.left) * stride
        stride *= layer.stride
    return left, right


def widest(branches: Sequence[Sequence[TimeLayer]]) -> TimeGeometry:
    """Return the branch that reads farthest to both sides: the others need no separate arithmetic.

    Raises ValueError where no branch reaches as far as all others on both sides, or their strides differ.

    >>> [layer.kernel_size for layer in widest([[TimeLayer(9)], [TimeLayer(1), TimeLayer(39)], [TimeLayer(3)]])]
    [1, 39]
    """
    if len({total_stride(branch) for branch in branches}) > 1:
        raise ValueError(f"branches of strides {[total_stride(branch) for branch in branches]} cannot be joined")
    best = max(branches, key=lambda branch: sum(halo(branch)))
    reach = max((layer.reach for layer in best), default=0)
    for branch in branches:
        is_within = all(ours <= theirs for ours, theirs in zip(halo(branch), halo(best), strict=True))
        if not is_within or any(layer.reach > reach for layer in branch):
            raise ValueError(f"no branch reads farthest to both sides: {[halo(branch) for branch in branches]}")
    return tuple(best)


def jointly(geometries: Sequence[Sequence[TimeLayer]]) -> TimeGeometry:
    """Return one way to read time whose gaps, starts and strides do for each of several networks.

    It is none of theirs: receptive field, halo and least length are to be asked of each of them.

    >>> one, two = (TimeLayer(5, stride=2), TimeLayer(3)), (TimeLayer(3, stride=3),)
    >>> [next_start(20, geometry) for geometry in (one, two, jointly([one, two]))]
    [22, 21, 24]
    """
    if len(different := {tuple(geometry) for geometry in geometries}) == 1:
        return different.pop()
    gap, stride = 0, 1
    for geometry in geometries:
        gap = max(gap, next_start(0, geometry))
        stride = math.lcm(stride, total_stride(geometry))
    return TimeLayer(2 * gap + 1), TimeLayer(1, stride)


def next_start(end: int, geometry: Sequence[TimeLayer]) -> int:
    """Return the first frame at which the next sequence of a packed row may start when the last one ended before `end`.

    Every layer sets the frames between sequences to zero, so each needs only its own reach of empty frames, counted in
    its own frames; starts are multiples of the total stride, so that strides keep their phase.

    >>> next_start(20, [TimeLayer(5), TimeLayer(5)])
    22
    >>> next_start(20, [TimeLayer(5, stride=2), TimeLayer(5)])
    24
    """
    start, stride = end, 1
    for layer in geometry:
        start = max(start, (-(-end // stride) + layer.reach) * stride)
        stride *= layer.stride
    return -(-start // stride) * stride
