"""The paragraphs of an explanation."""

from math import prod

from seqconv.inspection.axes import Axis
from seqconv.inspection.effects import CONVOLUTIONS, TRANSPOSED
from seqconv.inspection.formulas import Formula
from seqconv.inspection.symbolic_length import Length
from seqconv.layers.base import contract_of
from seqconv.text import amount


class Words(Formula):
    """The paragraphs on one layer."""

    @property
    def is_stock(self) -> bool:
        """Whether Keras does the padding, and not seqconv."""
        return contract_of(self.layer).time_layer is None

    @property
    def kind_shown(self) -> str:
        """The class, and Keras's class if it is another."""
        name = type(self.layer).__name__
        return name if name == self.kind else f"{name} (arithmetic of {self.kind})"

    @property
    def unit(self) -> str:
        """The name of a position along an axis."""
        return "frame" if len(self.windows) == 1 else "position"

    @property
    def size(self) -> str:
        """The extent of the kernel in words."""
        sizes = [window.kernel_size for window in self.windows]
        return amount(sizes[0], "frame") if len(sizes) == 1 else f"{' x '.join(map(str, sizes))} positions"

    def summary(self) -> str:
        """Say what the layer is."""
        names = ["T"] if len(self.windows) == 1 else ["H", "W", "D"][: len(self.windows)]
        behind = [
            str(Axis(Length(name)).through(window).length) for name, window in zip(names, self.windows, strict=True)
        ]
        shapes = [
            f"({', '.join([*parts, str(n)])})" for parts, n in ((names, self.channels_in), (behind, self.filters))
        ]
        what = (
            f"each of {self.channels_in} channels filtered by itself, "
            f"{amount(self.layer.depth_multiplier, 'time')}, over "
            f"{self.size}"
            if self.is_depthwise
            else f"{amount(self.filters, 'filter')} over {self.size} and {amount(self.depth, 'channel')}"
        )
        return f"{what[0].upper()}{what[1:]}: {shapes[0]} becomes {shapes[1]}."

    def one_value(self) -> str:
        """Say what one output value is a sum over."""
        taps = prod(window.kernel_size for window in self.windows)
        products = f"{taps} x {self.depth} = {taps * self.depth}"
        if self.kind in TRANSPOSED:
            first = (
                f"An input value at {self.unit} i is multiplied with the whole kernel and spread over the outputs from "
                f"i x {self._by('stride')} on. One output value is the sum of what reaches it, at most {products} "
                f"products:"
            )
        else:
            first = (
                f"One output value is a sum over {self.size} and {amount(self.depth, 'channel')}, {products} products"
                f"{', plus a bias' if self.layer.use_bias else ''}{self._then_activation()}:"
            )
        lines = [first, f"    {self.formula()}"]
        if any(window.padding != "valid" and window.span > 1 for window in self.windows):
            lines.append(f"Everything before the first and after the last {self.unit} counts as 0.")
        if any(w.padding == "same" and w.stride > 1 and not w.is_transposed for w in self.windows) and self.is_stock:
            lines.append(
                "Keras takes the offset from the length: this one is that of an input whose length is one more than a "
                f"multiple of {self._by('stride')}, and another length shifts which {self.unit}s are read."
            )
        if self.kind.startswith("Separable"):
            lines.append(
                f"The layer takes two steps: a depthwise one, {self.layer.depthwise_kernel.shape[-1]} "
                f"filter(s) for each of {self.channels_in} channels, and a pointwise one that mixes them into "
                f"{self.filters}. "
                "Both are linear, so together they are this one convolution; it only costs fewer products: "
                f"{self.layer.count_params():,} weights in place of {self.kernels.size:,}."
            )
        return "\n".join(lines)

    def checked(self) -> str:
        """Show that sum on random input, in NumPy and in Keras."""
        check = self.check
        places = ", ".join(map(str, check.position))
        steps = f"{_number(check.total)}"
        if self.layer.use_bias:
            steps += f" + bias {_number(check.bias)} = {_number(check.total + check.bias)}"
        if self.activation:
            steps += f", {self.activation} makes it {_number(check.value)}"
        return (
            f"On random input, at {self.unit} {places}, for output channel {check.filter}, NumPy sums {check.products} "
            f"products to {steps}. Keras returns {_number(check.keras)}; the difference is {check.difference:.1g}."
        )

    def channels(self) -> str:
        """Say which channels a filter spans."""
        multiplier = f"8 filters on 16 channels give 16 x 8 = {16 * 8} there"
        if self.is_depthwise:
            m = self.layer.depth_multiplier
            return (
                f"This layer is depthwise: each kernel reads one channel, and none sees two. {self.channels_in} "
                f"channels "
                f"times depth_multiplier {m} are {self.filters} output channels ({multiplier}). A Conv1D or Conv2D "
                f"of {self.filters} filters would span all {self.channels_in} channels with each."
            )
        if self.groups > 1:
            span = (
                f"There are {self.groups} groups: each filter spans the {self.depth} channels of its group, not all "
                f"{self.channels_in}"
            )
        else:
            every = f"all {self.channels_in} input channels" if self.channels_in > 1 else "the one input channel"
            span = f"Each filter spans {every} at once"
        extent = " x ".join(str(window.kernel_size) for window in self.windows)
        return (
            f"{span}. So there are {amount(self.filters, 'kernel')} of {extent} x {self.depth} numbers, and "
            f"{amount(self.filters, 'output channel')}, however many come in: not {self.channels_in} x "
            f"{self.filters} = "
            f"{self.channels_in * self.filters:,}. A depthwise layer is the one that filters each channel by itself: "
            f"{multiplier}, and a depth_multiplier of {self.filters} would give {self.channels_in} x {self.filters} "
            f"here."
        )

    def pointwise(self) -> str:
        """Say what a kernel of size 1 does here."""
        is_one = all(window.kernel_size == 1 for window in self.windows)
        if self.is_depthwise:
            scaled = "multiply each channel with one number, and mix nothing"
            return (
                f"This kernel has size 1: it can only {scaled}." if is_one else f"With size 1 it would only {scaled}."
            )
        dense = (
            f"a Dense layer from {self.depth} to {self.filters // self.groups} channels"
            f"{' in each group' if self.groups > 1 else ''}, the same at each {self.unit}; it mixes channels and "
            f"sees no "
            "neighbor"
        )
        if is_one:
            return f"This kernel has size 1: the layer is {dense}. get_weights()[0] squeezed is that layer's matrix."
        return f"Here the kernel spans {self.size}. With kernel size 1 the layer would be {dense}."

    def bias(self) -> str:
        """Say at which point the bias and the activation enter."""
        after = f"then {self.activation} is applied to each sum" if self.activation else "there is no activation inside"
        if not self.layer.use_bias:
            return (
                "There is no bias (use_bias=False): a normalization after the layer would subtract it again, and adds "
                f"an offset of its own; {after}."
            )
        number = len(self.layer.get_weights()) - 1
        return (
            f"The bias is get_weights()[{number}], {amount(self.filters, 'number')}, one for each output channel: "
            f"added "
            f"once, to the finished sum over taps and channels, the same at each {self.unit}; {after}."
        )

    def weights(self) -> str:
        """Say what the axes of Keras's arrays mean."""
        shapes = [weight.shape for weight in self.layer.get_weights()]
        kernel = shapes[0]
        names = ", ".join(_names(self.kind, len(self.windows)))
        index = "[0]" * len(self.windows)
        taps = "the first tap" if len(self.windows) == 1 else "the corner tap"
        if self.kind in TRANSPOSED:
            inner = f"the {kernel[-1]} numbers, one for each input channel, of the first filter at {taps}"
            first = f"get_weights()[0][..., 0, :], shape {(*kernel[:-2], kernel[-1])}"
        elif self.is_depthwise or self.kind.startswith("Separable"):
            inner = f"{amount(kernel[-1], 'number')}, one for each copy of the first channel, at {taps}"
            first = f"get_weights()[0][..., 0, 0], shape {kernel[:-2]}, which reads the first channel"
        else:
            inner = (
                f"{amount(kernel[-1], 'number')}, one of each filter, at {taps} and the first input channel: no filter"
            )
            first = f"get_weights()[0][..., 0], shape {kernel[:-1]}"
        return (
            f"get_weights()[0] has shape {kernel}: ({names}). get_weights()[0]{index}[0] is {inner}. The first "
            f"filter is "
            f"{first}. kernels(layer) has filters first, {self.kernels.shape}: kernels(layer)[0] is the kernel that "
            f"makes "
            "output channel 0."
        )

    def _then_activation(self) -> str:
        return f", then {self.activation}" if self.activation else ""

    def _by(self, name: str) -> str:
        return " x ".join(str(getattr(window, name)) for window in self.windows)


def _number(value: float) -> str:
    return f"{value:.6g}"


def _names(kind: str, rank: int) -> list[str]:
    sizes = ["kernel_size"] if rank == 1 else [f"kernel_size {i + 1}" for i in range(rank)]
    if kind in TRANSPOSED:
        return [*sizes, "filters", "in_channels"]
    return [*sizes, "in_channels", "filters" if kind in CONVOLUTIONS[:3] else "depth_multiplier"]
