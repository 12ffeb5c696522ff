"""Statistics for batch normalization: mean and variance of its inputs, for the weights that a model has now."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from keras import ops

from seqconv.layers import MaskedBatchNormalization
from seqconv.layers.base import contract_of
from seqconv.layers.masking import Tensor
from seqconv.layers.reduction import as_double
from seqconv.models.nodes import Nodes
from seqconv.models.sequence_model import SequenceModel
from seqconv.models.stack import TrunkState, run, walk

Vector = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """Frames, and mean and variance of each channel over them."""

    num_frames: int
    mean: Vector
    variance: Vector

    def merged(self, other: "Moments") -> "Moments":
        """Merge the moments of both (Chan, Golub and LeVeque 1983).

        >>> one, two = Moments(1, np.array([0.0]), np.array([0.0])), Moments(3, np.array([4.0]), np.array([0.0]))
        >>> one.merged(two)
        Moments(num_frames=4, mean=array([3.]), variance=array([3.]))
        """
        total = self.num_frames + other.num_frames
        share = other.num_frames / max(total, 1)
        difference = other.mean - self.mean
        within = self.variance * (1 - share) + other.variance * share
        return Moments(total, self.mean + difference * share, within + difference**2 * share * (1 - share))


def adapting_layers(model: SequenceModel) -> list[MaskedBatchNormalization]:
    """Return the layers whose statistics training moves: batch normalization that is not frozen."""
    return [layer for layer in model.stack.layers() if _adapts(layer)]


def unpackable_before(model: SequenceModel) -> list[str]:
    """Return names of the layers before the last of them for which a row must have a single sequence."""
    return [layer.name for layer in walk(_nodes_to_last(model)) if not contract_of(layer).packable]


def batch_moments(model: SequenceModel, inputs: Mapping[str, Any]) -> list[Moments]:
    """Return mean and variance that each of `adapting_layers` finds in a batch, without dropout.

    Each normalizes by what it finds, as in training, so that the next ones see what they would see there.

    Args:
        inputs: features, segments and lengths of a batch.
    """
    found: dict[str, Moments] = {}

    def measure(layer: Any, flow: TrunkState) -> Tensor | None:
        if not _adapts(layer):
            return None
        outputs, mean, variance = layer.normalize_by_batch(flow.features, flow.segments, flow.padding)
        count = int(np.count_nonzero(ops.convert_to_numpy(flow.segments) >= 0))
        found[layer.name] = Moments(count, as_double(mean), as_double(variance))
        return outputs

    lengths = ops.convert_to_tensor(inputs["lengths"])
    features, segments = (ops.convert_to_tensor(inputs[name]) for name in ("features", "segments"))
    run(_nodes_to_last(model), TrunkState(features, segments, lengths.shape[1], training=False, interceptor=measure))
    return [found[layer.name] for layer in adapting_layers(model)]


def _adapts(layer: Any) -> bool:
    return isinstance(layer, MaskedBatchNormalization) and bool(layer.trainable)


def _nodes_to_last(model: SequenceModel) -> Nodes:
    """Return the trunk without the nodes after the last layer that adapts."""
    trunk = model.stack.trunk
    places = [index for index, node in enumerate(trunk) if any(_adapts(layer) for layer in walk((node,)))]
    return trunk[: places[-1] + 1] if places else ()
