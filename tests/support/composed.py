"""Long recordings of real prompts for tests, a few seconds' work: as `make_prompts.py --compose` makes them."""

import importlib
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 16}


def compose(folder: Path, *, minutes: float = 0.5, num_recordings: int = 9) -> Path:
    """Nine half-minutes: six to train on, one to validate, two to test."""
    made = prompts_module("composition")
    made.compose(ROOT / "data" / "prompts", folder, minutes=minutes, num_recordings=num_recordings)
    return folder


def compose_digits(folder: Path, *, num_strings: int) -> Path:
    """Strings of recorded digits, as `make_prompts.py --compose-digits` makes them."""
    folder.mkdir(exist_ok=True)
    prompts_module("digit_strings").compose_digits(ROOT / "data" / "prompts", folder, num_strings=num_strings)
    return folder


def prompts_module(name: str) -> Any:
    """One of the modules beside `scripts/make_prompts.py`."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module(f"prompts.{name}")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def config(folder: Path, **sections):
    """A quick config on composed recordings: windows of a second, labeled by events."""
    base = {
        "data": {
            "manifest": str(folder / "manifest.csv"),
            "events": str(folder / "events.csv"),
            "windows": {"seconds": 1.0, "hop": 0.5},
            "num_workers": 0,
        },
        "target": {"background": "nobody"},
        "features": FEATURES,
        "batching": {"batch_size": 32},
        "model": {"blocks": [{"filters": 16, "kernel_size": 5, "strides": 2}, {"filters": 16, "kernel_size": 3}]},
        "training": {"epochs": 15, "learning_rate": 1e-2},
        "evaluation": {"bootstrap": 20, "report": False},
    }
    return {name: {**base.get(name, {}), **sections.get(name, {})} for name in {**base, **sections}}
