"""Masks over time and features."""

import numpy as np
import numpy.typing as npt

from seqconv.data.augmentation.settings import SpecMask

Features = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float32]


def mask_spectrum(
    features: Features, settings: SpecMask, fill: Vector, rng: np.random.Generator, *, orders: int = 1
) -> Features:
    """Set ranges of frames and bands of features `(time, d)` to `fill`, `(d,)`.

    The masks of SpecAugment (Park et al. 2019, arXiv:1904.08779, sections 2.2 and 2.3), each of a width from none to
    the widest, at a random place. Widths are parts of the sequence and of its features, as in the adaptive policy of
    Park et al. 2020 (arXiv:1912.05533), since sequences differ in length. The fill is the mean of the training frames,
    which the model's normalization turns into 0.

    Args:
        features: of one sequence.
        settings: how many masks, and how wide.
        fill: what stands in a mask.
        rng: of the sequence.
        orders: features and their derivatives, one behind the other: a band is masked in all of them.

    >>> masked = mask_spectrum(
    ...     np.ones((50, 8), np.float32), SpecMask(time_width=1, time_masks=1), np.zeros(8, np.float32),
    ...     np.random.default_rng(1),
    ... )
    >>> masked.shape, sorted(set(masked.ravel().tolist()))
    ((50, 8), [0.0, 1.0])
    """
    masked = features.copy()
    length, bands = len(features), features.shape[1] // orders
    draws = rng.random((settings.time_masks + settings.feature_masks, 2)).tolist()
    for width_draw, place in draws[: settings.time_masks]:
        width = int(width_draw * (int(settings.time_width * length) + 1))
        first = int(place * (length - width + 1))
        masked[first : first + width] = fill
    for width_draw, place in draws[settings.time_masks :]:
        width = int(width_draw * (int(settings.feature_width * bands) + 1))
        first = int(place * (bands - width + 1))
        for order in range(orders):
            band = slice(order * bands + first, order * bands + first + width)
            masked[:, band] = fill[band]
    return masked
