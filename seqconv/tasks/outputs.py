"""From logits to what a reader wants: probabilities, values, names, a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ModelError, list_some
from seqconv.metrics.thresholds import DEFAULT_THRESHOLD
from seqconv.tasks.raw_labels import number_columns
from seqconv.tasks.target import Target

FloatArray = npt.NDArray[np.float64]


def logits_to_predictions(target: Target, logits: npt.ArrayLike) -> FloatArray:
    """Probabilities (softmax; sigmoid for multilabel) or values in original units `(n, C)`, in float64.

    Two classes may come as one logit, that of the second class.

    Raises:
        ModelError: the model has another number of outputs than the target.

    >>> from seqconv.tasks.target import fit_target
    >>> logits_to_predictions(fit_target("classification", ["no", "yes"]), [[0.0], [800.0]]).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    from scipy.special import expit, softmax

    values: FloatArray = np.asarray(logits, dtype=np.float64)
    if target.task == "classification" and values.shape[1] == 1 and target.num_outputs == 2:
        values = np.hstack([np.zeros_like(values), values])
    if values.shape[1] != target.num_outputs:
        raise ModelError(
            f"the model has {values.shape[1]} outputs, but the target has {target.num_outputs}: "
            f"{list_some(target.names)}."
        )
    if target.task == "classification":
        values = softmax(values, axis=1)
    elif target.task == "multilabel":
        values = expit(values)
    else:
        values = target.unstandardize(values)
    return values


def name_predictions(
    target: Target, predictions: FloatArray, decided: npt.NDArray[Any] | None = None
) -> dict[str, Any]:
    """Columns of a table: `prediction`, and `p_<name>` for each class.

    Multilabel joins the names of the labels given. Regression has `prediction`, or `prediction_<name>` for each of
    several columns.

    Args:
        target: what the outputs mean.
        predictions: probabilities or values `(n, C)`.
        decided: class numbers `(n,)`, or which labels are given `(n, C)`; default: the most probable class, or the
            labels with a probability of 0.5 or more.
    """
    if target.task == "regression":
        return _name_values("prediction", target, predictions)
    if target.task == "classification":
        classes = predictions.argmax(axis=1) if decided is None else decided
        named = list(np.array(target.names, dtype=object)[classes].tolist())
    else:
        named = _join_names(target, predictions >= DEFAULT_THRESHOLD if decided is None else decided)
    return {"prediction": named, **{f"p_{name}": predictions[:, i] for i, name in enumerate(target.names)}}


def name_targets(target: Target, targets: FloatArray) -> dict[str, Any]:
    """The column `label` (or `label_<name>` for each of several numbers) from `true_values`.

    Where labels of several are missing, the column `missing` joins those that are.
    """
    if target.task == "regression":
        return _name_values("label", target, targets)
    if target.task == "classification":
        return {"label": target.decode(targets)}
    is_missing = np.isnan(targets)
    missing = {"missing": _join_names(target, is_missing)} if is_missing.any() else {}
    return {"label": _join_names(target, targets == 1), **missing}


def true_values(target: Target, raw_labels: Any, ids: Sequence[str]) -> FloatArray:
    """One-hot rows, 0/1 rows (NaN where a label is missing), or values in original units `(n, C)`: the truth.

    Raises:
        ManifestError: a label that is missing or that the target does not know.
    """
    if target.task == "regression":
        values: FloatArray = np.asarray(number_columns(raw_labels, ids, names=target.names)[0], np.float64)
        return values
    return target.encode(raw_labels, ids=ids).astype(np.float64)


def _name_values(prefix: str, target: Target, values: FloatArray) -> dict[str, Any]:
    """A column for each number; the prefix alone where there is but one."""
    if len(target.names) == 1:
        return {prefix: values[:, 0]}
    return {f"{prefix}_{name}": values[:, i] for i, name in enumerate(target.names)}


def _join_names(target: Target, chosen: npt.NDArray[np.bool_]) -> list[str]:
    # Frames come by the million, and in few combinations of labels.
    packed = np.packbits(chosen, axis=1)
    _, first, places = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    texts = [target.separator.join(labels) for labels in target.decode(chosen[first])]
    return list(np.array(texts, dtype=object)[places.ravel()].tolist())


def frame_columns(
    ids: Sequence[str],
    counts: npt.ArrayLike,
    stride: int,
    seconds: float | None = None,
    starts: npt.ArrayLike | None = None,
    *,
    first: int = 0,
) -> dict[str, Any]:
    """Columns of a table of output frames: `id`, `frame` (number of the input frame), and `time` where it is known.

    Args:
        ids: of the sequences.
        counts: output frames of each.
        stride: input frames from one output frame to the next.
        seconds: from one input frame to the next.
        starts: where in its recording a sequence starts, in seconds; NaN for the beginning.
        first: number of the first output frame, where tables of the same sequence came before.

    >>> {name: column.tolist() for name, column in frame_columns(["a", "b"], [2, 1], 2, 0.01).items()}
    {'id': ['a', 'a', 'b'], 'frame': [0, 2, 0], 'time': [0.0, 0.02, 0.0]}
    """
    number = np.asarray(counts)
    frames = np.concatenate([np.arange(first, first + count) * stride for count in number.tolist()])
    columns: dict[str, Any] = {"id": np.repeat(np.array(ids, dtype=object), number), "frame": frames}
    if seconds is not None:
        begins = np.zeros(len(number)) if starts is None else np.nan_to_num(np.asarray(starts, np.float64))
        # Times that are no longer exact read as such: 0.5700000000000001.
        columns["time"] = np.round(frames * seconds + np.repeat(begins, number), 6)
    return columns


def recording_starts(data: Any) -> npt.NDArray[np.float64] | None:
    """Where in its recording each sequence starts, in seconds; None where nobody knows of any but the beginning."""
    metadata = getattr(data, "metadata", None)
    return None if metadata is None or "start" not in metadata else np.asarray(metadata["start"], np.float64)
