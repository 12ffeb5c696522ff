"""Plain facts of a run: the top of the page, the amount of data, batches, and speed."""

from typing import Any

import numpy as np

from seqconv.reports.names import label
from seqconv.reports.report_inputs import Material
from seqconv.reports.scores import headline
from seqconv.reports.tables import Table, interval_text, make_table, number, percent
from seqconv.text import amount


def tiles(material: Material) -> list[tuple[str, str, str]]:
    """Return name, value and the text below it."""
    folder = material.folder
    found, split = list[tuple[str, str, str]](), folder.scored_split
    if split is not None:
        metrics, task = folder.metrics[split], folder.config.target.task
        for name in dict.fromkeys([headline(task), folder.config.monitor.removeprefix("val_"), "loss"]):
            if isinstance(metrics.get(name), float):
                interval = interval_text(metrics["intervals"].get(name))
                found.append((label(name), number(metrics[name]), interval))
    if len(folder.history):
        seconds = folder.history["seconds"].sum() if "seconds" in folder.history else None
        below = "" if seconds is None else f"{seconds:.0f} s of training"
        found.append(("epochs", f"{len(folder.history)}", below))
    if "parameters" in folder.facts:
        below = f"{folder.facts['model_bytes'] / 1e6:.2f} MB" if "model_bytes" in folder.facts else ""
        found.append(("parameters", f"{folder.facts['parameters']:,}", below))
    if material.plan is not None:
        found.append(("padding", percent(material.plan.padding_ratio), f"{material.plan.strategy} batches"))
    return found


def data_table(material: Material) -> Table | None:
    """Return sequences, frames and duration of each split."""
    rows, seconds = [], material.seconds_per_frame
    splits = material.folder.splits
    counted: dict[Any, int] = {} if splits.empty else splits["split"].value_counts().to_dict()
    for split in ("train", "valid", "test"):
        lengths = material.lengths(split)
        metrics = material.folder.metrics.get(split, {})
        if lengths is not None:
            hours = None if seconds is None else float(lengths.sum()) * seconds / 3600
            row = [
                len(lengths),
                int(lengths.sum()),
                hours,
                int(lengths.min()),
                float(np.median(lengths)),
                int(lengths.max()),
            ]
        elif split in counted or metrics:
            row = [int(counted.get(split, metrics.get("num_sequences"))), *[None] * 5]
        else:
            continue
        rows.append([split, *row])
    columns = ["split", "sequences", "frames", "hours", "shortest", "median", "longest"]
    return make_table(columns, rows) if rows else None


def plan_facts(material: Material) -> list[tuple[str, str]]:
    plan = material.plan
    if plan is None:
        return []
    fates = {"dropped": plan.dropped, "cropped": plan.cropped, "in rows of their own": plan.in_own_batch}
    told = [f"{count:,} {fate}" for fate, count in fates.items() if count]
    return [
        ("strategy", plan.strategy),
        ("padding ratio", f"{plan.padding_ratio:.4f}"),
        ("steps in epoch 1", f"{len(plan):,}"),
        ("sequences a step", f"{plan.mean_sequences:.1f}"),
        ("frames a step", f"{plan.total_frames / len(plan):,.0f}"),
        *([("too long", ", ".join(told))] if told else []),
    ]


def speed_facts(material: Material) -> list[tuple[str, str]]:
    history, facts = material.folder.history, material.folder.facts
    found = []
    if "frames_per_second" in history:
        warm = history.iloc[1:] if len(history) > 1 else history
        found.append(("throughput", f"{warm['frames_per_second'].median():,.0f} frames / s"))
        if "data_wait" in history:
            found.append(("waiting for data", percent(float(warm["data_wait"].sum() / warm["seconds"].sum()))))
    if facts.get("compilations") is not None:
        found.append(("compiled", amount(facts["compilations"], "shape")))
    if "latency_seconds" in facts:
        found.append(("one sequence alone", f"{facts['latency_seconds'] * 1000:.1f} ms"))
    return found
