"""`seqconv extract`, `python scripts/extract.py`."""

import argparse
import time
from typing import TYPE_CHECKING

from seqconv.cli.interruption import interruptible
from seqconv.cli.options import CONFIG, command, overrides, settable
from seqconv.cli.splits import read_rows

if TYPE_CHECKING:
    from seqconv.features.store import FeatureStore


@command(
    "extract",
    "Extract the features of a manifest into a store, or bring it up to date.",
    {
        "--config FILE": CONFIG,
        "--manifest FILE": ("manifest, folder or .ts file (default: the config's)", {"dest": "data.manifest"}),
        "--kind KIND": ("kind of features, such as log_mel (default: the config's)", {"dest": "features.kind"}),
        "--output DIR": "folder of the store (default: one in the cache)",
        "--cache-dir DIR": ("folder of the cache (default: the config's)", {"dest": "data.cache_dir"}),
        "--workers N": ("processes; 0 works in this one (default: one per core)", {"dest": "data.num_workers"}),
    },
    settable("features.n_mels=40"),
)
def main(arguments: argparse.Namespace) -> None:
    """Fill the store."""
    from seqconv.config import load_config
    from seqconv.features.store import build_store

    config = load_config(arguments.config or {}, overrides(arguments))
    data, frame = config.data, read_rows(config, "there is nothing to extract: give --manifest FILE")
    started = time.perf_counter()
    with interruptible("what was extracted is kept; run it again to go on"):
        store = build_store(
            frame, config.features, arguments.output, num_workers=data.num_workers, cache_dir=data.cache_dir
        )
    print(_summary(store, time.perf_counter() - started))


def _summary(store: "FeatureStore", seconds: float) -> str:
    from seqconv.features.kinds import RecordedKind

    settings, num_frames = store.settings, int(store.lengths.sum())
    lines = {
        "sequences": f"{len(store)} ({store.num_extracted} extracted now, {len(store) - store.num_extracted} cached)",
        "frames": f"{num_frames}, {store.lengths.min()} to {store.lengths.max()} per sequence",
        "features": f"{store.num_features} per frame ({settings.kind})",
        "time": f"{seconds:.1f} s",
    }
    if isinstance(settings, RecordedKind):
        hours = num_frames * settings.seconds_per_frame / 3600
        lines["hours"] = f"{hours:.2f}"
        if store.num_extracted == len(store):
            lines["time"] += f", {hours * 3600 / seconds:.0f} times real time"
    lines["store"] = str(store.path)
    return "\n".join(f"{name:<10} {text}" for name, text in lines.items())
