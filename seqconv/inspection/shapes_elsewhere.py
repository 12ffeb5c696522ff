"""The kernel of a layer as PyTorch and Flux store it."""

from typing import Any

from seqconv.inspection.effects import TRANSPOSED, kind_of, windows_of
from seqconv.inspection.kernels import kernels

Shape = tuple[int, ...]


def pytorch_shape(layer: Any) -> Shape:
    """Return the shape of the weight of `torch.nn.Conv1d` or the like: `(out, in, k)`; in / groups if there are groups.

    >>> import keras
    >>> layer = keras.layers.Conv1D(128, 5)
    >>> layer.build((None, None, 64))
    >>> pytorch_shape(layer), flux_shape(layer)
    ((128, 64, 5), (5, 64, 128))
    """
    filters, *sizes, channels = kernels(layer).shape
    return (channels, filters, *sizes) if kind_of(layer) in TRANSPOSED else (filters, channels, *sizes)


def flux_shape(layer: Any) -> Shape:
    """Return the shape of the weight of Flux's `Conv`: `(k, in, out)`."""
    first, second, *sizes = pytorch_shape(layer)
    return (*sizes, second, first)


def elsewhere(layer: Any) -> str:
    """Describe both shapes in words, with what else differs."""
    rank, kind = len(windows_of(layer)), kind_of(layer)
    ks = "k" if rank == 1 else ", ".join(["kh", "kw", "kd"][:rank])
    transposed = kind in TRANSPOSED
    module = f"Conv{'Transpose' if transposed else ''}{rank}d"
    torch_names = f"in, out, {ks}" if transposed else f"out, in, {ks}"
    flux_names = f"{ks}, out, in" if transposed else f"{ks}, in, out"
    notes = ""
    if kind.startswith("Depthwise"):
        notes = " There it is a convolution with groups = in_channels, so that 'in' is 1."
    elif kind.startswith("Separable"):
        notes = " That is the kernel of both steps together; kept apart they are two convolutions there, too."
    elif getattr(layer, "groups", 1) > 1:
        notes = " With groups, 'in' is the channels of one group."
    data = (
        "PyTorch takes (batch, channels, time), Flux (time, channels, batch), Keras (batch, time, channels)."
        if rank == 1
        else "PyTorch takes (batch, channels, height, width), Flux (width, height, channels, batch), Keras (batch, "
        "height, width, channels)."
    )
    flip = "" if transposed else " Flux's Conv turns the kernel around (CrossCor does not), so reverse it along k."
    return (
        f"PyTorch ({module}): {pytorch_shape(layer)}, that is ({torch_names}). Flux: {flux_shape(layer)}, that is "
        f"({flux_names}). Data differ too: {data}{notes}{flip}"
    )
