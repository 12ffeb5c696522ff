"""Extraction of features from samples and files, whole or piece by piece: a file need not fit in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import AudioError, ConfigError, ShapeError
from seqconv.features.audio.decoding import count_samples, read_blocks, resample_blocks
from seqconv.features.kinds import FeatureKind, Features, Precomputed, RecordedKind, as_settings
from seqconv.features.precomputed import check_features, load_array, load_features
from seqconv.features.statistics import SMALLEST_DEVIATION, FrameMoments, finish_features
from seqconv.files import find_file

PIECE_FRAMES = 8192


def extract_features(samples: npt.ArrayLike, sample_rate: int, settings: FeatureKind | Mapping[str, Any]) -> Features:
    """Extract the features of one recording, as librosa computes them.

    Frame t of a spectral kind is centered at `t * hop_length / sample_rate` seconds: `n_fft // 2` zeros are put
    before and after the samples, so that n samples give `1 + n // hop_length` frames (n_fft even), and a recording
    shorter than one window still gives one. Frame t of `waveform` begins at that time; zeros fill the last one. A frame
    depends on no sample outside its window (with `delta`, on 4 more frames at each side), unless `normalize` is
    "recording".

    Args:
        samples: shape `(n,)` with n >= 1.
        sample_rate: Hz; resampled when `settings.sample_rate` is another.
        settings: feature settings or a mapping of them, of any kind but precomputed.

    Returns:
        float32 of shape `(time, d)` with time >= 1 and d as `num_features` says.

    Raises:
        ConfigError, ShapeError, AudioError: impossible settings, samples of a wrong shape, empty or not finite.

    >>> extract_features(np.zeros(16000), 16000, {"kind": "log_mel", "n_mels": 40}).shape
    (101, 40)
    >>> extract_features([0.5], 8000, {"kind": "waveform", "n_fft": 4, "sample_rate": 8000})
    array([[0.5, 0. , 0. , 0. ]], dtype=float32)
    """
    settings = as_settings(settings)
    samples = _check_samples(samples)
    return _join_pieces(_raw_pieces([samples], sample_rate, settings, None), settings)


def extract_recording(
    path: str | Path, settings: RecordedKind, *, start: float | None = None, end: float | None = None
) -> Features:
    """Extract the features of a recording, or of a part of it, block by block: its samples need not fit in memory.

    Args:
        path: the file.
        settings: feature settings of a kind that is computed from recordings.
        start, end: seconds; the part.

    Returns:
        What `extract_features` returns for the samples of `decode_audio`.

    Raises:
        AudioError: the file is missing or cannot be read.
    """
    blocks = read_blocks(path, start=start, end=end, sample_rate=settings.sample_rate, channel=settings.channel)
    return _join_pieces(settings.iterate(blocks), settings)


def iterate_features(
    blocks: Iterable[npt.ArrayLike],
    sample_rate: int,
    settings: FeatureKind | Mapping[str, Any],
    *,
    piece_frames: int | None = None,
) -> Iterator[Features]:
    """Yield the features of `extract_features`, piece by piece, from the samples of a recording block by block.

    Each frame gets the samples of its whole window, wherever blocks and pieces begin and end, so that the pieces
    together are the features of the whole recording. Only a piece and the samples around it are in memory.

    Args:
        blocks: the samples in order, each of shape `(n,)`, n of any size.
        sample_rate: Hz; resampled when `settings.sample_rate` is another.
        settings: feature settings or a mapping of them, of any kind but precomputed.
        piece_frames: frames of a piece (with `delta`, the first has 4 fewer and the last the rest); default: some
            thousand, as many as fit in 4 MB of windows.

    Raises:
        ConfigError: impossible settings; or `normalize` is "recording", which has to see the whole before its first
            frame, so that blocks that come only once are not enough (see `open_features`).
        ShapeError, AudioError: samples of a wrong shape, none at all, or not finite.

    >>> blocks = (np.zeros(1000) for _ in range(16))
    >>> [len(piece) for piece in iterate_features(blocks, 16000, {"kind": "log_mel"}, piece_frames=40)]
    [40, 40, 21]
    """
    settings = as_settings(settings)
    if settings.normalize == "recording":
        raise ConfigError(
            "features.normalize 'recording' subtracts the mean of the whole recording, which is not known before the "
            "last block, and blocks come only once. Use normalize 'train' or 'none', or open_features on a file, which "
            "is read twice"
        )
    return _raw_pieces(blocks, sample_rate, settings, piece_frames)


@dataclass(frozen=True)
class FeaturePieces:
    """Consecutive arrays `(time, d)` that are one sequence; iterating over it again reads it again.

    Attributes:
        read: starts a pass over the pieces.
        num_frames: frames of all pieces together, as known before the first is read.

    >>> pieces = pieces_of(np.zeros((10, 2)), piece_frames=4)
    >>> pieces.num_frames, [len(piece) for piece in pieces], [len(piece) for piece in pieces]
    (10, [4, 4, 2], [4, 4, 2])
    """

    read: Callable[[], Iterator[Features]]
    num_frames: int

    def __iter__(self) -> Iterator[Features]:
        return self.read()


def open_features(
    path: str | Path,
    settings: FeatureKind | Mapping[str, Any],
    *,
    start: float | None = None,
    end: float | None = None,
    case: int | None = None,
    form: str = "",
    piece_frames: int | None = None,
) -> FeaturePieces:
    """Return the features in a file, or those computed from its recording, in pieces.

    A recording is decoded, resampled and transformed block by block, `.npy` features are read piece by piece; both in
    bounded memory. Tables, `.npz` and `.ts` files are read whole and then cut. With `normalize: recording`, each pass
    is preceded by another one that takes the mean and deviation.

    Args:
        path: the file.
        settings: feature settings of any kind.
        start, end: seconds; the part of a recording.
        case, form: number of the sequence in a file that holds several, and how; see `load_features`.
        piece_frames: frames of a piece; default: some thousand.

    Raises:
        AudioError, ManifestError: the file is missing or cannot be read; what is wrong later in it is found when
            that part is reached.
        ConfigError: impossible settings.

    >>> import tempfile, soundfile
    >>> path = Path(tempfile.mkdtemp()) / "silence.wav"
    >>> soundfile.write(path, np.zeros(16000), 16000)
    >>> pieces = open_features(path, {"kind": "log_mel"}, piece_frames=60)
    >>> pieces.num_frames, [piece.shape for piece in pieces]
    (101, [(60, 64), (41, 64)])
    """
    settings = as_settings(settings)
    if isinstance(settings, RecordedKind):
        return _pieces_of_recording(path, settings, start, end, piece_frames)
    is_whole = start is None and end is None and case is None
    here = find_file(path)
    if here is not None and here.suffix.lower() == ".npy" and is_whole and _reads_as_it_is(settings):
        return _normalized(_pieces_of_npy(here, piece_frames or PIECE_FRAMES), settings)
    return pieces_of(
        load_features(path, settings, case=case, form=form, start=start, end=end), piece_frames=piece_frames
    )


def pieces_of(features: npt.ArrayLike, *, piece_frames: int | None = None) -> FeaturePieces:
    """Return views on one array `(time, d)`, a memory-mapped one for instance."""
    array: Any = features if isinstance(features, np.ndarray) else np.asarray(features)
    step = piece_frames or PIECE_FRAMES
    return FeaturePieces(lambda: (array[first : first + step] for first in range(0, len(array), step)), len(array))


def _join_pieces(pieces: Iterable[Features], settings: FeatureKind) -> Features:
    joined = list(pieces)
    return finish_features(joined[0] if len(joined) == 1 else np.concatenate(joined), settings)


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


def _pieces_of_recording(
    path: str | Path, settings: RecordedKind, start: float | None, end: float | None, piece_frames: int | None
) -> FeaturePieces:
    part: dict[str, Any] = {"start": start, "end": end}
    part |= {"sample_rate": settings.sample_rate, "channel": settings.channel}
    num_frames = settings.count_frames(count_samples(path, **part))
    raw = settings.model_copy(update={"normalize": "none"})

    def read() -> Iterator[Features]:
        return iterate_features(read_blocks(path, **part), settings.sample_rate, raw, piece_frames=piece_frames)

    return _normalized(FeaturePieces(read, num_frames), settings)


def _reads_as_it_is(settings: FeatureKind) -> bool:
    """Whether a frame depends on itself alone: gaps are filled from the frames around them."""
    return isinstance(settings, Precomputed) and settings.missing == "error" and settings.clock is None


def _pieces_of_npy(path: Path, piece_frames: int) -> FeaturePieces:
    array = load_array(path, mapped=True)
    check_features(path, array[:1])
    num_frames = len(array)

    def read() -> Iterator[Features]:
        for first in range(0, num_frames, piece_frames):
            # Mapped again for each piece: pages that were read count as memory of the process until they are unmapped.
            piece = load_array(path, mapped=True)[first : first + piece_frames]
            yield check_features(path, piece, first_frame=first)

    return FeaturePieces(read, num_frames)


def _normalized(pieces: FeaturePieces, settings: FeatureKind) -> FeaturePieces:
    if settings.normalize != "recording":
        return pieces
    return FeaturePieces(lambda: _normalize(pieces), pieces.num_frames)


def _normalize(pieces: Iterable[Features]) -> Iterator[Features]:
    moments = FrameMoments(pieces)
    deviation = np.maximum(np.sqrt(moments.squares / max(moments.count, 1)), SMALLEST_DEVIATION)
    for piece in pieces:
        yield ((piece - moments.mean) / deviation).astype(np.float32)
