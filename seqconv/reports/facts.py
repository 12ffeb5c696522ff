"""Plain facts of a run: the top of the page, the amount of data, batches, and speed."""

from seqconv.reports.curves import after_first
from seqconv.reports.names import label
from seqconv.reports.report_inputs import Material
from seqconv.reports.tables import Table, interval_text, make_table, number, percent
from seqconv.text import amount

SPLITS = ("train", "valid", "test")


def tiles(material: Material) -> list[tuple[str, str, str]]:
    """Return name, value and the text below it."""
    folder = material.folder
    found, split = list[tuple[str, str, str]](), folder.scored_split
    if split is not None:
        metrics, headline = folder.metrics[split], folder.config.target.definition.headline
        for name in dict.fromkeys([headline, folder.config.monitor.removeprefix("val_"), "loss"]):
            if isinstance(metrics.get(name), float):
                found.append((label(name), number(metrics[name]), interval_text(metrics["intervals"].get(name))))
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
    rows, seconds, splits = [], material.seconds_per_frame, material.folder.splits
    counted = {} if splits.empty else splits["split"].value_counts().to_dict()
    for split in SPLITS:
        lengths, metrics = material.lengths(split), material.folder.metrics.get(split, {})
        if len(lengths):
            frames = int(lengths.sum())
            hours = None if seconds is None else frames * seconds / 3600
            rows.append([split, len(lengths), frames, hours, lengths.min(), float(lengths.median()), lengths.max()])
        elif split in counted or metrics:
            rows.append([split, counted.get(split, metrics.get("num_sequences")), *[None] * 5])
    columns = ["split", "sequences", "frames", "hours", "shortest", "median", "longest"]
    return make_table(columns, rows) if rows else None


def plan_facts(material: Material) -> list[tuple[str, str]]:
    """Return facts of the plan of the batches."""
    plan = material.plan
    if plan is None:
        return []
    fates = {"dropped": plan.dropped, "cropped": plan.cropped, "in rows of their own": plan.in_own_batch}
    too_long = ", ".join(f"{count:,} {fate}" for fate, count in fates.items() if count)
    return [
        ("strategy", plan.strategy),
        ("padding ratio", f"{plan.padding_ratio:.4f}"),
        ("steps in epoch 1", f"{len(plan):,}"),
        ("sequences a step", f"{plan.mean_sequences:.1f}"),
        ("frames a step", f"{plan.total_frames / len(plan):,.0f}"),
        *([("too long", too_long)] if too_long else []),
    ]


def speed_facts(material: Material) -> list[tuple[str, str]]:
    """Return facts of the speed of training and of the saved model."""
    history, facts = material.folder.history, material.folder.facts
    found = []
    if "frames_per_second" in history:
        warm = after_first(history)
        found.append(("throughput", f"{warm['frames_per_second'].median():,.0f} frames / s"))
        if "data_wait" in history:
            found.append(("waiting for data", percent(warm["data_wait"].sum() / warm["seconds"].sum())))
    if facts.get("compilations") is not None:
        found.append(("compiled", amount(facts["compilations"], "shape")))
    if "latency_seconds" in facts:
        found.append(("one sequence alone", f"{facts['latency_seconds'] * 1000:.1f} ms"))
    return found
