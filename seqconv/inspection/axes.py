"""The effect of a layer on an axis: output length in terms of T, stride so far, and the input that a position sees."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from seqconv.geometry import TimeLayer

WHOLE = "whole"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Length:
    """`factor * ceil((base - cut) / divisor) + extra`; `base` is a name, a number, or another length.

    >>> frames = Length("T")
    >>> print(frames.windows(span=1, stride=2), frames.windows(5, 1, "valid"), frames.windows(2, 2, "valid"))
    ceil(T/2) T - 4 floor(T/2)
    >>> frames.windows(3, 2).windows(3, 2).at(10)
    3
    """

    base: "str | int | Length"
    cut: int = 0
    divisor: int = 1
    factor: int = 1
    extra: int = 0

    def windows(self, span: int, stride: int = 1, padding: str = "same") -> "Length":
        """Return how many windows of `span` frames, each `stride` frames after the last one, fit into this length."""
        cut = span - 1 if padding == "valid" else 0
        if cut == 0 and stride == 1:
            return self
        if self.factor == 1:
            # ceil((ceil(x / d) - c) / s) is ceil((x - c * d) / (d * s)).
            folded = self.cut - (self.extra - cut) * self.divisor
            return Length(self.base, folded, self.divisor * stride)._as_number()
        if self.factor % stride == 0:
            extra = -(-(self.extra - cut) // stride)
            return Length(self.base, self.cut, self.divisor, self.factor // stride, extra)._as_number()
        return Length(self, cut, stride)._as_number()

    def scaled(self, factor: int, extra: int = 0) -> "Length":
        """Return this length times a factor, and some frames more."""
        return Length(self.base, self.cut, self.divisor, self.factor * factor, self.extra * factor + extra)._as_number()

    def at(self, num_frames: int) -> int:
        """Return the number of frames if T is `num_frames`; 0 if nothing fits."""
        if isinstance(self.base, Length):
            base = self.base.at(num_frames)
        else:
            base = num_frames if isinstance(self.base, str) else self.base
        return max(0, self.factor * -(-(base - self.cut) // self.divisor) + self.extra)

    @property
    def is_free(self) -> bool:
        """Whether it depends on T."""
        return self.base.is_free if isinstance(self.base, Length) else isinstance(self.base, str)

    def _as_number(self) -> "Length":
        return self if self.is_free else Length(self.at(0))

    def __str__(self) -> str:
        inner = f"({self.base})" if isinstance(self.base, Length) and " " in str(self.base) else str(self.base)
        if self.divisor == 1:
            text = _plus(inner, -self.cut)
        elif self.cut == self.divisor - 1:
            text = f"floor({inner}/{self.divisor})"
        else:
            shifted = _plus(inner, -self.cut)
            text = f"ceil({f'({shifted})' if ' ' in shifted else shifted}/{self.divisor})"
        if self.factor != 1:
            text = f"{self.factor} x ({text})" if " " in text and self.divisor == 1 else f"{self.factor} x {text}"
        return _plus(text, self.extra)


def _plus(text: str, number: int) -> str:
    if not number:
        return text
    return f"{text} {'+' if number > 0 else '-'} {abs(number)}"


class Window(TimeLayer):
    """The window of a layer on one axis."""

    is_transposed = False


class TransposedWindow(Window):
    """The window of a layer that spreads each input value over several outputs."""

    is_transposed = True


@dataclass(frozen=True)
class Axis:
    """One axis of a tensor. Two are equal if a position has seen the same.

    Position `p` stands for input position `p * stride`, and has seen those from `left` before it to `right` after it,
    or what `sees` says: "whole" is everything along the axis, "unknown" means that it is not known.
    """

    length: Length = field(compare=False)
    stride: Fraction = Fraction(1)
    left: Fraction = Fraction(0)
    right: Fraction = Fraction(0)
    sees: str = "field"
    # The layers on the way, for the arithmetic of enlarged axes.
    path: tuple[Window, ...] = field(default=(), compare=False)

    @property
    def num_seen(self) -> int | None:
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
            path=max(
                (part.path for part in parts), key=lambda path: replace(axis, path=path, sees="field").num_seen or 0
            ),
        )
        seen = {part.sees for part in parts} | ({UNKNOWN} if len(strides) > 1 else set())
        # What has lost its axis was summed over it.
        seen |= {WHOLE} if any(len(branch) < len(widest) for branch in branches) else set()
        merged.append(joined.seeing(next((what for what in (UNKNOWN, WHOLE) if what in seen), "field")))
    return tuple(merged)
