"""The effect of a layer on an axis: output length, stride so far, and the input that one position has seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from seqconv.geometry import TimeLayer
from seqconv.inspection.symbolic_length import Length

WHOLE = "whole"
UNKNOWN = "unknown"


class Window(TimeLayer):
    """The window of a layer on one axis."""

    is_transposed = False


class TransposedWindow(Window):
    """The window of a layer that spreads each input value over several outputs."""

    is_transposed = True


@dataclass(frozen=True)
class Axis:
    """One axis of a tensor.

    Position `p` stands for input position `p * stride`, and has seen those from `left` before it to `right` after it,
    or what `sees` says: "whole" is everything along the axis, "unknown" is what nobody knows.
    """

    length: Length
    stride: Fraction = Fraction(1)
    left: Fraction = Fraction(0)
    right: Fraction = Fraction(0)
    sees: str = "field"
    # The layers on the way, for the arithmetic of enlarged axes.
    path: tuple[Window, ...] = ()

    @property
    def field(self) -> int | None:
        """Input positions that one position has seen; None if that is not a number."""
        if self.sees != "field":
            return None
        if not any(window.is_transposed for window in self.path):
            return int(self.left + self.right) + 1
        needed = 1
        for window in reversed(self.path):
            if window.is_transposed:
                # Between neighbors that an input value is spread over, others begin.
                needed = (needed + window.span - 2) // window.stride + 1
            else:
                needed = (needed - 1) * window.stride + window.span
        return needed

    def through(self, window: Window, length: int | None = None) -> "Axis":
        """Return the axis after a layer that reads it; `length` is the output length, if known."""
        if window.is_transposed:
            return self._enlarged(window, length)
        fixed = None if length is None else Length(length)
        return replace(
            self,
            length=fixed or self.length.windows(window.span, window.stride, window.padding),
            stride=self.stride * window.stride,
            left=self.left + window.left * self.stride,
            right=self.right + (window.span - 1 - window.left) * self.stride,
            path=(*self.path, window),
        )

    def cut(self, first: int, last: int) -> "Axis":
        """Return the axis after a layer that cuts positions off both ends, or adds zeros if the numbers are
        negative."""
        is_free = self.length.is_free
        return replace(
            self,
            length=self.length.scaled(1, -first - last) if is_free else Length(self.length.at(0) - first - last),
            left=self.left - first * self.stride,
            right=self.right + first * self.stride,
        )

    def seeing(self, what: str) -> "Axis":
        """Return the same axis, each position of which has seen the whole of it, or an unknown part."""
        return self if self.sees == UNKNOWN else replace(self, sees=what)

    def _enlarged(self, window: Window, length: int | None) -> "Axis":
        extra = max(window.span - window.stride, 0) if window.padding == "valid" else 0
        stride = self.stride / window.stride
        return replace(
            self,
            length=self.length.scaled(window.stride, extra) if length is None else Length(length),
            stride=stride,
            left=self.left + (window.span - 1) * stride,
            path=(*self.path, window),
        )


def merge_axes(branches: Sequence[tuple[Axis, ...]]) -> tuple[Axis, ...]:
    """Merge axes of a sum, or of channels side by side; a branch without axes is one value for all positions."""
    widest = max(branches, key=len)
    merged = []
    for number, axis in enumerate(widest):
        parts = [branch[number] for branch in branches if len(branch) == len(widest)]
        longest = next((part.length for part in parts if str(part.length) != "1"), axis.length)
        strides = {part.stride for part in parts if str(part.length) != "1" or len(parts) == 1}
        joined = replace(
            axis,
            length=longest,
            stride=max(strides, default=axis.stride),
            left=max(part.left for part in parts),
            right=max(part.right for part in parts),
            path=max((part.path for part in parts), key=lambda path: replace(axis, path=path, sees="field").field or 0),
        )
        seen = {part.sees for part in parts} | ({UNKNOWN} if len(strides) > 1 else set())
        # What has lost its axis was summed over it.
        seen |= {WHOLE} if any(len(branch) < len(widest) for branch in branches) else set()
        merged.append(joined.seeing(next((what for what in (UNKNOWN, WHOLE) if what in seen), "field")))
    return tuple(merged)
