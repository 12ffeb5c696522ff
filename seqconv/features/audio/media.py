"""M4A, AAC, WMA, AMR, the sound of videos and others: decoded by PyAV, which brings FFmpeg."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seqconv.errors import AudioError
from seqconv.features.audio.containers import MEDIA_REMEDY, is_media_installed
from seqconv.features.audio.media_checks import check_end, check_step, choose_stream
from seqconv.features.audio.media_layout import check_layout

Frames = npt.NDArray[np.float32]
OpenFile = Callable[[], IO[bytes]]
# Of what was decoded last: windows of a recording overlap, and what is counted is most often decoded next.
_KEPT_VALUES = 1 << 22
_BLOCK_SAMPLES = 1 << 16
_COUNTS = 4096
# FFmpeg's number for what is not read.
_ALL = 48


class Media(NamedTuple):
    """The sound of a file: its samples, Hz, channels, and blocks `(n, channels)` of samples `first` to `stop`."""

    num_samples: int
    sample_rate: int
    num_channels: int
    read: Callable[[int, int], Iterator[Frames]]


_counted: "OrderedDict[Hashable, int | str]" = OrderedDict()
_idle: "dict[Hashable, _Reader]" = {}


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise AudioError(f"PyAV cannot be loaded ({error}). Install it again: {MEDIA_REMEDY}") from error
    return av


def open_media(open_file: OpenFile, container: str, key: Hashable | None = None) -> Media:
    """Open a recording of which FFmpeg calls the format `container`, and count its samples.

    No header says exactly how many samples there are, so that they are decoded once to be counted. What was found is
    kept under `key`, for as long as the process lives; None: the file may still change.

    Raises:
        AudioError: it is damaged, was cut off, holds no sound or several, or PyAV is missing. It does not name the
            file.
        OSError: it cannot be read.
    """
    if not is_media_installed():
        raise AudioError(
            f"libsndfile does not read this format. PyAV does: {MEDIA_REMEDY}; or convert it: ffmpeg -i OLD NEW.flac"
        )
    known = None if key is None else _counted.get(key)
    if isinstance(known, str):
        raise AudioError(known)
    reader = _take(key) or _Reader(open_file, container)
    try:
        num_samples = reader.count() if known is None else known
    except AudioError as error:
        _remember(key, str(error))
        raise
    _remember(key, num_samples)
    rate, num_channels = reader.form
    _give_back(key, reader)

    def read(first: int, stop: int) -> Iterator[Frames]:
        own = reader if key is None else _take(key) or _Reader(open_file, container)
        yield from own.read(first, stop)
        _give_back(key, own)

    return Media(num_samples, rate, num_channels, read)


def _remember(key: Hashable | None, found: int | str) -> None:
    if key is not None:
        _counted[key] = found
        while len(_counted) > _COUNTS:
            _counted.popitem(last=False)


def _take(key: Hashable | None) -> "_Reader | None":
    return None if key is None else _idle.pop(key, None)


def _give_back(key: Hashable | None, reader: "_Reader") -> None:
    if key is not None:
        _idle.clear()
        _idle[key] = reader


class _Reader:
    """Passes over the sound of a file from its beginning, of which the last samples are kept.

    FFmpeg seeks to a packet near a time, not to a sample, and what a decoder gives there depends on the packets before.
    So nothing is sought: what comes before a part is decoded and dropped, and parts in order take one pass together.
    """

    def __init__(self, open_file: OpenFile, container: str) -> None:
        self._open_file, self._container = open_file, container
        self._restart()

    @property
    def form(self) -> tuple[int, int]:
        """Hz and channels."""
        if not self._form:
            self._decode_next()
        return self._form or (0, 0)

    def count(self) -> int:
        """Return the samples of the whole file."""
        while self._decode_next() is not None:
            continue
        return self._stop

    def read(self, first: int, stop: int) -> Iterator[Frames]:
        """Yield samples `first` to `stop`, as far as there are any, in blocks `(n, channels)`."""
        if self._kept and first < self._kept[0][0]:
            self._restart()
        for begin, block in list(self._kept):
            if begin < stop and first < begin + len(block):
                yield block[max(first - begin, 0) : stop - begin]
        while self._stop < stop and (decoded := self._decode_next()) is not None:
            begin = self._stop - len(decoded)
            if first < self._stop:
                yield decoded[max(first - begin, 0) : stop - begin]

    def _restart(self) -> None:
        self._blocks = self._decode()
        self._kept: deque[tuple[int, Frames]] = deque()
        self._num_kept = self._stop = 0
        self._form: tuple[int, int] | None = None

    def _decode_next(self) -> Frames | None:
        block = next(self._blocks, None)
        if block is not None:
            self._kept.append((self._stop, block))
            self._stop += len(block)
            self._num_kept += block.size
            while self._num_kept > _KEPT_VALUES and len(self._kept) > 1:
                self._num_kept -= self._kept.popleft()[1].size
        return block

    def _decode(self) -> Iterator[Frames]:
        """Yield the blocks of one pass."""
        av = _import_av()
        gathered, count = list[Frames](), 0
        try:
            with self._open_file() as file:
                num_packets = check_layout(file, self._container)
                # With the format given, no playlist or list of other files is followed.
                with av.open(file, format=self._container, metadata_errors="ignore") as container:
                    for frame in self._frames(container, num_packets):
                        gathered.append(_samples_of(frame))
                        count += len(gathered[-1])
                        if count >= _BLOCK_SAMPLES:
                            yield np.concatenate(gathered)
                            gathered, count = [], 0
        except av.FFmpegError as error:
            reason = error.strerror or type(error).__name__
            raise AudioError(f"cannot be decoded ({reason}); it was cut off or is damaged, or is protected") from error
        if gathered:
            yield np.concatenate(gathered)

    def _frames(self, container: Any, num_packets: int) -> Iterator[Any]:
        """Yield the decoded frames of the only sound, which follow each other without a gap."""
        stream = choose_stream(container)
        stream.codec_context.thread_count = 1
        if self._container == "mov" and stream.duration:
            # Pictures are not even read. Other formats are read as a whole, and say more about damage then.
            for other in container.streams:
                other.discard = other.discard if other.index == stream.index else _ALL
        before, num_samples, last = None, 0, 0.0
        for packet in container.demux():
            num_packets -= packet.size > 0
            if packet.pts is not None and packet.size:
                last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index != stream.index:
                continue
            if packet.is_corrupt:
                raise AudioError("a packet of its sound is damaged or incomplete; it was cut off or is damaged")
            for frame in packet.decode():
                if not frame.samples:
                    continue
                form = (frame.sample_rate, len(frame.layout.channels))
                self._form = self._form or form
                if frame.is_corrupt or form != self._form:
                    raise AudioError(_changed(self._form, form, num_samples))
                check_step(self._container, before, frame, num_samples)
                before = frame
                num_samples += frame.samples
                yield frame
        if num_packets > 0:
            raise AudioError(f"{num_packets} of its packets cannot be read; it is damaged")
        check_end(self._container, container, stream, num_samples / (self._form or (1, 1))[0], last)


def _changed(before: tuple[int, int], after: tuple[int, int], num_samples: int) -> str:
    place = f"{num_samples / before[0]:.6g} s"
    if before == after:
        return f"cannot be decoded at {place}; it is damaged"
    return (
        f"from {place} on, it has {after[0]} Hz and {after[1]} channels, not {before[0]} and {before[1]}; it is "
        "damaged, or joined from several recordings. Make one of them: ffmpeg -i OLD NEW.wav"
    )


def _samples_of(frame: Any) -> Frames:
    """Return the samples `(n, channels)` of a frame; full scale is 1."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, len(frame.layout.channels))
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(values, np.float32)
    limit = float(1 << 8 * values.dtype.itemsize - 1)
    center = limit if values.dtype.kind == "u" else 0.0
    return np.ascontiguousarray((values.astype(np.float64) - center) / limit, np.float32)
