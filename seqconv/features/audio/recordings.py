"""Files of samples: their headers are checked, and they are read block by block."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePath
from typing import IO, Any

from seqconv.errors import AudioError
from seqconv.features.audio.containers import MEDIA_REMEDY, is_media_installed
from seqconv.features.audio.headers import DataSize, read_data_size
from seqconv.features.audio.media import open_media
from seqconv.features.audio.mixing import Mixer, Samples
from seqconv.features.audio.pcm import open_pcm
from seqconv.features.audio.raw import open_raw
from seqconv.features.audio.regions import BLOCK_FRAMES, AudioRegion, as_audio_error, cut_region
from seqconv.features.audio.streams import Stream, is_settled, scan_stream
from seqconv.features.foreign import find_recipe
from seqconv.files import find_file, hint_at_address

# Digital silence: FLAC needs 14 bytes for 65,535 samples, Ogg and MP3 need more. A header that declares more is wrong.
_MOST_SAMPLES_PER_BYTE = 8192
# Holds the first of the two matrices of a recording: libsndfile takes others for sound of 44,100 Hz, or of any rate.
_HEAD_BYTES = 256
_SAMPLE_BYTES = {
    "PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1,
}  # fmt: skip


def open_audio(
    path: str | Path,
    start: float | None,
    end: float | None,
    sample_rate: int | None = None,
    channel: int | None = None,
) -> AudioRegion:
    """Open a recording, or raw samples in `.npy`, which have `sample_rate`; nothing is decoded before `blocks()`.

    What is at an address is copied to this machine first. How many samples there are is what will be decoded: pages and
    frames of Ogg, FLAC and MP3 are counted.

    Raises:
        AudioError: the file is missing, damaged or no recording, its header cannot be true, or there is no such part
            or channel.
    """
    here = find_file(path)
    if here is None:
        raise AudioError(f"{path}: {describe_absence(path)}")
    if here.suffix.lower() == ".npy":
        return open_raw(here, start, end, sample_rate, channel)
    return _open_encoded(here, start, end, channel)


def describe_absence(path: str | Path) -> str:
    """Return why there is no readable file at `path`: nothing, a folder, a broken link, a pipe."""
    given, path = path, Path(path)
    try:
        if path.is_dir():
            return "a folder, not a file"
        if path.is_symlink():
            return f"a broken link; there is no '{path.readlink()}'"
        return "not a regular file" if path.exists() else f"no such file.{hint_at_address(given)}".rstrip(".")
    except OSError as error:
        return f"no such file ({error.strerror})"


def _open_encoded(path: Path, start: float | None, end: float | None, channel: int | None) -> AudioRegion:
    if path.suffix.lower() == ".raw":
        raise AudioError(f"{path}: raw samples without a header do not say their rate; save them as WAV or .npy")
    with as_audio_error(path):
        # Opened here first: for a failure, libsndfile says "System error" at best.
        with ExitStack() as opened:
            stream = opened.enter_context(path.open("rb"))
            status = os.fstat(stream.fileno())
            data_size = read_data_size(stream, status.st_size)
            stream.seek(0)
            head = stream.read(_HEAD_BYTES)
            file: Any = open_pcm(stream, head, data_size, status.st_size)
            if file is not None:
                opened.pop_all()
        scan = Stream() if file is not None else scan_stream(path, status.st_size, status.st_mtime_ns)
        if file is None and not scan.is_for_ffmpeg:
            file = _decoder(path, scan)
        if file is None and data_size is not None and data_size.there < data_size.declared:
            raise AudioError(
                f"has {data_size.there} bytes of samples, but its header declares {data_size.declared}; it was cut off "
                "or is damaged"
            )
    if file is None:
        return _open_media(path, scan, status, (start, end), channel)
    try:
        if file.format in ("MAT4", "MAT5") and b"samplerate" not in head:
            remedy = find_recipe([PurePath("x.mat")])
            raise AudioError(f"{path}: holds matrices of MATLAB, but no recording as libsndfile writes it.{remedy}")
        _check_header(path, file, status.st_size, data_size, scan)
        num_samples = _declared_frames(file, data_size) if scan.num_samples is None else scan.num_samples
        first, stop = cut_region(path, start, end, num_samples=num_samples, sample_rate=int(file.samplerate))
        if stop > file.frames:
            raise _cut_off(path, file.frames, stop, file.samplerate)
        with as_audio_error(path):
            mixer = Mixer(file.channels, channel)
    except AudioError:
        file.close()
        raise
    # Opening again would cost as much as decoding a second of Vorbis. A part that is never read is closed as it goes.
    blocks = partial(_decode_blocks, path, file, mixer, first, stop)
    return AudioRegion(first, stop, int(file.samplerate), file.channels, blocks)


def _open_media(
    path: Path, scan: Stream, status: os.stat_result, part: tuple[float | None, float | None], channel: int | None
) -> AudioRegion:
    """Open what FFmpeg decodes, and has decoded to count it."""
    name = os.fspath(path)
    key = (name, status.st_size, status.st_mtime_ns) if is_settled(status.st_mtime_ns) else None
    with as_audio_error(path):
        media = open_media(partial(_open_file, name), str(scan.container), key)
    first, stop = cut_region(path, *part, num_samples=media.num_samples, sample_rate=media.sample_rate)
    with as_audio_error(path):
        mixer = Mixer(media.num_channels, channel)
    blocks = partial(_mix_blocks, path, media.read, mixer, first, stop)
    return AudioRegion(first, stop, media.sample_rate, media.num_channels, blocks)


def _open_file(name: str) -> IO[bytes]:
    # By name: what is kept must not keep the path, which may stand for a copy.
    return Path(name).open("rb")


def _mix_blocks(
    path: Path, read: Callable[[int, int], Iterator[Samples]], mixer: Mixer, first: int, stop: int
) -> Iterator[Samples]:
    with as_audio_error(path):
        for block in read(first, stop):
            first += len(block)
            yield mixer.mix(block)
        if first < stop:
            raise AudioError("has fewer samples than when it was opened; it has changed meanwhile")
        mixer.check()


def _decoder(path: Path, scan: Stream) -> Any:
    """Open a file with libsndfile; None if it cannot, but FFmpeg perhaps can: Speex, AAC in CAF or WAV."""
    import soundfile

    spliced = scan.splice(path)
    # In bytes: a name that is not UTF-8 is still the name of a file.
    source = spliced or (path if os.name == "nt" else os.fsencode(path))
    try:
        return soundfile.SoundFile(source)
    except soundfile.LibsndfileError as error:
        if scan.container is not None and is_media_installed():
            return None
        if scan.container is None and not scan.is_whole:
            raise
        remedy = "Try ffmpeg -i OLD NEW.wav" + (f", or {MEDIA_REMEDY}" if scan.container else "")
        state = ", but is whole" if scan.is_whole else ""
        raise AudioError(f"cannot be decoded ({error.error_string.strip()}){state}. {remedy}") from error


def _check_header(path: Path, file: Any, size: int, data_size: DataSize | None, scan: Stream) -> None:
    if file.samplerate < 1 or file.channels < 1:
        raise AudioError(f"{path}: its header declares {file.samplerate} Hz and {file.channels} channels")
    if file.frames > size * _MOST_SAMPLES_PER_BYTE:
        raise AudioError(f"{path}: its header declares {file.frames} samples, more than {size} bytes can hold")
    packets = None if data_size is None else data_size.in_packets
    if packets not in (None, file.frames) and file.subtype.startswith("ALAC"):
        raise AudioError(
            f"{path}: holds {file.frames} samples, but its table of packets declares {packets}; it is damaged"
        )
    if scan.num_samples is not None and file.frames < scan.num_samples:
        raise AudioError(
            f"{path}: holds {scan.num_samples} samples, but the decoder finds {file.frames}. "
            "Convert it: ffmpeg -i OLD NEW.wav"
        )
    if file.frames < 1 and data_size is not None and data_size.declared == 0 < data_size.there:
        raise AudioError(f"{path}: holds no samples: its header declares none, and {data_size.there} bytes follow it")


def _declared_frames(file: Any, data_size: DataSize | None) -> int:
    """Return the frames that the header declares, or else those that libsndfile finds."""
    frames: int = file.frames
    width: int = _SAMPLE_BYTES.get(file.subtype, 0) * file.channels
    if data_size is None or data_size.declared < 1 or frames < 1:
        return frames
    if data_size.declared <= data_size.there:
        # Where some zeros follow, libsndfile may take them for samples.
        return min(frames, data_size.declared // width) if width else frames
    if width:
        # What is missing may be less than a frame, such as the byte that makes chunks even.
        return max(frames, data_size.declared // width)
    return -(-frames * data_size.declared // data_size.there)


def _decode_blocks(path: Path, file: Any, mixer: Mixer, first: int, stop: int) -> Iterator[Samples]:
    """Yield mono blocks: a long recording with many channels is never in memory as a whole."""
    begin = first
    rows = max(BLOCK_FRAMES // file.channels, 1)
    with as_audio_error(path), file:
        if first:
            file.seek(first)
        while first < stop:
            block = file.read(min(stop - first, rows), dtype="float32", always_2d=True)
            if not len(block):
                break
            first += len(block)
            yield mixer.mix(block)
        rate = file.samplerate
        if first == begin:
            raise AudioError("the file ends before its first sample; it is damaged or empty")
    if first < stop:
        raise _cut_off(path, first, stop, rate)
    with as_audio_error(path):
        mixer.check()


def _cut_off(path: Path, num_samples: int, wanted: int, sample_rate: int) -> AudioError:
    there, declared = (f"{count / sample_rate:.6g} s" for count in (num_samples, wanted))
    return AudioError(
        f"{path}: ends after {there}, but its header declares {declared} or more; it was cut off or is damaged"
    )
