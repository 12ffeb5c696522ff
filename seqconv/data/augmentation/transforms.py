"""Transforms of features `(time, d)` and labels: noise, masks, mixtures, and frames that are moved in time.

A frame that is moved has a position in the original sequence, for features and labels alike. Positions are
whole numbers `(time,)`, or float64 where frames between two frames are wanted.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seqconv.data.augmentation.settings import SpecMask
from seqconv.sources import FloatArray, IntArray

Array = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]


def add_noise(features: FloatArray, deviation: FloatArray, amount: float, rng: np.random.Generator) -> FloatArray:
    """Add independent normal noise to all features `(time, d)`, its deviation `amount * deviation`, `deviation` `(d,)`.

    On decibels it is a jitter of levels, and no sound; sounds are added to recordings by `audio_augment.background`.

    >>> add_noise(np.zeros((1, 2), np.float32), np.array([0, 1], np.float32), 0.5, np.random.default_rng(0)).shape
    (1, 2)
    """
    noise = rng.standard_normal(features.shape, np.float32)
    noise *= deviation * np.float32(amount)
    noise += features
    return noise


def mask_spectrum(
    features: FloatArray, settings: SpecMask, fill: FloatArray, rng: np.random.Generator, *, orders: int = 1
) -> FloatArray:
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
        orders: features and their derivatives, one after the other: a band is masked in all of them.

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


def mix_features(features: FloatArray, other: FloatArray, share: float, place: float) -> FloatArray:
    """Mix `share` of another sequence into `features` `(time, d)`, over the frames that both have.

    The length stays. A shorter sequence is put to a random place, and a random part is taken of a longer one. Outside
    of it nothing changes, since a level that falls where nothing was added would tell that something was mixed.

    Args:
        features, other: of two sequences.
        share: 0 to 1, the weight of the other one.
        place: 0 to 1, where among the possible places.

    >>> mix_features(np.zeros((4, 1), np.float32), np.ones((2, 1), np.float32), 0.25, 0.5).ravel()
    array([0.  , 0.25, 0.25, 0.  ], dtype=float32)
    """
    both = min(len(features), len(other))
    inside, begin = (int(place * (len(each) - both + 1)) for each in (features, other))
    mixed = features.copy()
    mixed[inside : inside + both] *= np.float32(1 - share)
    mixed[inside : inside + both] += np.float32(share) * other[begin : begin + both]
    return mixed


def label_shares(shares: Vector, lengths: Array, other_lengths: Array) -> Vector:
    """Return the share of each label that comes from the other sequence: its weight times the share of frames covered.

    As CutMix counts areas (Yun et al. 2019, arXiv:1905.04899): a click in a minute of speech is no fifth of its label.

    >>> label_shares(np.array([0.2, 0.2]), np.array([100, 100]), np.array([25, 300]))
    array([0.05, 0.2 ])
    """
    covered: Vector = np.minimum(lengths, other_lengths) / lengths
    return shares * covered


def mix_labels(labels: Array, weights: Array, partners: Array, shares: Vector) -> tuple[Array, Array]:
    """Mix labels `(n, ...)` and weights `(n,)` of sequences, so that the loss is that of both, each by its weight.

    The loss of a mixed sequence is `(1 - s) * w1 * loss(y1) + s * w2 * loss(y2)`. Cross-entropies are linear in the
    labels (and squared errors are but for a constant), so that it is one loss, of mixed labels and a mixed weight. A
    label that is missing (NaN) in one of them is missing in both.

    >>> labels, weights = mix_labels(np.eye(2), np.array([1.0, 3.0]), np.array([1, 1]), np.array([0.25, 0.0]))
    >>> labels.tolist(), weights.tolist()
    ([[0.5, 0.5], [0.0, 1.0]], [1.5, 3.0])
    """
    own, other = (1 - shares) * weights, shares * weights[partners]
    total = own + other
    part = np.divide(other, total, out=np.zeros_like(total), where=total > 0)
    column = part.reshape(-1, *[1] * (labels.ndim - 1))
    mixed = np.where(column > 0, (1 - column) * labels + column * labels[partners], labels)
    return mixed.astype(labels.dtype), total.astype(weights.dtype)


def stretched_lengths(lengths: IntArray, rates: npt.ArrayLike, *, shortest: int = 1) -> IntArray:
    """Return the frames of sequences `(n,)` that are played at `rates`; none becomes shorter than `shortest` by it.

    >>> stretched_lengths(np.array([100, 10, 3]), [2.0, 2.0, 2.0], shortest=6)
    array([50,  6,  3])
    """
    wanted = np.round(lengths / np.asarray(rates)).astype(np.int64)
    return np.asarray(np.maximum(wanted, np.minimum(lengths, max(shortest, 1))))


def stretch_positions(length: int, num_frames: int) -> Array:
    """Return positions spread evenly from the first to the last of `length` frames.

    >>> stretch_positions(3, 5)
    array([0. , 0.5, 1. , 1.5, 2. ])
    """
    if length == num_frames:
        return np.arange(length)
    if num_frames == 1:
        return np.array([(length - 1) / 2])
    return np.linspace(0, length - 1, num_frames)


def shift_positions(positions: Array, shift: int, fill: Literal["edge", "wrap"]) -> Array:
    """Return positions `shift` frames later (earlier if negative), for as many frames.

    >>> shift_positions(np.arange(4), 1, "edge"), shift_positions(np.arange(4), -1, "wrap")
    (array([0, 0, 1, 2]), array([1, 2, 3, 0]))
    """
    if fill == "wrap":
        return np.roll(positions, shift)
    return positions[np.clip(np.arange(len(positions)) - shift, 0, len(positions) - 1)]


def frames_at(features: FloatArray, positions: Array) -> FloatArray:
    """Return frames `(time, d)` at positions; between two frames, interpolated linearly.

    >>> frames_at(np.array([[0.0], [4.0]], np.float32), np.array([0.0, 0.25, 1.0])).ravel()
    array([0., 1., 4.], dtype=float32)
    """
    if positions.dtype.kind == "i":
        return features[positions]
    lower = np.minimum(positions.astype(np.int64), len(features) - 1)
    upper = np.minimum(lower + 1, len(features) - 1)
    part = (positions - lower).astype(np.float32)[:, None]
    between: FloatArray = features[upper] - features[lower]
    between *= part
    between += features[lower]
    return between


def nearest_frames(positions: Array, length: int, original: int) -> IntArray:
    """Return whole positions in a recording of `original` frames, of which `length` are left at another speed.

    >>> nearest_frames(np.array([0.0, 1.6, 4.0]), 5, 9)
    array([0, 3, 8])
    """
    factor = (original - 1) / (length - 1) if length > 1 else 1.0
    return np.asarray(np.round(positions * factor), np.int64)
