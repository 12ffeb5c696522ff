"""The report of an audit: findings, measurements and a verdict."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seqconv.inspection.findings import FAULT, Finding
from seqconv.inspection.padding_probe import Measurement
from seqconv.inspection.table import as_text
from seqconv.text import amount


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


def _finding(finding: Finding) -> Iterator[Any]:
    is_fault = finding.severity == FAULT
    mark = ("x ", "bold red") if is_fault else ("! ", "yellow")
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
        style = "" if each.passes else "red"
        share = f"{each.flipped} of {each.sequences}"
        verdict = "ok, rounding" if each.passes else "too much"
        table.add_row(_what(each), share, f"{each.largest_change:.2g}", verdict, style=style)
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
