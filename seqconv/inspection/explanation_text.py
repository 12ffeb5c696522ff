"""The paragraphs of an explanation."""

from math import prod
from typing import Any

from seqconv.inspection.arithmetic import check_sum, input_channels
from seqconv.inspection.axes import Axis, Length, Window
from seqconv.inspection.description import axis_names
from seqconv.inspection.effects import TRANSPOSED, kind_of, windows_of
from seqconv.inspection.kernels import flux_shape, kernels, pytorch_shape
from seqconv.layers.base import contract_of
from seqconv.text import amount


class Words:
    """The paragraphs on one convolution; `check` is one of its output values, computed in NumPy and by Keras."""

    def __init__(self, layer: Any, seed: int) -> None:
        self.layer, self.check = layer, check_sum(layer, seed)
        self.kind, self.windows, self.kernels = kind_of(layer), windows_of(layer), kernels(layer)
        self.contract = contract_of(layer)
        self.channels_in, self.groups = input_channels(layer), int(getattr(layer, "groups", 1))
        self.filters, self.depth = self.kernels.shape[0], self.kernels.shape[-1]
        self.is_depthwise, self.is_separable = self.kind.startswith("Depthwise"), self.kind.startswith("Separable")
        activation = getattr(layer.activation, "__name__", "linear")
        self.activation = "" if activation == "linear" else str(activation)
        self.unit = "frame" if len(self.windows) == 1 else "position"
        self.extent = self._by("kernel_size")
        self.size = f"{self.extent} positions" if len(self.windows) > 1 else amount(int(self.extent), "frame")

    def kind_shown(self) -> str:
        """Return the class, and Keras's class if it is another."""
        name = type(self.layer).__name__
        return name if name == self.kind else f"{name} (arithmetic of {self.kind})"

    def summary(self) -> str:
        """Say what the layer is."""
        names = ["T"] if len(self.windows) == 1 else ["H", "W", "D"][: len(self.windows)]
        names = ["T", "F"] if self.contract.takes_bands else names
        behind = [Axis(Length(name)).through(window).length for name, window in zip(names, self.windows, strict=True)]
        before, after = ", ".join([*names, str(self.channels_in)]), ", ".join(map(str, [*behind, self.filters]))
        if self.is_depthwise:
            times = amount(self.layer.depth_multiplier, "time")
            what = f"Each of {self.channels_in} channels filtered by itself, {times}, over {self.size}"
        else:
            what = f"{amount(self.filters, 'filter')} over {self.size} and {amount(self.depth, 'channel')}"
        return f"{what}: ({before}) becomes ({after})."

    def one_value(self) -> str:
        """Say what one output value is a sum over."""
        taps = prod(window.kernel_size for window in self.windows)
        products = f"{taps} x {self.depth} = {taps * self.depth}"
        if self.kind in TRANSPOSED:
            first = (
                f"An input value at {self.unit} i is multiplied with the whole kernel and spread over the outputs from "
                f"i x {self._by('stride')} on. One output value is the sum of what reaches it, at most {products} "
                "products:"
            )
        else:
            bias, then = ", plus a bias" if self.layer.use_bias else "", f", then {self.activation}"
            first = (
                f"One output value is a sum over {self.size} and {amount(self.depth, 'channel')}, {products} products"
                f"{bias}{then if self.activation else ''}:"
            )
        lines = [first, f"    {self.formula()}"]
        if any(window.padding != "valid" and window.span > 1 for window in self.windows):
            lines.append(f"Everything before the first and after the last {self.unit} counts as 0.")
        # Of layers of seqconv, the offset in time does not depend on the length.
        moving = self.windows if self.contract.time_layer is None else self.windows[1:]
        if any(w.padding == "same" and w.stride > 1 and not w.is_transposed for w in moving):
            along = "bands" if self.contract.takes_bands else f"{self.unit}s"
            length = "number of bands" if self.contract.takes_bands else "length"
            strides = " x ".join(str(window.stride) for window in moving)
            lines.append(
                f"Keras takes the offset from the {length}: this one is that of an input whose {length} is one more "
                f"than a multiple of {strides}, and another {length} shifts which {along} are read."
            )
        if self.is_separable:
            lines.append(
                f"The layer takes two steps: a depthwise one, {self.layer.depthwise_kernel.shape[-1]} filter(s) for "
                f"each of {self.channels_in} channels, and a pointwise one that mixes them into {self.filters}. Both "
                "are linear, so together they are this one convolution; it only costs fewer products: "
                f"{self.layer.count_params():,} weights in place of {self.kernels.size:,}."
            )
        return "\n".join(lines)

    def formula(self) -> str:
        """Return one output value as a sum."""
        names = ["p", "q", "r"][: len(self.windows)]
        indices = ["k"] if len(names) == 1 else [f"k{i}" for i in range(len(names))]
        places, taps = ", ".join(names), ", ".join(indices)
        ranges = ", ".join(f"{k} < {w.kernel_size}" for k, w in zip(indices, self.windows, strict=True))
        reads = ", ".join(_place(p, k, w, w.left) for p, k, w in zip(names, indices, self.windows, strict=True))
        channel, where = "f", ""
        if self.is_depthwise:
            multiplier = self.layer.depth_multiplier
            channel = f"c*{multiplier} + m" if multiplier > 1 else "c"
            total = f"sum({ranges}) x[{reads}, c] * kernel[{taps}, c, m]"
        elif self.kind in TRANSPOSED:
            cuts = [max(w.span - w.stride, 0) // 2 if w.padding == "same" else 0 for w in self.windows]
            spread = map(_place, "ijl", indices, self.windows, cuts)
            where = f"   where p = {', '.join(spread)}"
            total = f"sum(c < {self.depth}, {ranges}) x[i, c] * kernel[{taps}, f, c]"
        else:
            offset = f"{self.depth}*g + c" if self.groups > 1 else "c"
            where = f"   where g = f // {self.filters // self.groups}" if self.groups > 1 else ""
            total = f"sum({ranges}, c < {self.depth}) x[{reads}, {offset}] * kernel[{taps}, c, f]"
        total += f" + bias[{channel}]" if self.layer.use_bias else ""
        total = f"{self.activation}( {total} )" if self.activation else total
        return f"out[{places}, {channel}] = {total}{where}"

    def checked(self) -> str:
        """Show that sum on random input, in NumPy and in Keras."""
        check = self.check
        places, steps = ", ".join(map(str, check.position)), f"{check.total:.6g}"
        if self.layer.use_bias:
            steps += f" + bias {check.bias:.6g} = {check.total + check.bias:.6g}"
        if self.activation:
            steps += f", {self.activation} makes it {check.value:.6g}"
        return (
            f"On random input, at {self.unit} {places}, for output channel {check.filter}, NumPy sums {check.products} "
            f"products to {steps}. Keras returns {check.keras:.6g}; the difference is {check.difference:.1g}."
        )

    def channels(self) -> str:
        """Say which channels a filter spans."""
        multiplier = f"8 filters on 16 channels give 16 x 8 = {16 * 8} there"
        if self.is_depthwise:
            return (
                f"This layer is depthwise: each kernel reads one channel, and none sees two. {self.channels_in} "
                f"channels times depth_multiplier {self.layer.depth_multiplier} are {self.filters} output channels "
                f"({multiplier}). A Conv1D or Conv2D of {self.filters} filters would span all {self.channels_in} "
                "channels with each."
            )
        if self.groups > 1:
            span = (
                f"There are {self.groups} groups: each filter spans the {self.depth} channels of its group, not all "
                f"{self.channels_in}"
            )
        else:
            every = f"all {self.channels_in} input channels" if self.channels_in > 1 else "the one input channel"
            span = f"Each filter spans {every} at once"
        product = f"{self.channels_in} x {self.filters}"
        return (
            f"{span}. So there are {amount(self.filters, 'kernel')} of {self.extent} x {self.depth} numbers, and "
            f"{amount(self.filters, 'output channel')}, however many come in: not {product} = "
            f"{self.channels_in * self.filters:,}. A depthwise layer is the one that filters each channel by itself: "
            f"{multiplier}, and a depth_multiplier of {self.filters} would give {product} here."
        )

    def pointwise(self) -> str:
        """Say what a kernel of size 1 does here."""
        is_one = all(window.kernel_size == 1 for window in self.windows)
        if self.is_depthwise:
            start = "This kernel has size 1: it can only" if is_one else "With size 1 it would only"
            return f"{start} multiply each channel with one number, and mix nothing."
        dense = (
            f"a Dense layer from {self.depth} to {self.filters // self.groups} channels"
            f"{' in each group' if self.groups > 1 else ''}, the same at each {self.unit}; it mixes channels and sees "
            "no neighbor"
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
        return (
            f"The bias is get_weights()[{len(self.layer.get_weights()) - 1}], {amount(self.filters, 'number')}, one "
            "for each output channel: added once, to the finished sum over taps and channels, the same at each "
            f"{self.unit}; {after}."
        )

    def weights(self) -> str:
        """Say what the axes of Keras's arrays mean."""
        kernel, rank = self.layer.get_weights()[0].shape, len(self.windows)
        sizes = ["kernel_size"] if rank == 1 else [f"kernel_size {i + 1}" for i in range(rank)]
        names = ", ".join([*sizes, *(name for name, _ in axis_names(self.layer)[1:3])])
        taps = "the first tap" if rank == 1 else "the corner tap"
        numbers = amount(kernel[-1], "number")
        if self.kind in TRANSPOSED:
            inner = f"the {kernel[-1]} numbers, one for each input channel, of the first filter at {taps}"
            first = f"get_weights()[0][..., 0, :], shape {(*kernel[:-2], kernel[-1])}"
        elif self.is_depthwise or self.is_separable:
            inner = f"{numbers}, one for each copy of the first channel, at {taps}"
            first = f"get_weights()[0][..., 0, 0], shape {kernel[:-2]}, which reads the first channel"
        else:
            inner = f"{numbers}, one of each filter, at {taps} and the first input channel: no filter"
            first = f"get_weights()[0][..., 0], shape {kernel[:-1]}"
        return (
            f"get_weights()[0] has shape {kernel}: ({names}). get_weights()[0]{'[0]' * rank}[0] is {inner}. The first "
            f"filter is {first}. kernels(layer) has filters first, {self.kernels.shape}: kernels(layer)[0] is the "
            "kernel that makes output channel 0."
        )

    def elsewhere(self) -> str:
        """Say which shape the kernel has in PyTorch and Flux, and what else differs there."""
        rank, notes = len(self.windows), ""
        ks = "k" if rank == 1 else ", ".join(["kh", "kw", "kd"][:rank])
        module, torch_names, flux_names = f"Conv{rank}d", f"out, in, {ks}", f"{ks}, in, out"
        flip = " Flux's Conv turns the kernel around (CrossCor does not), so reverse it along k."
        if self.kind in TRANSPOSED:
            module, torch_names, flux_names, flip = f"ConvTranspose{rank}d", f"in, out, {ks}", f"{ks}, out, in", ""
        if self.is_depthwise:
            notes = " There it is a convolution with groups = in_channels, so that 'in' is 1."
        elif self.is_separable:
            notes = " That is the kernel of both steps together; kept apart they are two convolutions there, too."
        elif self.groups > 1:
            notes = " With groups, 'in' is the channels of one group."
        data = (
            "PyTorch takes (batch, channels, time), Flux (time, channels, batch), Keras (batch, time, channels)."
            if rank == 1
            else "PyTorch takes (batch, channels, height, width), Flux (width, height, channels, batch), Keras (batch, "
            "height, width, channels)."
        )
        return (
            f"PyTorch ({module}): {pytorch_shape(self.layer)}, that is ({torch_names}). Flux: "
            f"{flux_shape(self.layer)}, that is ({flux_names}). Data differ too: {data}{notes}{flip}"
        )

    def _by(self, name: str) -> str:
        return " x ".join(str(getattr(window, name)) for window in self.windows)


def _place(place: str, tap: str, window: Window, cut: int) -> str:
    """Return the position that a tap reads, or of a transposed layer, that it adds to."""
    start = place if window.stride == 1 and not window.is_transposed else f"{window.stride}*{place}"
    step = tap if window.dilation == 1 else f"{window.dilation}*{tap}"
    return f"{start} + {step}" + (f" - {cut}" if cut else "")
