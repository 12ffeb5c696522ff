"""The libraries that seqconv is measured against, or the reason why one is missing."""

import importlib
import sys
import warnings
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

REMEDY = "pip install -e '.[benchmark]'"
FRAMES_PER_SECOND = 100


def why_missing(*packages: str) -> str | None:
    """Return what is not installed, and how to get it; None if all of them are."""
    absent = [name for name in packages if find_spec(name) is None]
    return f"{', '.join(absent)} not installed: {REMEDY}" if absent else None


def import_torch() -> Any:
    """PyTorch, which crashes when TensorFlow was imported before it."""
    return importlib.import_module("torch")


def import_torchaudio() -> Any:
    """torchaudio, without its binaries where these are of another build of PyTorch: spectra do not use them."""
    try:
        return importlib.import_module("torchaudio")
    except (ImportError, OSError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        name = "torchaudio._extension"
        stand_in = ModuleType(name)
        stand_in.__dict__.update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, fail_if_no_align=lambda function: function)
        sys.modules[name] = stand_in
        return importlib.import_module("torchaudio")


def import_lhotse() -> Any:
    """lhotse, without its advice to read cuts lazily (they lie in memory), and on those over the budget (they stay)."""
    for message in ("You are using DynamicBucketingSampler with an eagerly", "We have exceeded the max_duration"):
        warnings.filterwarnings("ignore", message=message, module="lhotse")
    return importlib.import_module("lhotse")


def make_cuts(lengths: Any) -> Any:
    """A lhotse CutSet of cuts as long as `lengths`, in frames; their ids are the positions."""
    lhotse = import_lhotse()
    return lhotse.CutSet.from_cuts(
        lhotse.MonoCut(id=str(index), start=0, duration=round(frames / FRAMES_PER_SECOND, 2), channel=0)
        for index, frames in enumerate(lengths.tolist())
    )


def lhotse_sampler(cuts: Any, *, frames_per_batch: int, num_buckets: int, seed: int) -> Any:
    """lhotse's DynamicBucketingSampler with a budget in frames."""
    sampling = importlib.import_module("lhotse.dataset.sampling")
    max_duration = frames_per_batch / FRAMES_PER_SECOND
    return sampling.DynamicBucketingSampler(
        cuts, max_duration=max_duration, num_buckets=num_buckets, shuffle=True, seed=seed
    )


def import_speechbrain_sampler() -> Any:
    """SpeechBrain's DynamicBatchSampler.

    The package imports torchaudio, whose binaries need the CUDA build of PyTorch. The sampler makes no use of it, so an
    empty module stands in where it does not load.
    """
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        stand_in = ModuleType("torchaudio")
        stand_in.__dict__.update(__version__="2.11.0", __spec__=ModuleSpec("torchaudio", None))
        sys.modules["torchaudio"] = stand_in
    return importlib.import_module("speechbrain.dataio.sampler").DynamicBatchSampler
