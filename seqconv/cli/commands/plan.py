"""`seqconv plan`, `python scripts/plan.py`: the lengths of a data set, and the cost of each strategy."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqconv.cli.options import CONFIG, Group, command, overrides, refuse_members, settable
from seqconv.cli.splits import read_rows
from seqconv.errors import ConfigError, ManifestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seqconv.batching import Plan
    from seqconv.config import Config

SIZES = ("batching.batch_size", "batching.frames_per_batch")
_BINS = 12
_BAR = 40


@command(
    "plan",
    "Show the lengths of a data set and what each way of batching it would cost. Reads no audio, only how long it is.",
    Group(
        {
            "--manifest FILE": ("manifest, folder or .ts file (default: the config's)", {"dest": "data.manifest"}),
            "--lengths FILE": "frames of each sequence: a number a line, or a CSV with a column num_frames",
        }
    ),
    {
        "--config FILE": f"for its features, batching, model and manifest: {CONFIG}",
        "--split NAME": "only this split of the manifest (default: all)",
        "--batch-size N": ("sequences in an average batch", {"dest": SIZES[0]}),
        "--frames-per-batch N": ("frames in a batch, instead of --batch-size", {"dest": SIZES[1]}),
        "--sample-rate HZ": ("features.sample_rate", {"dest": "features.sample_rate"}),
        "--hop-length N": ("features.hop_length, in samples", {"dest": "features.hop_length"}),
    },
    settable("batching.num_buckets=16"),
)
def main(arguments: argparse.Namespace) -> None:
    """Print lengths and plans."""
    from seqconv.config import load_config

    # One size replaces the other one of a config.
    for size, other in (SIZES, SIZES[::-1]):
        if getattr(arguments, size) is not None and getattr(arguments, other) is None:
            arguments.set.append(f"{other}=null")
    config = load_config(arguments.config or {}, overrides(arguments))
    refuse_members(config, "plan")
    lengths = _read_lengths(arguments, config)
    plans, notes = plan_all(lengths, config)
    print(describe_lengths(lengths))
    print()
    print(compare(plans))
    for note in notes:
        print(note)


def _read_lengths(arguments: argparse.Namespace, config: "Config") -> "NDArray[np.int64]":
    from seqconv.batching.lengths import check_lengths
    from seqconv.cli.lengths import cut_lengths, measure_lengths, read_lengths

    if arguments.lengths is not None:
        if arguments.split is not None:
            raise ConfigError(f"--split {arguments.split} chooses from a manifest; a list of lengths has no splits")
        return check_lengths(read_lengths(arguments.lengths))
    frame = read_rows(config, "there is nothing to plan: give --manifest FILE, --lengths FILE")
    if arguments.split is not None:
        splits = frame["split"].dropna().unique().tolist()
        frame = frame[frame["split"] == arguments.split]
        if frame.empty:
            raise ManifestError(f"no recording has split '{arguments.split}'. Known: {', '.join(splits) or 'none'}")
    cutting = config.data_spec.segmentation
    return check_lengths(cut_lengths(measure_lengths(frame, config.features), cutting, config.features))


def plan_all(lengths: "NDArray[np.int64]", config: "Config") -> tuple[list["Plan"], list[str]]:
    """Return a plan for each strategy that suits the model, and remarks on them."""
    from seqconv.batching.strategies import STRATEGIES, make_plan
    from seqconv.config.batching import planning_options
    from seqconv.geometry import receptive_field, total_stride

    model = config.model.fitted_to(lengths)
    batching, geometry = config.batching, model.time_geometry
    is_recurrent = bool(model.unpackable)
    # A strategy of a user's own may need options: it is shown if the config chooses it.
    names = [name for name in STRATEGIES if STRATEGIES.origin(name) is None or name == batching.strategy]
    names = [name for name in names if not (STRATEGIES[name].fills_rows and is_recurrent)]
    field = "the whole sequence" if model.sees_all else f"{receptive_field(geometry)} frames"
    notes = [f"model: receptive field {field}, total stride {total_stride(geometry)}"]
    if config.recipe is not None:
        notes.append(
            f"recipe {config.recipe} chooses model and batches, so these plans are of the default model; plan with the "
            "config.yaml of its run"
        )
    if config.training.sampling != "natural":
        notes.append(f"each sequence once: training.sampling '{config.training.sampling}' needs labels, unknown here")
    if is_recurrent:
        notes.append("without packed: the model has a recurrent layer, which cannot be packed")
    plans = [
        make_plan(name, lengths, **planning_options(batching, name, seed=config.seed, time_geometry=geometry))
        for name in names
    ]
    fates = ((plan, getattr(plan, fate)) for plan in plans for fate in ("dropped", "cropped", "in_own_batch"))
    notes += [
        f"{plan.strategy}: {count:,} over {plan.max_frames:,} frames are too long (too_long: {batching.too_long})"
        for plan, count in fates
        if count
    ]
    return plans, notes


def describe_lengths(lengths: "NDArray[np.int64]") -> str:
    """Return count, quantiles and a histogram over bins that grow geometrically.

    >>> import numpy as np
    >>> print(describe_lengths(np.array([10, 10, 20])).splitlines()[0])
    3 sequences, 40 frames; shortest 10, median 10, mean 13, 99 % within 20, longest 20
    """
    import numpy as np

    median, high = np.quantile(lengths, [0.5, 0.99], method="higher")
    lines = [
        f"{len(lengths):,} sequences, {lengths.sum():,} frames; shortest {lengths.min():,}, median {median:,}, "
        f"mean {lengths.mean():,.0f}, 99 % within {high:,}, longest {lengths.max():,}"
    ]
    edges = np.unique(np.geomspace(lengths.min(), lengths.max() + 1, _BINS + 1).round().astype(np.int64))
    counts, _ = np.histogram(lengths, edges)
    for low, upper, count in zip(edges[:-1], edges[1:], counts, strict=True):
        bar = "█" * round(_BAR * count / counts.max()) or ("▏" if count else "")
        lines.append(f"{low:>8,} - {upper - 1:<8,} {count:>8,} {bar}".rstrip())
    return "\n".join(lines)


def compare(plans: Sequence["Plan"]) -> str:
    """Return a table of plans: steps, shapes, padding and size of a step."""
    lines = [
        f"{'strategy':<10}{'batches':>9}{'shapes':>8}{'padding_ratio':>15}{'padding_per_real_frame':>24}"
        f"{'frames/step':>13}{'sequences/step':>16}"
    ]
    for plan in plans:
        per_real = plan.total_frames / plan.num_frames - 1
        lines.append(
            f"{plan.strategy:<10}{len(plan):>9,}{len(plan.shapes):>8,}{plan.padding_ratio:>15.4f}{per_real:>24.4f}"
            f"{plan.total_frames / len(plan):>13,.0f}{plan.mean_sequences:>16.1f}"
        )
    return "\n".join(lines)
