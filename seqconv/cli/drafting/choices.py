"""Settings that follow from the findings, each with its reason."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqconv.cli.drafting.levels import Levels
from seqconv.cli.drafting.signals import SignalFacts
from seqconv.cli.drafting.targets import TargetFacts
from seqconv.features import RecordedKind, as_settings
from seqconv.text import amount

HIGHEST_RATE = 16000
AUDIBLE = 4000
"""Samples a second, below which recordings are of vibrations rather than of sounds."""

WINDOW_SECONDS, HOP_SECONDS = 0.025, 0.010
FEW, SOME = 300, 3000
"""Training sequences below which a model is small, and below which it is of middle size."""

MOST_FRAMES = 65536
"""Frames of a batch that fits into the memory of any machine."""

STEPS = 800
"""Steps that a run on small data needs."""


@dataclass(frozen=True)
class Choice:
    """A value of the config, and its reason."""

    value: Any
    why: str


def choose_features(signals: SignalFacts) -> dict[str, Choice]:
    """Choose the `features` section."""
    if signals.kind == "features":
        reason = f"arrays of {amount(signals.num_features, 'feature')} in a frame, taken as they are"
        table = signals.table
        return {
            "kind": Choice("precomputed", reason),
            **{key: Choice(value, table.reasons[key]) for key, value in table.settings.items()},
        }
    if signals.kind == "samples":
        return {
            "kind": Choice("log_spectrogram", "arrays of samples, one value at a time: how strong each frequency is"),
            "sample_rate": Choice(HIGHEST_RATE, "A GUESS: arrays do not say it. Only settings in seconds need it"),
            "n_fft": Choice(256, "samples in a window"),
            "hop_length": Choice(64, "samples from one frame to the next"),
        }
    return _choose_spectrum(signals)


def _choose_spectrum(signals: SignalFacts) -> dict[str, Choice]:
    commonest = max(signals.rates, key=lambda rate: (signals.rates[rate], rate))
    rate = min(commonest, HIGHEST_RATE)
    found = ", ".join(f"{count:,} at {each:,} Hz" for each, count in sorted(signals.rates.items()))
    is_audible = rate >= AUDIBLE
    reason = f"recordings: {found}"
    if rate < commonest:
        reason += f". {rate:,} keeps what sounds below {rate // 2:,} Hz, enough for speech; raise it for higher sounds"
    kind = Choice("log_spectrogram", "this rate is too low for sounds that ears hear, to which mel bands are fit")
    if is_audible:
        kind = Choice("log_mel", "the usual first choice for models of sound")
    n_fft = 2 ** math.ceil(math.log2(WINDOW_SECONDS * rate)) if is_audible else 256
    hop = round(HOP_SECONDS * rate) if is_audible else n_fft // 4
    chosen = {
        "kind": kind,
        "sample_rate": Choice(rate, reason),
        "n_fft": Choice(n_fft, f"windows of {1000 * n_fft / rate:.0f} ms"),
        "hop_length": Choice(hop, f"a frame every {1000 * hop / rate:.0f} ms"),
    }
    if is_audible:
        chosen["n_mels"] = Choice(64 if rate >= 8000 else 32, "bands; more bands show finer differences, and cost more")
    return chosen


def choose_normalize(levels: Levels, signals: SignalFacts) -> tuple[str, str]:
    """Choose `features.normalize` where levels differ much, with the reason."""
    if levels.is_telling:
        return "train", "levels differ between the classes, so they may be what tells them apart"
    if signals.kind == "audio" and max(signals.rates) >= AUDIBLE:
        return "recording", "how loud a sound was recorded seldom says what it is"
    return "train", "the strength of a signal from a sensor is mostly a part of it"


def frames_of(signals: SignalFacts, features: dict[str, Choice]) -> np.ndarray:
    """Return the frames of each sequence that was measured."""
    settings = as_settings({name: choice.value for name, choice in features.items()})
    if not isinstance(settings, RecordedKind):
        return signals.lengths
    samples = signals.lengths * settings.sample_rate if signals.kind == "audio" else signals.lengths
    return np.array([settings.count_frames(max(1, round(count))) for count in samples.tolist()])


def choose_batching(frames: np.ndarray, num_train: int) -> dict[str, Choice]:
    """Choose the `batching` section."""
    size = 8 if num_train < 160 else 16 if num_train < 640 else 32
    reason = f"sequences in a step, on average: {math.ceil(num_train / size):,} steps an epoch"
    while size > 1 and size * frames.mean() > MOST_FRAMES:
        size //= 2
        reason = f"sequences in a step, on average: about {size * frames.mean():,.0f} frames"
    low, middle, high = np.quantile(frames, [0.0, 0.5, 1.0])
    spread = f"lengths from {low:,.0f} to {high:,.0f} frames, median {middle:,.0f}: several share a row"
    strategy = Choice("auto", f"packed if the model allows it; {spread}")
    return {"strategy": strategy, "batch_size": Choice(size, reason)}


def choose_model(frames: np.ndarray, num_train: int, *, joins_frames: bool) -> dict[str, Choice]:
    """Choose the `model` section."""
    median, shortest = float(np.median(frames)), float(frames.min())
    widths = (32, 64, 64) if num_train < FEW else (64, 128, 128) if num_train < SOME else (96, 192, 256)
    strides, kernel = (1, 1, 1), 5
    if median > 2000:
        strides, kernel = (4, 2, 2), 15
    elif median > 400:
        strides, kernel = (2, 2, 1), 9
    elif median > 60 and shortest > 8:
        strides = (1, 2, 1)
    blocks = [
        {"filters": width, "kernel_size": size, **({"strides": stride} if stride > 1 else {})}
        for width, size, stride in zip(widths, (kernel, 5, 3), strides, strict=True)
    ]
    total = math.prod(strides)
    dropout = 0.2 if num_train < FEW else 0.1
    size_of_model = f"{num_train:,} training sequences: a {'small' if num_train < FEW else 'medium-sized'} model"
    thinned = "" if total == 1 else f"; strides keep 1 in {total} of {median:,.0f} frames"
    pooling = Choice(["mean", "max"], "from any number of frames to one vector: what is there on average, and at most")
    if joins_frames:
        pooling = Choice("frames", "the frames of a sequence say its label together")
    return {
        "defaults": Choice(
            {"norm": "batch", "activation": "relu", "dropout": dropout}, "the fewer sequences, the more dropout"
        ),
        "blocks": Choice(blocks, size_of_model + thinned),
        "pooling": pooling,
    }


def choose_training(target: TargetFacts, batch_size: int, num_train: int, num_valid: int) -> dict[str, Choice]:
    """Choose the `training` section."""
    steps = math.ceil(num_train / batch_size)
    epochs = int(np.clip(math.ceil(STEPS / steps), 15, 100))
    chosen = {
        "epochs": Choice(epochs, f"passes over the training sequences, {epochs * steps:,} steps"),
        "learning_rate": Choice(2e-3, "the first setting to try others of: 1e-3, 5e-3"),
        "schedule": Choice("cosine", "down to 0 at the last step, which is nearly always better than a constant rate"),
        "warmup_epochs": Choice(1, "and up from 0 at first"),
    }
    counts = target.counts.values()
    if target.task == "classification" and max(counts) >= 2 * min(counts):
        chosen["class_weight"] = Choice("balanced", f"classes have {min(counts):,} to {max(counts):,} sequences")
    if num_valid < 200:
        chosen["monitor"] = Choice(
            "val_loss", f"{num_valid} validation sequences: scores that count hits are too coarse"
        )
    return chosen
