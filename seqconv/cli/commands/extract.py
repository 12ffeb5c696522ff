"""`seqconv extract`, `python scripts/extract.py`."""

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqconv.cli.interruption import interruptible
from seqconv.cli.terminal import report_errors
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from seqconv.features.store import FeatureStore


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv extract", description="Extract the features of a manifest into a store, or bring it up to date."
    )
    parser.add_argument(
        "--config", metavar="FILE", help="a YAML file; looked up as given, then in the project's configs/"
    )
    parser.add_argument("--manifest", metavar="FILE", help="manifest, folder or .ts file (default: the config's)")
    parser.add_argument("--kind", help="kind of features, such as log_mel (default: the config's)")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting, for example --set features.n_mels=40 (may be repeated)",
    )
    parser.add_argument("--output", metavar="DIR", help="folder of the store (default: one in the cache)")
    parser.add_argument("--cache-dir", metavar="DIR", help="folder of the cache (default: the config's)")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes; 0 works in this one (default: one per core)"
    )
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    from seqconv.config import load_config
    from seqconv.data.manifest import load_manifest
    from seqconv.data.settings import check_made
    from seqconv.features.store import build_store

    config = load_config(arguments.config or {}, _overrides(arguments))
    if config.data.manifest is None:
        raise ConfigError("there is nothing to extract: give --manifest FILE, or a --config that sets data.manifest")
    check_made(config.data)
    frame = load_manifest(config.data.manifest, on_leak=config.data.on_leak)
    started = time.perf_counter()
    with interruptible("what was extracted is kept; run it again to go on"):
        store = build_store(
            frame,
            config.features,
            arguments.output,
            num_workers=config.data.num_workers,
            cache_dir=config.data.cache_dir,
        )
    print(_summary(store, time.perf_counter() - started))
    return 0


def _overrides(arguments: argparse.Namespace) -> list[str]:
    """The flags as settings: a text in quotes stays text, whatever it looks like in YAML."""
    import json

    flags: dict[str, Any] = {
        "data.manifest": arguments.manifest,
        "features.kind": arguments.kind,
        "data.cache_dir": arguments.cache_dir,
        "data.num_workers": arguments.workers,
    }
    return [
        *arguments.overrides,
        *(f"{name}={json.dumps(value)}" for name, value in flags.items() if value is not None),
    ]


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
