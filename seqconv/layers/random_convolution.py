"""Fixed convolutions with the kernels of MiniRocket, the same numbers on every backend; and forms of their inputs."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from keras import ops

from seqconv.geometry import TimeLayer
from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, map_segments, real_frames, zero_padding

KERNEL_SIZE = 9
MANTISSA_BITS = 24
# Values that are read for one frame at a time: more take memory, fewer take operations.
MOST_TAPS = 256


def kernel_weights() -> np.ndarray:
    """Return MiniRocket's 84 kernels `(9, 84)`: three taps of 9 weigh 2, the others -1, which sum to 0.

    >>> kernel_weights().shape, bool(kernel_weights().sum(axis=0).any())
    ((9, 84), False)
    """
    chosen = list(combinations(range(KERNEL_SIZE), 3))
    weights = np.full((KERNEL_SIZE, len(chosen)), -1.0, np.float32)
    for kernel, taps in enumerate(chosen):
        weights[list(taps), kernel] = 2.0
    return weights


class MaskedRandomConvolution1D(MaskedLayer):
    """MiniRocket's 84 kernels at several dilations (Dempster et al. 2021), over few features each.

    Kernels have weights of -1 and 2, and inputs are rounded to so few binary digits that their sums are exact in
    float32, in whatever order they are added: every backend returns the same numbers, and so does every layout. What
    counts values above a threshold would otherwise jump where rounding differs.

    Args:
        dilations: frames from tap to tap, 84 kernels for each; if one stands here twice, over other features.
        most_features: a kernel sums over at most so many features of a frame, which are drawn.
        padding: "same", where the middle tap lies on a frame, or "causal", where the last one does.
        smoothed: kernels run over running sums of the frames. So they weigh means over as many frames as the dilation,
            leave nothing between the taps out, and see the level. No gradient passes.
        limit: inputs are cut off beyond it, on both sides of 0. Standardized features hardly come near 64.
        seed: of the features of kernels.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(features, segments)`, or features alone when `segments` is None: `(batch, time, 84 * len(dilations))`, those
        of the first dilation first.

    >>> layer = MaskedRandomConvolution1D([1, 2])
    >>> layer(np.ones((1, 30, 1), "float32")).shape
    TensorShape([1, 30, 168])
    """

    takes_known = True
    # Sums of neighbors, where the kernel reaches beyond the ends of sequences.
    padding_after = Padding.FINITE

    def __init__(
        self,
        dilations: Sequence[int] = (1,),
        *,
        most_features: int = 8,
        padding: str = "same",
        smoothed: bool = False,
        limit: float = 64.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        # In half precision the sums would not be exact.
        super().__init__(**{**options, "autocast": False})
        if not dilations or any(dilation != int(dilation) or dilation < 1 for dilation in dilations):
            raise ValueError(f"dilations must be whole numbers of at least 1, got {list(dilations)}.")
        if most_features < 1 or limit <= 0:
            raise ValueError(f"most_features must be 1 or more and limit above 0, got {most_features} and {limit}.")
        if padding not in ("same", "causal"):
            raise ValueError(f"padding must be 'same' or 'causal', got {padding!r}: kernels reach beyond the ends.")
        self.dilations, self.padding = [int(dilation) for dilation in dilations], padding
        self.most_features, self.smoothed, self.limit, self.seed = most_features, smoothed, limit, seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        used = draw_features(channels, len(self.dilations), self.most_features, self.seed)
        kernel = kernel_weights()[None, :, None, :] * used[:, None]
        self.kernel = self.add_weight(
            name="kernel",
            shape=kernel.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(kernel, dtype),
            trainable=False,
            autocast=False,
        )
        weights = running_weights(kernel_weights()) if self.smoothed else kernel_weights()
        self.step = grid_step(self.limit, min(channels, self.most_features), weights)
        # Sums over a window have 31 bits.
        self.input_step = max(self.step, power_above(self.limit * max(self.dilations)) * 2.0**-30)

    @property
    def time_layer(self) -> TimeLayer:
        return TimeLayer(KERNEL_SIZE, 1, max(self.dilations), self.padding)

    def call(self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY) -> Tensor:
        features = zero_padding(ops.cast(inputs, self.variable_dtype), segments, known=known)
        features = round_to_grid(features, self.input_step if self.smoothed else self.step, self.limit)
        # Some dilations at once: their taps side by side, and one product with their kernels.
        together = max(1, MOST_TAPS // (KERNEL_SIZE * features.shape[-1]))
        starts = range(0, len(self.dilations), together)
        parts = [self._convolve(features, slice(start, start + together)) for start in starts]
        outputs = ops.cast(parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1), self.compute_dtype)
        return outputs if segments is None else (outputs, map_segments(segments, self.time_layer))

    def _convolve(self, features: Tensor, part: slice) -> Tensor:
        """Return the sums of products of some dilations, `(rows, time, 84 * dilations)`."""
        dilations = np.array(self.dilations[part])
        read, kernel = self._read(features, dilations), self.kernel[part]
        if self.smoothed:
            # Sums between two taps, about a mean each, weighted by the taps before them: the kernel sums to 0.
            sums = ops.cast(read[:, :, :, 1:] - read[:, :, :, :-1], self.variable_dtype)
            parts = self.input_step / np.array([power_above(dilation) for dilation in dilations.tolist()])
            read = round_to_grid(sums * ops.cast(parts[:, None, None], sums.dtype), self.step, self.limit)
            kernel = running_weights(kernel)
        rows, width = ops.shape(read)[0], ops.shape(read)[1]
        values = kernel.shape[1] * kernel.shape[2]
        read = ops.reshape(read, (rows, width, len(dilations), values))
        sums = ops.einsum("btdk,dkf->btdf", read, ops.reshape(kernel, (len(dilations), values, -1)))
        return ops.reshape(sums, (rows, width, len(dilations) * kernel.shape[-1]))

    def _read(self, features: Tensor, dilations: np.ndarray) -> Tensor:
        """Return what lies under the taps, `(rows, time, dilations, 9, channels)`; running sums in whole steps, if
        smoothed."""
        before = KERNEL_SIZE - 1 if self.padding == "causal" else KERNEL_SIZE // 2
        left, right = (int(dilations.max()) * taps for taps in (before, KERNEL_SIZE - 1 - before))
        taps = (dilations[:, None] * (np.arange(KERNEL_SIZE) - before)).reshape(1, -1)
        rows, width, channels = ops.shape(features)[0], ops.shape(features)[1], features.shape[-1]
        places = ops.expand_dims(ops.arange(width, dtype="int32"), -1)
        if self.smoothed:
            # Sums beyond 32 bits wrap around, and their differences do not care.
            steps = ops.cast(ops.round(features / self.input_step), "int32")
            padded = ops.pad(ops.cast(ops.cumsum(steps, axis=1), "int32"), [(0, 0), (1, 0), (0, 0)])
            places = ops.clip(places + ops.cast(taps + 1, "int32"), 0, width)
        else:
            padded = ops.pad(features, [(0, 0), (left, right), (0, 0)])
            places = places + ops.cast(taps + left, "int32")
        return ops.reshape(ops.take(padded, places, axis=1), (rows, width, len(dilations), KERNEL_SIZE, channels))

    def output_channels(self, channels: int) -> int:
        return len(self.dilations) * int(kernel_weights().shape[1])


class MaskedDifference1D(MaskedLayer):
    """Differences of each frame from the one before it; 0 at the first frame of a sequence.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(features, segments)`, or features alone when `segments` is None, of the shape of the inputs; 0 in padding.
    """

    takes_known = True
    padding_after = Padding.ZERO

    @property
    def time_layer(self) -> TimeLayer:
        return TimeLayer(2, padding="causal")

    def call(self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY) -> Tensor:
        features = zero_padding(inputs, segments, known=known)
        is_real = real_frames(features, segments)
        # Rows have a frame of padding between two sequences.
        has_before = ops.pad(is_real[:, :-1], [(0, 0), (1, 0), (0, 0)])
        before = ops.pad(features[:, :-1], [(0, 0), (1, 0), (0, 0)])
        outputs = (features - before) * is_real * has_before
        return outputs if segments is None else (outputs, map_segments(segments, self.time_layer))


class MaskedCompression(MaskedLayer):
    """A logarithm of large values in straight pieces, linear near 0 and odd: loud and quiet parts come close.

    Values up to `unit` stay as they are, in units of it; each further piece reaches twice as far and counts as 1. It
    takes differences, limits and products with powers of two alone, which every backend rounds alike.

    Args:
        unit: where the linear part ends, a power of two.
        pieces: that are longer and longer; beyond the last one values are cut off. 0 or more.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.

    Returns:
        Features of the input's shape; 0 in padding.

    >>> np.array(MaskedCompression(1.0)(np.array([[[0.5], [-1.0], [2.0], [4.0]]]))).ravel().tolist()
    [0.5, -1.0, 2.0, 3.0]
    """

    padding_after = Padding.ZERO

    def __init__(self, unit: float = 0.125, pieces: int = 7, **options: Any) -> None:
        super().__init__(**options)
        if unit <= 0 or np.log2(unit) % 1 or pieces < 0:
            raise ValueError(f"unit must be a power of two and pieces 0 or more, got {unit} and {pieces}.")
        self.unit, self.pieces = unit, pieces

    def call(self, inputs: Tensor, segments: Tensor | None = None) -> Tensor:
        features = zero_padding(inputs, segments) * (1 / self.unit)
        size = ops.abs(features)
        total = ops.minimum(size, 1.0)
        for piece in range(self.pieces):
            total = total + ops.clip(size - 2.0**piece, 0.0, 2.0**piece) * 2.0**-piece
        return ops.sign(features) * total


def draw_features(channels: int, num_dilations: int, most: int, seed: int) -> np.ndarray:
    """Draw the features of each kernel, `(num_dilations, channels, 84)` of zeros and ones.

    As in MiniRocket, the number of features is drawn so that few are as likely as many, on a logarithmic scale.
    """
    num_kernels = kernel_weights().shape[1]
    used = np.zeros((num_dilations, channels, num_kernels), np.float32)
    rng = np.random.default_rng(seed)
    most = min(channels, most)
    for dilation in range(num_dilations):
        for kernel in range(num_kernels):
            count = min(most, int(2 ** rng.uniform(0, np.log2(most + 1))))
            used[dilation, rng.choice(channels, count, replace=False), kernel] = 1
    return used


def running_weights(kernel: Any) -> Any:
    """Return the weights of sums between two taps, from those of a kernel over running sums.

    Taps are the first axis of an array `(9, kernels)`, or the second of a tensor `(dilations, 9, channels, kernels)`.

    >>> running_weights(kernel_weights()).shape
    (8, 84)
    """
    if isinstance(kernel, np.ndarray):
        return -np.cumsum(kernel, axis=0)[:-1]
    return -ops.cumsum(kernel, axis=1)[:, :-1]


def power_above(value: float) -> float:
    """Return the smallest power of two that is not below a value.

    >>> power_above(5), power_above(8)
    (8.0, 8.0)
    """
    return float(2.0 ** np.ceil(np.log2(value)))


def grid_step(limit: float, num_features: int, weights: np.ndarray) -> float:
    """Return the step to which inputs of at most `limit` are rounded, so that sums over a kernel are exact in float32.

    >>> grid_step(64.0, 1, kernel_weights())
    6.103515625e-05
    """
    largest = limit * num_features * float(np.abs(weights).sum(axis=0).max())
    return power_above(largest) * 2.0**-MANTISSA_BITS


def round_to_grid(values: Tensor, step: float, limit: float) -> Tensor:
    """Round values to multiples of `step`, a power of two, within `limit`; gradients pass as if nothing was rounded."""
    values = ops.clip(values, -limit, limit)
    # The differences, and their sums with the values, are exact.
    return values + ops.stop_gradient(ops.round(values / step) * step - values)
