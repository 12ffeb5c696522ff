"""Raw samples in `.npy`, read block by block."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from seqconv.errors import AudioError
from seqconv.features.arrays import load_npy
from seqconv.features.audio.mixing import Mixer, Samples
from seqconv.features.audio.regions import BLOCK_FRAMES, AudioRegion, as_audio_error, cut_region


def open_raw(
    path: Path, start: float | None, end: float | None, sample_rate: int | None, channel: int | None
) -> AudioRegion:
    """Open samples `(n,)` or `(n, channels)`, which have `sample_rate`.

    Raises:
        AudioError: they are none, or there is no such part or channel.
    """
    if sample_rate is None:
        raise AudioError(f"{path}: raw samples do not say their rate; give sample_rate (features.sample_rate) in Hz")
    try:
        values = load_npy(path, mapped=True)
    except (ValueError, OSError) as error:
        raise AudioError(f"{path}: not a plain .npy array ({error})") from error
    if values.ndim not in (1, 2) or values.dtype.kind not in "fiu" or values.shape[1:] == (0,):
        raise AudioError(
            f"{path}: holds {values.dtype} of shape {values.shape}, "
            "but raw samples are numbers of shape (n,) or (n, channels)"
        )
    num_channels = values.shape[1] if values.ndim == 2 else 1
    if num_channels > len(values) > 0:
        raise AudioError(
            f"{path}: raw samples have the shape (n,) or (n, channels), so that {values.shape} means {len(values)} "
            f"samples of {num_channels} channels. If it is {len(values)} channels of {num_channels} samples, save x.T"
        )
    with as_audio_error(path):
        mixer = Mixer(num_channels, channel)
    first, stop = cut_region(path, start, end, num_samples=len(values), sample_rate=sample_rate)
    return AudioRegion(first, stop, sample_rate, num_channels, partial(_raw_blocks, path, mixer, first, stop))


def _raw_blocks(path: Path, mixer: Mixer, first: int, stop: int) -> Iterator[Samples]:
    for begin in range(first, stop, BLOCK_FRAMES):
        # Mapped again for each block: pages that were read count as memory of the process until they are unmapped.
        block = load_npy(path, mapped=True)[begin : min(begin + BLOCK_FRAMES, stop)]
        with np.errstate(over="ignore"):
            samples = np.array(block, dtype=np.float32)
        if block.dtype.kind in "iu":
            limits = np.iinfo(block.dtype)
            center = 0 if block.dtype.kind == "i" else (limits.max + 1) // 2
            samples = ((block.astype(np.float64) - center) / (limits.max + 1 - center)).astype(np.float32)
        yield mixer.mix(samples)
    with as_audio_error(path):
        mixer.check()
