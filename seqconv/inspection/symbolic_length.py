"""Lengths that are not known yet: how many frames leave a layer, as an expression in T."""

from dataclasses import dataclass


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
        return self._divided(span - 1 if padding == "valid" else 0, stride)

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

    def _divided(self, cut: int, divisor: int) -> "Length":
        if cut == 0 and divisor == 1:
            return self
        if self.factor == 1:
            # ceil((ceil(x / d) - c) / s) is ceil((x - c * d) / (d * s)).
            folded = self.cut - (self.extra - cut) * self.divisor
            return Length(self.base, folded, self.divisor * divisor)._as_number()
        if self.factor % divisor == 0:
            extra = -(-(self.extra - cut) // divisor)
            return Length(self.base, self.cut, self.divisor, self.factor // divisor, extra)._as_number()
        return Length(self, cut, divisor)._as_number()

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
