"""Features of one recording, piece by piece, from a file that need not fit in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.features.audio.decoding import count_samples, read_blocks
from seqconv.features.extraction import SMALLEST_DEVIATION, iterate_features
from seqconv.features.kinds import FeatureKind, Features, RecordedKind, as_settings
from seqconv.features.precomputed import check_features, load_array, load_features
from seqconv.features.statistics import FrameMoments

PIECE_FRAMES = 8192


@dataclass(frozen=True)
class FeaturePieces:
    """Consecutive arrays `(time, d)` that are one sequence; iterating over it again reads it again.

    Attributes:
        read: starts a pass over the pieces.
        num_frames: frames of all pieces together, as known before the first is read. The header of a recording may be
            off by a little (of MP3, for instance): what counts is what comes.

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
        case: number of the sequence in a `.ts` file, from 0.
        piece_frames: frames of a piece; default: some thousand.

    Raises:
        AudioError, ManifestError: the file is missing or cannot be read; what is wrong further behind shows when it is
            reached.
        ConfigError: impossible settings.

    >>> import tempfile, soundfile
    >>> path = Path(tempfile.mkdtemp()) / "silence.wav"
    >>> soundfile.write(path, np.zeros(16000), 16000)
    >>> pieces = open_features(path, {"kind": "log_mel"}, piece_frames=60)
    >>> pieces.num_frames, [piece.shape for piece in pieces]
    (101, [(60, 64), (41, 64)])
    """
    path, settings = Path(path), as_settings(settings)
    if isinstance(settings, RecordedKind):
        return _pieces_of_recording(path, settings, start, end, piece_frames)
    if path.suffix.lower() == ".npy" and path.is_file() and start is None and end is None and case is None:
        return _normalized(_pieces_of_npy(path, piece_frames or PIECE_FRAMES), settings)
    return pieces_of(load_features(path, settings, case=case, start=start, end=end), piece_frames=piece_frames)


def pieces_of(features: npt.ArrayLike, *, piece_frames: int | None = None) -> FeaturePieces:
    """Return views on one array `(time, d)`, a memory-mapped one for instance."""
    array: Any = features if isinstance(features, np.ndarray) else np.asarray(features)
    step = piece_frames or PIECE_FRAMES
    return FeaturePieces(lambda: (array[first : first + step] for first in range(0, len(array), step)), len(array))


def _pieces_of_recording(
    path: Path, settings: RecordedKind, start: float | None, end: float | None, piece_frames: int | None
) -> FeaturePieces:
    part: dict[str, Any] = {"start": start, "end": end, "sample_rate": settings.sample_rate}
    num_frames = settings.count_frames(count_samples(path, **part))
    raw = settings.model_copy(update={"normalize": "none"})

    def read() -> Iterator[Features]:
        return iterate_features(read_blocks(path, **part), settings.sample_rate, raw, piece_frames=piece_frames)

    return _normalized(FeaturePieces(read, num_frames), settings)


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
