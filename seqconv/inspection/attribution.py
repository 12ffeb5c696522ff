"""Attribution: how much each frame of a recording adds to the logit of a class."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqconv.errors import ModelError, ShapeError, list_some
from seqconv.inspection.effects import kind_of
from seqconv.inspection.heads import Head, run_to_head
from seqconv.layers import FeatureNormalization
from seqconv.layers.reduction import as_double
from seqconv.layers.shares import Array, Mask, Shares, shares_in_maximum, shares_in_mean
from seqconv.prediction.forward import check_source
from seqconv.sources import ArraySource


@dataclass(frozen=True)
class Contributions:
    """The contributions of a sequence: `frames` and `bias` sum to `logit`.

    Attributes:
        output: number of the logit, that of the predicted class unless another was asked for.
        label: its name, or its number.
        logit: what the model says.
        frames: what each frame adds, `(time,)`; frames of the last layer before the poolings.
        positions: the input frame that each of them stands for, which is in its receptive field.
        bias: what no frame adds.
        is_exact: whether the logit is this sum by the model's own arithmetic, and not by a rule for sharing it out.
        notes: what that rule is, and where.
        seconds_per_frame: of the input, where it is known.
    """

    output: int
    label: str
    logit: float
    frames: Array
    positions: Array
    bias: float
    is_exact: bool
    notes: tuple[str, ...]
    seconds_per_frame: float | None

    @property
    def stride(self) -> int:
        """Input frames from one frame to the next."""
        return int(self.positions[1] - self.positions[0]) if len(self.positions) > 1 else 1

    def __str__(self) -> str:
        total, sign = self.frames.sum(), "+" if self.bias >= 0 else "-"
        best = np.argsort(-self.frames, kind="stable")[:3]
        worst = [i for i in np.argsort(self.frames, kind="stable")[:3] if self.frames[i] < 0]
        exact = "exact: this sum is how the model computes the logit"
        lines = [
            f"logit of '{self.label}': {self.logit:.4f} = {total:.4f} from {len(self.frames)} frames {sign} "
            f"{abs(self.bias):.4f} that no frame adds (bias)",
            f"most for it: {', '.join(map(self._frame, best))}",
            f"most against: {', '.join(map(self._frame, worst))}" if worst else "",
            exact if self.is_exact else f"not exact: {' '.join(self.notes)}",
        ]
        return "\n".join(filter(None, lines))

    def _frame(self, index: int) -> str:
        frame = int(self.positions[index])
        time = "" if self.seconds_per_frame is None else f" at {frame * self.seconds_per_frame:.2f} s"
        return f"frame {frame}{time} ({self.frames[index]:+.4f})"


def contributions(model: Any, features: Any, *, output: int | str | None = None) -> Contributions:
    """Return what each frame of one sequence adds to the logit of a class, by default the predicted one.

    Exact where poolings are means, maxima or last frames, and one Dense layer follows: the logit is a sum over frames
    then. Otherwise frames get shares by rules that `notes` names. They always sum to the logit.

    Args:
        model: a `SequenceModel`, or a Keras model that ends in global poolings and Dense layers.
        features: one sequence `(time, num_features)`.
        output: number or name of a class.

    Raises:
        ModelError: the model has another kind of head, no such output, or several of them.
        ShapeError: the features are not one sequence, or have another number of features than the model.
        ManifestError: the sequence is too short for the model.

    >>> from seqconv.models import build_model
    >>> model = build_model({"blocks": [{"filters": 4}], "pooling": "mean"}, num_features=2, num_outputs=3)
    >>> found = contributions(model, np.ones((6, 2)))
    >>> found.is_exact, bool(np.isclose(found.frames.sum() + found.bias, found.logit))
    (True, True)
    """
    from seqconv.models.card import read_card, seconds_per_frame

    head = run_to_head(model, as_sequence(model, features))
    shares = [_shares_of(pooling, head.frames, head.is_real) for pooling in head.poolings]
    frames = np.concatenate([each.frames for each in shares], axis=1)
    rest = np.concatenate([each.rest for each in shares])
    logits, slopes, bias = _straighten(head, frames.sum(axis=0) + rest)
    target = read_card(model).target
    names = [] if target is None else list(target.names)
    chosen = _choose_output(model, output, logits, names)
    notes = [each.note for each in shares if each.note]
    if sum(kind_of(layer) == "Dense" for layer in head.dense) > 1:
        notes.append(
            "Hidden Dense layers follow the pooling: their units are taken as on or off, as this recording leaves them."
        )
    added = frames @ slopes[:, chosen]
    return Contributions(
        output=chosen,
        label=str(names[chosen]) if names else str(chosen),
        logit=float(logits[chosen]),
        frames=added,
        positions=np.arange(len(added)) * head.stride,
        bias=float(bias[chosen] + rest @ slopes[:, chosen]),
        is_exact=not notes,
        notes=tuple(dict.fromkeys(notes)),
        seconds_per_frame=seconds_per_frame(model, None),
    )


def as_sequence(model: Any, features: Any) -> Array:
    """Return one sequence `(time, num_features)` as float32, if the model can take it.

    Raises:
        ShapeError: the array has another number of axes, or of features than the model.
        ManifestError: it is too short for the model.
        ModelError: the model does not take sequences, or has several outputs.
    """
    sequence = np.asarray(features, np.float32)
    if sequence.ndim != 2:
        raise ShapeError(f"expected one sequence (time, num_features), got an array of shape {sequence.shape}.")
    check_source(model, ArraySource([sequence], ["the recording"]))
    return sequence


def _shares_of(pooling: Any, frames: Array, is_real: Mask) -> Shares:
    """Return the shares of frames `(time, channels)` in the output of a global pooling.

    A mean is a sum over its frames, and a maximum is the one frame that has it (equal ones share it). What is not a
    sum is divided among the frames by a rule that the note names.

    Raises:
        ModelError: a pooling that is not known.
    """
    kind = kind_of(pooling)
    if kind == "GlobalAveragePooling1D":
        return shares_in_mean(frames, is_real)
    if kind == "GlobalMaxPooling1D":
        return shares_in_maximum(frames)
    if hasattr(pooling, "shares"):
        return Shares(*pooling.shares(frames, is_real))
    raise ModelError(f"'{pooling.name}' is a {kind}, and seqconv does not know what a frame contributes to it.")


def _straighten(head: Head, pooled: Array) -> tuple[Array, Array, Array]:
    """Return logits, and the straight line `pooled @ slopes + bias` that runs through them here."""
    # Up to the first Dense layer, the diagonal of a matrix, which for a ridge's features would take gigabytes.
    slopes, bias, values = np.ones(len(pooled)), np.zeros(len(pooled)), pooled
    for layer in head.dense:
        if isinstance(layer, FeatureNormalization):
            mean, deviation = as_double(layer.mean), np.sqrt(as_double(layer.variance))
            slopes, bias, values = slopes / deviation, (bias - mean) / deviation, (values - mean) / deviation
            continue
        kernel, offset = as_double(layer.kernel), as_double(layer.bias) if layer.use_bias else 0.0
        slopes = slopes[:, None] * kernel if slopes.ndim == 1 else slopes @ kernel
        bias, values = bias @ kernel + offset, values @ kernel + offset
        name = layer.activation.__name__
        if layer is head.dense[-1]:
            continue
        if name == "relu":
            is_on = values > 0
            slopes, bias, values = slopes * is_on, bias * is_on, values * is_on
        elif name != "linear":
            raise ModelError(f"'{layer.name}' is after the pooling and has the activation {name}; known: relu, linear.")
    return values, slopes, bias


def _choose_output(model: Any, output: int | str | None, logits: Array, names: list[str]) -> int:
    if output is None:
        return int(np.argmax(logits))
    if isinstance(output, str):
        if output not in names:
            raise ModelError(f"model '{model.name}' has no output '{output}'. It has: {list_some(names, 20)}.")
        return names.index(output)
    if not 0 <= output < len(logits):
        raise ModelError(f"model '{model.name}' has outputs 0 to {len(logits) - 1}, not {output}.")
    return output
