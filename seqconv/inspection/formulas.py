"""One output value of a convolution as a formula."""

from typing import Any

from seqconv.inspection.arithmetic import Check, input_channels
from seqconv.inspection.axes import Window
from seqconv.inspection.effects import TRANSPOSED, kind_of, windows_of
from seqconv.inspection.kernels import kernels


class Formula:
    """A convolution, and the sum that one of its output values is."""

    def __init__(self, layer: Any, check: Check) -> None:
        self.layer, self.check = layer, check
        self.kind, self.windows = kind_of(layer), windows_of(layer)
        self.kernels = kernels(layer)
        self.channels_in = input_channels(layer)
        self.filters, self.depth = self.kernels.shape[0], self.kernels.shape[-1]
        self.is_depthwise = self.kind.startswith("Depthwise")
        self.groups = int(getattr(layer, "groups", 1))

    @property
    def activation(self) -> str:
        """The name of the activation within the layer; empty for none."""
        name = getattr(self.layer.activation, "__name__", "linear")
        return "" if name == "linear" else str(name)

    def formula(self) -> str:
        """Return one output value as a sum."""
        places = "p" if len(self.windows) == 1 else "p, q, r"[: 3 * len(self.windows) - 2]
        names = places.split(", ")
        where = ""
        indices = [f"k{i}" if len(names) > 1 else "k" for i in range(len(names))]
        ranges = ", ".join(f"{k} < {w.kernel_size}" for k, w in zip(indices, self.windows, strict=True))
        reads = ", ".join(_place(p, k, w) for p, k, w in zip(names, indices, self.windows, strict=True))
        taps = ", ".join(indices)
        if self.is_depthwise:
            multiplier = self.layer.depth_multiplier
            total = f"sum({ranges}) x[{reads}, c] * kernel[{taps}, c, m]"
            out = f"out[{places}, {f'c*{multiplier} + m' if multiplier > 1 else 'c'}]"
        elif self.kind in TRANSPOSED:
            spread = ", ".join(
                _spread(i, k, w) for i, k, w in zip(["i", "j", "l"], indices, self.windows, strict=False)
            )
            total = f"sum(c < {self.depth}, {ranges}) x[i, c] * kernel[{taps}, f, c]"
            where = f"   where p = {spread}"
            out = f"out[{places}, f]"
        else:
            offset = f"{self.depth}*g + c" if self.groups > 1 else "c"
            where = f"   where g = f // {self.filters // self.groups}" if self.groups > 1 else ""
            total = f"sum({ranges}, c < {self.depth}) x[{reads}, {offset}] * kernel[{taps}, c, f]"
            out = f"out[{places}, f]"
        channel = "f" if not self.is_depthwise else out.split(", ")[-1].rstrip("]")
        bias = f" + bias[{channel}]" if self.layer.use_bias else ""
        name = self.activation
        return (f"{out} = {name}( {total}{bias} )" if name else f"{out} = {total}{bias}") + where


def _place(place: str, tap: str, window: Window) -> str:
    """Return the input position that a tap reads."""
    start = place if window.stride == 1 else f"{window.stride}*{place}"
    step = tap if window.dilation == 1 else f"{window.dilation}*{tap}"
    left = window.left
    return f"{start} + {step}" + (f" - {left}" if left else "")


def _spread(place: str, tap: str, window: Window) -> str:
    cut = max(window.span - window.stride, 0) // 2 if window.padding == "same" else 0
    step = tap if window.dilation == 1 else f"{window.dilation}*{tap}"
    return f"{window.stride}*{place} + {step}" + (f" - {cut}" if cut else "")
