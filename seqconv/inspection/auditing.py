"""`audit`: does the batch change a model's answers, and which layers are the cause?"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seqconv.errors import ManifestError, ShapeError
from seqconv.inspection.findings import FAULT, NOTE, Finding, make_finding
from seqconv.inspection.graph import read_graph
from seqconv.inspection.padding_probe import Measurement, Subject, check_time_axis, make_sequences, measure
from seqconv.inspection.static_audit import find_suspects
from seqconv.inspection.table import as_text
from seqconv.models.stock import answers_any_length, check_answers
from seqconv.prediction.stock import as_tokens
from seqconv.tasks import find_task
from seqconv.text import amount

MOST_SEQUENCES = 100


@dataclass(frozen=True)
class Audit:
    """Findings on single layers, and measurements. It prints as a report.

    Attributes:
        name: of the model.
        findings: what is wrong, layer by layer, then of the model as a whole.
        measurements: labels flipped and largest change of a logit, by surroundings; empty where a model takes sequences
            of one length only.
        data: what it was measured on.
    """

    name: str
    findings: tuple[Finding, ...]
    measurements: tuple[Measurement, ...]
    data: str

    @property
    def passes(self) -> bool:
        """Whether no finding is a fault, and no measured change is more than rounding."""
        return not any(finding.severity == FAULT for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON; a change that is not a number is null."""
        measured = [{**asdict(each), "passes": each.passes} for each in self.measurements]
        for each in measured:
            each["largest_change"] = each["largest_change"] if np.isfinite(each["largest_change"]) else None
        return {
            "model": self.name,
            "passes": self.passes,
            "data": self.data,
            "findings": [asdict(finding) for finding in self.findings],
            "measurements": measured,
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for finding in self.findings:
            yield from _finding(finding)
        if self.measurements:
            yield Text(f"\nmeasured on {self.data}, against each sequence alone:")
            yield _measured(self)
        else:
            yield Text("\nnot measured: only one length fits")
        yield _verdict(self)

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = 100) -> str:
        """Return the report as text of at most `width` columns."""
        return as_text(self, width).lstrip()


def audit(model: Any, sequences: Any = None, *, seed: int = 0) -> Audit:
    """Check whether padding and batch mates change the answers of any Keras sequence model, and which layers cause it.

    Each sequence is run alone, with 1, 2, 7 and 64 frames of padding appended, and among others in a batch. A
    stock model is padded with zeros; a model that gets a mask or lengths gets garbage in the frames that are not real.

    Args:
        model: a Keras model over `(batch, time, ...)`, or over that and a boolean mask `(batch, time)`.
        sequences: arrays `(time, num_features)` or a source of them, of which 100 at most are taken, evenly spread;
            default: 32 of random numbers.
        seed: of random sequences, garbage and batches.

    Raises:
        ModelError: the model has other inputs than features and a mask, several outputs, keeps states, or has time on
            another axis.
        ShapeError: the sequences have another number of features than the model.
        ManifestError: every sequence is too short for the model.

    >>> from seqconv.models import build_model
    >>> audit(build_model({"blocks": [{"filters": 4}]}, num_features=2, num_outputs=3)).passes
    True
    """
    from seqconv.models.card import read_card

    check_answers(model)
    graph = read_graph(model, is_open=answers_any_length(model))
    check_time_axis(model, graph)
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
    failed = sorted({each.what for each in measurements if not each.passes}, reverse=True)
    if not failed:
        # What changes no answer is no fault of the answers.
        findings = [replace(finding, severity=NOTE) for finding in findings]
    findings += [make_finding(f"changes_with_{what}", kind=type(model).__name__) for what in failed]
    return Audit(model.name, tuple(findings), tuple(measurements), data)


def _choose(sequences: Any, subject: Subject) -> tuple[list[Any], str]:
    """Choose at most 100 arrays, evenly spread, without those that are too short."""
    count = len(sequences.lengths) if hasattr(sequences, "lengths") else len(sequences)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_SEQUENCES)).astype(int))
    arrays = [np.asarray(sequences[int(index)], np.float32) for index in chosen]
    if len(subject.shape) == 2:
        arrays = [as_tokens(subject.model, array, f"sequence {i}") for array, i in zip(arrays, chosen, strict=True)]
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


def _finding(finding: Finding) -> Iterator[Any]:
    mark = ("x ", "bold red") if finding.severity == FAULT else ("! ", "yellow")
    name = finding.layer or "the model"
    yield Text.assemble(mark, (name, "bold"), (f" ({finding.type})" if finding.type else "", "dim"))
    yield Padding(Text(f"{finding.verdict}."), (0, 0, 0, 2))
    yield Padding(Text(f"-> {finding.remedy}", style="green"), (0, 0, 0, 2))


def _measured(audit: Audit) -> Table:
    table = Table("what changed", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for title in ("labels flipped", "logits change by"):
        table.add_column(title, justify="right")
    table.add_column()
    for each in audit.measurements:
        verdict, style = ("ok, rounding", "") if each.passes else ("too much", "red")
        share, change = f"{each.flipped} of {each.sequences}", f"{each.largest_change:.2g}"
        table.add_row(_what(each), share, change, verdict, style=style)
    return table


def _what(measurement: Measurement) -> str:
    if measurement.frames is None:
        return "other sequences in the batch"
    return f"{amount(measurement.frames, 'frame')} of padding"


def _verdict(audit: Audit) -> Text:
    if audit.passes:
        return Text(f"{audit.name} passes: one sequence, one answer.", style="bold green")
    faults = sum(finding.severity == FAULT and bool(finding.layer) for finding in audit.findings)
    changes = [each for each in audit.measurements if not each.passes]
    parts = [f"{amount(faults, 'layer')} at fault"] if faults else []
    if changes:
        worst = max(changes, key=lambda each: each.flipped)
        parts.append(
            f"{_what(worst)} flip{'s' if worst.frames == 1 else ''} {worst.flipped} of {worst.sequences} labels"
        )
    return Text(f"{audit.name} fails: {', '.join(parts) or 'only one length fits'}.", style="bold red")
