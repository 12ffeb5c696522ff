"""`audit`: does the batch change a model's answers, and which layers are the cause?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqconv.errors import ManifestError, ShapeError
from seqconv.inspection.audit_report import Audit
from seqconv.inspection.findings import make_finding
from seqconv.inspection.graph import read_graph
from seqconv.inspection.padding_probe import Subject, make_sequences, measure
from seqconv.inspection.static_audit import find_suspects
from seqconv.tasks import find_task

MOST_SEQUENCES = 100


def audit(model: Any, sequences: Any = None, *, seed: int = 0) -> Audit:
    """Check whether padding and batch mates change the answers of any Keras sequence model, and which layers cause it.

    Each sequence is asked about alone, with 1, 2, 7 and 64 frames of padding appended, and among others in a batch. A
    stock model is padded with zeros; a model that is told which frames are real finds garbage in the others.

    Args:
        model: a Keras model over `(batch, time, ...)`, or over that and a boolean mask `(batch, time)`.
        sequences: arrays `(time, num_features)` or a source of them, of which 100 at most are taken, evenly spread;
            default: 32 of random numbers.
        seed: of random sequences, garbage and batches.

    Raises:
        ModelError: the model has other inputs than features and a mask, or several outputs.
        ShapeError: the sequences have another number of features than the model.
        ManifestError: every sequence is too short for the model.

    >>> from seqconv.models import build_model
    >>> audit(build_model({"blocks": [{"filters": 4}]}, num_features=2, num_outputs=3)).passes
    True
    """
    from seqconv.models.card import read_card

    graph = read_graph(model)
    findings = find_suspects(model, graph)
    if any(finding.problem == "fixed_length" for finding in findings):
        return Audit(model.name, tuple(findings), (), "nothing: only one length fits")
    subject = Subject(model, graph)
    if sequences is None:
        arrays = make_sequences(subject, seed)
        data = f"{len(arrays)} sequences of random numbers"
    else:
        arrays, data = _choose(sequences, subject)
    target = read_card(model).target
    is_labeled = target is None or bool(find_task(target.task).class_names(target.names))
    measurements = measure(subject, arrays, is_labeled=is_labeled, seed=seed)
    failed = {each.what for each in measurements if not each.passes}
    findings += [
        make_finding(f"changes_with_{what}", kind=type(model).__name__) for what in sorted(failed, reverse=True)
    ]
    return Audit(model.name, tuple(findings), tuple(measurements), data)


def _choose(sequences: Any, subject: Subject) -> tuple[list[Any], str]:
    """Choose at most 100 arrays, evenly spread, without those that are too short."""
    count = len(sequences.lengths) if hasattr(sequences, "lengths") else len(sequences)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_SEQUENCES)).astype(int))
    arrays = [np.asarray(sequences[int(index)], np.float32) for index in chosen]
    _check_shapes(arrays, subject)
    long_enough = [array for array in arrays if len(array) >= subject.min_frames]
    if not long_enough:
        raise ManifestError(
            f"none of {len(arrays)} sequences reaches the {subject.min_frames} frames that the model needs at least."
        )
    short = len(arrays) - len(long_enough)
    lengths = [len(array) for array in long_enough]
    notes = f", {short} too short for the model left out" if short else ""
    of_all = "" if count == len(arrays) else f" of {count}"
    return long_enough, f"{len(long_enough)}{of_all} sequences of {min(lengths)} to {max(lengths)} frames{notes}"


def _check_shapes(arrays: Sequence[Any], subject: Subject) -> None:
    expected = subject.shape[2:]
    for array in arrays:
        fits = array.ndim == len(expected) + 1 and all(
            size in (None, found) for size, found in zip(expected, array.shape[1:], strict=True)
        )
        if not fits:
            shown = ", ".join("any" if size is None else str(size) for size in expected)
            raise ShapeError(f"a sequence has shape {array.shape}, but the model takes (time, {shown}).")
