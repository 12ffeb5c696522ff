"""Extraction of features from samples."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import AudioError, ConfigError, ShapeError
from seqconv.features.audio.decoding import resample_blocks
from seqconv.features.kinds import FeatureKind, Features, RecordedKind, as_settings

SMALLEST_DEVIATION = 1e-5


def num_features(settings: FeatureKind | Mapping[str, Any]) -> int | None:
    """Return the features of a frame, d; None for precomputed features, for which the files decide.

    >>> num_features({"kind": "mfcc", "n_mfcc": 13, "delta": 2})
    39
    """
    return as_settings(settings).num_features


def extract_features(samples: npt.ArrayLike, sample_rate: int, settings: FeatureKind | Mapping[str, Any]) -> Features:
    """Extract the features of one recording, as librosa computes them.

    Frame t of a spectral kind is centered at `t * hop_length / sample_rate` seconds: `n_fft // 2` zeros stand before
    and behind the samples, so that n samples give `1 + n // hop_length` frames (n_fft even), and a recording shorter
    than one window still gives one. Frame t of `waveform` begins at that time; zeros fill the last one. A frame depends
    on no sample outside its window (with `delta`, on 4 more frames at each side), unless `normalize` is "recording".

    Args:
        samples: shape `(n,)` with n >= 1.
        sample_rate: Hz; resampled when `settings.sample_rate` is another.
        settings: feature settings or a mapping of them, of any kind but precomputed.

    Returns:
        float32 of shape `(time, d)` with time >= 1 and d as `num_features` tells.

    Raises:
        ConfigError, ShapeError, AudioError: impossible settings, samples of a wrong shape, empty or not finite.

    >>> extract_features(np.zeros(16000), 16000, {"kind": "log_mel", "n_mels": 40}).shape
    (101, 40)
    >>> extract_features([0.5], 8000, {"kind": "waveform", "n_fft": 4, "sample_rate": 8000})
    array([[0.5, 0. , 0. , 0. ]], dtype=float32)
    """
    settings = as_settings(settings)
    samples = _check_samples(samples)
    pieces = list(_raw_pieces([samples], sample_rate, settings, None))
    return finish_features(pieces[0] if len(pieces) == 1 else np.concatenate(pieces), settings)


def iterate_features(
    blocks: Iterable[npt.ArrayLike],
    sample_rate: int,
    settings: FeatureKind | Mapping[str, Any],
    *,
    piece_frames: int | None = None,
) -> Iterator[Features]:
    """Yield the features of `extract_features`, piece by piece, from the samples of a recording block by block.

    Each frame gets the samples of its whole window, wherever blocks and pieces begin and end, so that the pieces
    together are the features of the whole recording. Nothing but a piece and its surroundings lies in memory.

    Args:
        blocks: the samples in order, each of shape `(n,)`, n of any size.
        sample_rate: Hz; resampled when `settings.sample_rate` is another.
        settings: feature settings or a mapping of them, of any kind but precomputed.
        piece_frames: frames of a piece (with `delta`, the first has 4 fewer and the last the rest); default: some
            thousand, as many as fit in 16 MB of windows.

    Raises:
        ConfigError: impossible settings; or `normalize` is "recording", which has to see the whole before its first
            frame, so that blocks that come but once are not enough (see `open_features`).
        ShapeError, AudioError: samples of a wrong shape, none at all, or not finite.

    >>> blocks = (np.zeros(1000) for _ in range(16))
    >>> [len(piece) for piece in iterate_features(blocks, 16000, {"kind": "log_mel"}, piece_frames=40)]
    [40, 40, 21]
    """
    settings = as_settings(settings)
    if settings.normalize == "recording":
        raise ConfigError(
            "features.normalize 'recording' subtracts the mean of the whole recording, which blocks that come but once "
            "cannot tell before their end. Use normalize 'train' or 'none', or open_features on a file, which is read "
            "twice"
        )
    return _raw_pieces(blocks, sample_rate, settings, piece_frames)


def _raw_pieces(
    blocks: Iterable[npt.ArrayLike], sample_rate: int, settings: FeatureKind, piece_frames: int | None
) -> Iterator[Features]:
    """Yield features that are not normalized."""
    if not isinstance(settings, RecordedKind):
        raise ConfigError(
            f"features.kind '{settings.kind}' has no samples to extract from; use load_features on the file"
        )
    if piece_frames is not None and piece_frames < 1:
        raise ConfigError(f"piece_frames must be at least 1, got {piece_frames}")
    signal = resample_blocks(map(_check_samples, blocks), sample_rate, settings.sample_rate)
    return settings.iterate(signal, piece_frames)


def finish_features(features: Features, settings: FeatureKind) -> Features:
    """Apply what needs the whole recording: zero mean and unit variance over time when `normalize` is "recording"."""
    if settings.normalize != "recording":
        return np.ascontiguousarray(features)
    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    normalized: Features = ((features - mean) / np.maximum(deviation, SMALLEST_DEVIATION)).astype(np.float32)
    return normalized


def _check_samples(samples: npt.ArrayLike) -> Features:
    signal = np.asarray(samples, dtype=np.float32)
    if signal.ndim != 1:
        raise ShapeError(
            f"samples have shape {signal.shape}, but one channel of shape (n,) is expected; "
            "average the channels, for example samples.mean(axis=1)"
        )
    if not len(signal):
        raise AudioError("there are no samples to extract features from")
    if not np.isfinite(signal).all():
        raise AudioError(f"{np.count_nonzero(~np.isfinite(signal))} of {len(signal)} samples are NaN or infinite")
    return signal
