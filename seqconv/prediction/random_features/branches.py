"""The random convolutions of one branch of a model, as compiled kernels take them."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.layers import MaskedRandomConvolution1D
from seqconv.layers.random_convolution import KERNEL_SIZE, kernel_weights, power_above, running_weights
from seqconv.prediction.random_features.forms import Frames, Sums, to_numpy

# In whole steps, beyond all outputs.
FAR = 2**30


@cache
def compiled_kernels() -> Any:
    """Return the module of compiled kernels, once they have run here; None where Numba cannot be loaded or compile."""
    try:
        from seqconv.prediction.random_features import kernels

        kernels.try_out()
    except Exception:  # Whatever it is: the graph needs none of it.
        return None
    return kernels


class Convolution:
    """The kernels of one branch, and the levels of its channels in whole steps."""

    def __init__(self, layer: MaskedRandomConvolution1D, levels: Sums) -> None:
        self.weights = to_numpy(layer.kernel)
        self.dilations = np.array(layer.dilations, np.int64)
        self.margin = KERNEL_SIZE // 2 * int(self.dilations.max())
        self.step, self.limit, self.smoothed = layer.step, np.float32(layer.limit), layer.smoothed
        self.input_step = np.float32(layer.input_step if layer.smoothed else layer.step)
        # Sums between two taps, in steps.
        powers = np.array([power_above(dilation) for dilation in layer.dilations])
        self.scales = (layer.input_step / powers / layer.step * layer.smoothed).astype(np.float32)
        self.most = np.float32(layer.limit / layer.step)
        self.channels = self.weights.shape[0] * self.weights.shape[-1]
        is_used = self.weights.any(axis=1).swapaxes(1, 2)
        # The features that are used come first.
        features = np.ascontiguousarray(np.argsort(~is_used, axis=-1, kind="stable"), np.int64)
        taps = np.nonzero(kernel_weights().T > 0)[1].reshape(-1, 3).astype(np.int64)
        counts = is_used.sum(axis=-1).astype(np.int64)
        self.compiled = compiled_kernels()
        self.kernels = self.compiled.Kernels(self.dilations, taps, features, counts, self.scales, self.most)
        self.levels = levels
        self.whole = np.clip(np.floor(levels / self.step), -FAR, FAR).astype(np.int32)

    def summarize(self, inputs: Frames, with_longest: bool) -> tuple[Sums, npt.NDArray[np.float64]]:
        """Return the sums of `sums_above`, and the largest values."""
        found, largest = self.compiled.summarize(self._padded(inputs), self.kernels, self.whole, with_longest)
        sums = found.astype(np.float64)
        sums[1] = sums[1] * self.step - sums[0] * (self.levels - self.whole * self.step)
        return sums, largest * self.step

    def convolve_at(self, inputs: Frames, places: npt.NDArray[np.int64]) -> Frames:
        """Return the outputs at some frames: too few for compiled kernels to be worth their start."""
        padded, parts = self._padded(inputs), []
        for dilation, scale, weights in zip(self.dilations, self.scales, self.weights, strict=True):
            taps = self.margin + dilation * (np.arange(KERNEL_SIZE) - KERNEL_SIZE // 2)
            read = padded[:, places[:, None] + taps].transpose(1, 2, 0)
            if self.smoothed:
                sums = np.diff(read, axis=1).astype(np.float32) * scale
                read, weights = np.rint(np.clip(sums, -self.most, self.most)), running_weights(weights)
            flat = read.reshape(len(places), -1).astype(np.float64)
            parts.append(flat @ weights.reshape(flat.shape[1], -1))
        return (np.concatenate(parts, axis=1) * self.step).astype(np.float32)

    def _padded(self, inputs: Frames) -> npt.NDArray[np.int32]:
        """Return whole steps, or their running sums, `(features, time)` with the frames that kernels reach into."""
        steps = np.rint(np.clip(inputs, -self.limit, self.limit) / self.input_step).astype(np.int32).T
        # Sums beyond 32 bits wrap around, and their differences do not care.
        steps = np.cumsum(steps, axis=1, dtype=np.int32) if self.smoothed else steps
        padded = np.zeros((steps.shape[0], steps.shape[1] + 2 * self.margin), np.int32)
        padded[:, self.margin : self.margin + steps.shape[1]] = steps
        if self.smoothed:
            padded[:, self.margin + steps.shape[1] :] = steps[:, -1:]
        return padded
