"""Parts of a user's own: one of each kind, as the guide shows them."""

from typing import Literal

import numpy as np
from keras import ops
from pydantic import Field

from seqconv import register
from seqconv.batching import plan_padded
from seqconv.batching.strategies import Strategy
from seqconv.data.augmentation.settings import FeatureTransform
from seqconv.features import RecordedKind
from seqconv.geometry import TimeLayer
from seqconv.layers import GlobalPooling1D, MaskedMaxPooling1D
from seqconv.layers.reduction import as_double
from seqconv.metrics import Metric
from seqconv.models import Block, PoolingHead
from seqconv.tasks import Task
from seqconv.tasks.forms import Fitted


@register
class Thinning(Block):
    """The largest of three frames, of every second one."""

    type: Literal["thinning"]
    padding: Literal["same", "causal"] = "same"

    @property
    def time_layers(self):
        return (TimeLayer(3, 2, 1, self.padding),)

    def build(self, channels, scope):
        return (MaskedMaxPooling1D(3, strides=2, padding=self.padding, **scope.options("thin")),), channels


class RootMeanSquarePooling(GlobalPooling1D):
    """One vector for each segment; pieces of a long recording are summed."""

    def summarize_members(self, members):
        return {"count": members.count, "squares": members.total(ops.square(members.frames))}

    @staticmethod
    def merge(first, second):
        return {name: as_double(first[name]) + as_double(second[name]) for name in first}

    def pool(self, summary):
        return ops.sqrt(summary["squares"] / ops.maximum(summary["count"], 1) + 1e-6)


@register
class RootMeanSquare(PoolingHead):
    """The root of the mean square of the frames of each sequence."""

    type: Literal["root_mean_square"]

    def build(self, **options):
        return RootMeanSquarePooling(**options)


@register
class Crossings(RecordedKind):
    """Energy and zero crossings of each frame that the recording fills."""

    kind: Literal["crossings"] = "crossings"
    bands: int = Field(default=2, ge=1, description="Parts of a frame whose crossings are counted.")

    @property
    def num_features(self):
        return 1 + self.bands

    def count_frames(self, num_samples):
        return 1 + max(num_samples - self.n_fft, 0) // self.hop_length

    def transform(self, frames):
        energy = np.log(np.square(frames).mean(axis=1) + 1e-6)
        parts = np.array_split(np.diff(np.signbit(frames), axis=1), self.bands, axis=1)
        return np.stack([energy, *(part.mean(axis=1) for part in parts)], axis=1).astype(np.float32)


def plan_small(lengths, *, most: int = 3, batch_size=None, **options):
    """Padded batches of few sequences."""
    return plan_padded(lengths, batch_size=min(most, batch_size or most), **options)


register(Strategy("small", plan_small))


@register
class Scale(FeatureTransform):
    """Features become larger or smaller."""

    type: Literal["scale"]
    most: float = 1.2

    def apply(self, features, rng):
        return features * np.float32(rng.uniform(1 / self.most, self.most))


@register
class CornerDistance(Metric):
    """Mean distance of predicted corners: less is better."""

    name = "corner_distance"
    label = "distance of corners"
    larger_is_better = False
    tasks = ("corner",)

    def compute(self, targets, predictions, names):
        return float(np.linalg.norm(predictions[:, :2] - targets, axis=1).mean())


@register
class Corner(Task):
    """Two whole numbers, written `3;4`; a model predicts both and how unsure it is: three outputs for two numbers."""

    name = "corner"
    label_dtype = "int32"
    text_columns = frozenset()

    def fit(self, raw_labels, *, names, separator, ids=None):
        return Fitted(("x", "y", "doubt"))

    def encode(self, target, raw_labels, ids=None):
        return np.array([[int(part) for part in str(label).split(";")] for label in raw_labels], "int32")

    def label_shape(self, target):
        return (2,)

    def decode(self, target, outputs, threshold):
        return [f"{round(row[0])};{round(row[1])}" for row in np.asarray(outputs)]

    def make_loss(self, label_smoothing=0.0, focusing=0.0):
        import keras

        class CornerLoss(keras.losses.Loss):
            def call(self, y_true, y_pred):
                wanted = keras.ops.cast(y_true, y_pred.dtype)
                return keras.ops.sum((y_pred[..., :2] - wanted) ** 2, -1) + y_pred[..., 2] ** 2

        return CornerLoss(reduction="sum")

    def losses(self, targets, predictions, scale=1):
        predictions = np.asarray(predictions)
        return ((predictions[:, :2] - targets) ** 2).sum(axis=1) + predictions[:, 2] ** 2

    def compute_scores(self, targets, predictions, names, decided, num_bins):
        return {"largest_error": float(np.abs(np.asarray(predictions)[:, :2] - targets).max()), "notes": {}}

    def prediction_columns(self, target, predictions, decided=None):
        return {f"prediction_{name}": predictions[:, place] for place, name in enumerate(target.names)}

    def truth_columns(self, target, targets):
        return {f"label_{name}": targets[:, place].astype(int) for place, name in enumerate("xy")}
