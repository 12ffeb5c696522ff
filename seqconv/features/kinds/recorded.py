"""Kinds that are computed from recordings, frame by frame."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field

from seqconv.errors import AudioError
from seqconv.features.kinds.base import FeatureKind, Features
from seqconv.parts import PositiveInt

_BLOCK_SAMPLES = 1 << 20


class RecordedKind(FeatureKind):
    """Features that are computed from recordings, frame by frame: overlapping windows of `n_fft` samples.

    A kind of your own says how many features a frame has (`num_features`) and computes them (`transform`). Where its
    frames begin, and how many a recording has, it may say otherwise, too (`is_centered`, `count_frames`).
    """

    # Centered frames have `n_fft // 2` zeros before and after the samples. Others begin at their time.
    is_centered: ClassVar[bool] = False

    sample_rate: PositiveInt = Field(default=16000, description="Hz; recordings of another rate are resampled.")
    n_fft: PositiveInt = Field(default=512, description="Samples in a window; for waveform, in a frame.")
    hop_length: PositiveInt = Field(default=160, description="Samples from one frame to the next.")
    channel: int | None = Field(
        default=None, ge=0, description="The channel of the recordings, from 0; null: the mean of all channels."
    )

    @property
    def seconds_per_frame(self) -> float:
        """Seconds from one frame to the next.

        >>> FeatureKind(sample_rate=8000, hop_length=80).seconds_per_frame
        0.01
        """
        return self.hop_length / self.sample_rate

    @property
    def delay(self) -> float:
        """Return the seconds from the time of a frame until everything that it is computed from has been recorded.

        >>> FeatureKind(sample_rate=8000, n_fft=256, hop_length=80).delay
        0.016
        >>> FeatureKind(sample_rate=8000, n_fft=256, hop_length=80, delta=1).delay
        0.056
        """
        return (self.n_fft // 2 if self.is_centered else self.n_fft) / self.sample_rate

    @property
    def margin(self) -> int:
        """Zeros before and after the samples."""
        return self.n_fft // 2 if self.is_centered else 0

    def count_frames(self, num_samples: int) -> int:
        """Count the frames of a recording of `num_samples` at the sample rate of the settings.

        >>> FeatureKind(kind="log_mel").count_frames(16000), FeatureKind(kind="waveform").count_frames(16000)
        (101, 98)
        """
        beyond = max(num_samples + 2 * self.margin - self.n_fft, 0)
        return 1 + (beyond // self.hop_length if self.is_centered else -(-beyond // self.hop_length))

    def samples_of_frames(self, num_frames: int) -> int:
        """About the most samples that give `num_frames`: so few less that rounding to another rate gives none more.

        >>> settings = FeatureKind(kind="log_mel", hop_length=160)
        >>> settings.samples_of_frames(101), settings.count_frames(settings.samples_of_frames(101))
        (16120, 101)
        """
        last = self.hop_length if self.is_centered else self.n_fft
        return max((num_frames - 1) * self.hop_length + last - self.hop_length // 4, 1)

    def transform(self, frames: Features) -> Features:
        """Compute the features of each frame by itself: `(time, n_fft)` samples to float32 `(time, d)`."""
        raise NotImplementedError(f"feature kind {type(self).__name__} does not say how features are computed")

    def iterate(self, blocks: Iterable[Features], piece_frames: int | None = None) -> Iterator[Features]:
        """Yield the features of a recording in pieces, from its samples in blocks; not normalized.

        Raises:
            AudioError: there are no samples.
        """
        piece_frames = piece_frames or max(_BLOCK_SAMPLES // self.n_fft, 1)
        return map(self.transform, self._frame_blocks(blocks, piece_frames))

    def _frame_blocks(self, blocks: Iterable[Features], piece_frames: int) -> Iterator[Features]:
        """Yield views `(time, n_fft)` of the samples, `piece_frames` frames each; zeros fill the last one."""
        n_fft, hop = self.n_fft, self.hop_length
        # Joined only when there are enough for a piece, or at the end: each joining copies.
        parts, held = [np.zeros(self.margin, np.float32)], self.margin
        num_samples = num_frames = 0
        piece_samples = (piece_frames - 1) * hop + n_fft
        # With a hop beyond the window, samples between the frames are skipped, also those that have not come yet.
        skip = 0
        for block in blocks:
            num_samples += len(block)
            parts.append(block[skip:])
            held += len(parts[-1])
            skip -= min(skip, len(block))
            if held < piece_samples:
                continue
            buffer = np.concatenate(parts)
            while len(buffer) >= piece_samples:
                yield _frames(buffer[:piece_samples], n_fft, hop)
                num_frames += piece_frames
                skip = max(piece_frames * hop - len(buffer), 0)
                buffer = buffer[piece_frames * hop :]
            parts, held = [buffer], len(buffer)
        if not num_samples:
            raise AudioError("there are no samples to extract features from")
        rest = self.count_frames(num_samples) - num_frames
        missing = (rest - 1) * hop + n_fft - held
        buffer = np.concatenate([*parts, np.zeros(max(missing, 0), np.float32)])
        for first in range(0, rest, piece_frames):
            count = min(piece_frames, rest - first)
            yield _frames(buffer[first * hop : (first + count - 1) * hop + n_fft], n_fft, hop)


def _frames(samples: Features, n_fft: int, hop_length: int) -> Features:
    # `sliding_window_view` does the same in 20 microseconds, as long as 15 frames take.
    shape, step = ((len(samples) - n_fft) // hop_length + 1, n_fft), samples.strides[0]
    return np.lib.stride_tricks.as_strided(samples, shape, (hop_length * step, step), writeable=False)
