"""WAV files of uncompressed samples, read as bytes: with the values that libsndfile gives, and faster."""

from typing import IO, Any

import numpy as np
import numpy.typing as npt

from seqconv.features.audio.headers import DataSize

_INTEGER, _FLOAT = 1, 3
_MOST_CHANNELS = 64
# Encoding and bits of a sample: libsndfile's name, the type of the bytes, and full scale.
_ENCODINGS = {
    (_INTEGER, 16): ("PCM_16", "<i2", 1 << 15),
    (_INTEGER, 24): ("PCM_24", "u1", 1 << 31),
    (_INTEGER, 32): ("PCM_32", "<i4", 1 << 31),
    (_FLOAT, 32): ("FLOAT", "<f4", 1),
}


class PcmFile:
    """The samples of a plain WAV file; what is used of it is named as in `soundfile.SoundFile`."""

    format = "WAV"

    def __init__(self, file: IO[bytes], start: int, size: int, head: bytes):
        """Take over a file with `size` bytes of samples from byte `start` on, as its head says what they are."""
        self._file, self._start, self._place = file, start, 0
        encoding, self.channels, self.samplerate = _field(head, 20, 2), _field(head, 22, 2), _field(head, 24, 4)
        self._width = _field(head, 34, 2) // 8
        self.subtype, self._type, self._full_scale = _ENCODINGS[encoding, 8 * self._width]
        self.frames = size // (self._width * self.channels)

    def seek(self, frame: int) -> None:
        """Go on with that frame."""
        self._place = frame

    def read(self, frames: int, dtype: str, always_2d: bool) -> npt.NDArray[Any]:
        """Return up to as many frames as an array `(frames, channels)` of float32, full scale being 1."""
        frame_bytes = self._width * self.channels
        self._file.seek(self._start + self._place * frame_bytes)
        data = self._file.read(max(min(frames, self.frames - self._place), 0) * frame_bytes)
        values = np.frombuffer(data[: len(data) // frame_bytes * frame_bytes], self._type)
        if self._width == 3:
            # As the upper three bytes of four.
            whole = np.zeros((len(values) // 3, 4), np.uint8)
            whole[:, 1:] = values.reshape(-1, 3)
            values = whole.view("<i4").reshape(-1)
        samples = values.astype(np.float32).reshape(-1, self.channels)
        if self._full_scale > 1:
            samples *= np.float32(1 / self._full_scale)
        self._place += len(samples)
        return samples

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # Where nothing was read.
    __del__ = close

    def __enter__(self) -> "PcmFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_pcm(file: IO[bytes], head: bytes, data_size: DataSize | None, size: int) -> PcmFile | None:
    """Take over a WAV file of `size` bytes; None where its header has anything unusual, and libsndfile must decide.

    Args:
        file: the file, open; it stays open only if it is taken over.
        head: its first bytes, 36 or more.
        data_size: bytes of samples, as `read_data_size` finds them.
        size: bytes of the file.
    """
    if data_size is None or not 0 < data_size.declared <= data_size.there:
        return None
    if head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt " or _field(head, 16, 4) not in (16, 18):
        return None
    encoding, channels, rate = _field(head, 20, 2), _field(head, 22, 2), _field(head, 24, 4)
    bits, start = _field(head, 34, 2), size - data_size.there
    # A second format, which may say otherwise, would stand between the first and the samples.
    if start > len(head) or b"fmt " in head[20:start]:
        return None
    if (encoding, bits) not in _ENCODINGS or not 0 < channels <= _MOST_CHANNELS or not 0 < rate < 1 << 31:
        return None
    if _field(head, 32, 2) != channels * bits // 8 or data_size.declared < channels * bits // 8:
        return None
    return PcmFile(file, start, data_size.declared, head)


def _field(head: bytes, place: int, size: int) -> int:
    return int.from_bytes(head[place : place + size], "little")
