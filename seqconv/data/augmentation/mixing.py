"""Mixup of sequences that differ in length."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Features = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]


def mix_features(features: Features, other: Features, share: float, place: float) -> Features:
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
