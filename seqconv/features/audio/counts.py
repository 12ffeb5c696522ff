"""Sizes in the headers of formats without chunks: SPHERE, VOC, AU, AVR, MAT4, MAT5, WVE, XI and MPC 2000."""

import struct
from collections.abc import Callable
from typing import IO

# Where the samples begin, and how many bytes of them the header declares.
Place = tuple[int, int]
_HEAD_BYTES = 1024


def find_samples(file: IO[bytes], size: int) -> Place | None:
    """Return where the samples begin in a file of `size` bytes, and the bytes that its header declares.

    Returns:
        None for other formats, and for a header that is damaged: libsndfile says how.

    >>> import io
    >>> head = b"NIST_1A\\n   1024\\nchannel_count -i 1\\nsample_count -i 9\\nsample_n_bytes -i 2\\nend_head\\n"
    >>> find_samples(io.BytesIO(head), 1042)
    (1024, 18)
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    for magic, read in _READERS.items():
        if head.startswith(magic):
            try:
                start, declared = read(head)
            except (struct.error, ValueError, KeyError, IndexError):
                return None
            # libsndfile counts the byte behind the samples in some VOC files, and then does not write it.
            return start, declared - (read is _voc and start + declared == size + 1)
    return None


def _sphere(head: bytes) -> Place:
    lines = head.split(b"\n")
    fields = {parts[0]: parts[2] for parts in (line.split(None, 2) for line in lines[2:]) if len(parts) == 3}
    channels, width = int(fields.get(b"channel_count", b"1")), int(fields.get(b"sample_n_bytes", b"2"))
    if fields.get(b"sample_coding", b"pcm").strip() not in (b"pcm", b"ulaw", b"mu-law", b"alaw"):
        raise ValueError("compressed")
    return int(lines[1]), int(fields[b"sample_count"]) * channels * width


def _sun(order: str) -> Callable[[bytes], Place]:
    def read(head: bytes) -> Place:
        start, declared = struct.unpack_from(order + "II", head, 4)
        return start, declared

    return read


def _voc(head: bytes) -> Place:
    (place,) = struct.unpack_from("<H", head, 20)
    # Blocks before the samples: text, markers, silence. What begins with 9 is a newer head of the samples.
    for _ in range(len(head)):
        kind, size = head[place], int.from_bytes(head[place + 1 : place + 4], "little")
        if kind in (1, 9):
            skipped = 2 if kind == 1 else 12
            return place + 4 + skipped, size - skipped
        place += 4 + size
    raise ValueError("no samples")


def _avr(head: bytes) -> Place:
    is_mono, bits = struct.unpack_from(">HH", head, 12)
    (frames,) = struct.unpack_from(">I", head, 26)
    return 128, frames * (2 if is_mono else 1) * bits // 8


def _mat4(order: str) -> Callable[[bytes], Place]:
    widths = {0: 8, 1: 4, 2: 4, 3: 2, 4: 2, 5: 1}

    def read(head: bytes) -> Place:
        # The rate is a matrix of its own, of one number; then comes that of the samples.
        rate = struct.unpack_from(order + "5I", head, 0)
        place = 20 + rate[4] + 8 * rate[1] * rate[2]
        kind, rows, columns, _, name = struct.unpack_from(order + "5I", head, place)
        return place + 20 + name, rows * columns * widths[kind // 10 % 10]

    return read


def _mat5(head: bytes) -> Place:
    order = "<" if head[126:128] == b"IM" else ">"
    _, size = struct.unpack_from(order + "II", head, 128)
    place = 136 + size
    _, size = struct.unpack_from(order + "II", head, place)
    # Within the matrix of samples: flags, dimensions, name, and then the values.
    for _ in range(3):
        place += 8
        kind, own = struct.unpack_from(order + "II", head, place)
        # A name of up to four bytes is in the head itself.
        place += 0 if kind >> 16 else -(-own // 8) * 8
    _, declared = struct.unpack_from(order + "II", head, place + 8)
    return place + 16, declared


def _wve(head: bytes) -> Place:
    return 32, struct.unpack_from(">I", head, 18)[0]


def _xi(head: bytes) -> Place:
    # One instrument may have several samples; libsndfile takes the first.
    number, size = struct.unpack_from("<HI", head, 296)
    return 298 + 40 * number, size


def _mpc(head: bytes) -> Place:
    (frames,) = struct.unpack_from("<I", head, 30)
    return 42, frames * 2 * (2 if head[21] else 1)


_READERS: dict[bytes, Callable[[bytes], Place]] = {
    b"NIST_1A": _sphere,
    b".snd": _sun(">"),
    b"dns.": _sun("<"),
    b"Creative Voice File": _voc,
    b"2BIT": _avr,
    struct.pack("<5I", 0, 1, 1, 0, 11): _mat4("<"),
    struct.pack(">5I", 1000, 1, 1, 0, 11): _mat4(">"),
    b"MATLAB 5.0 MAT-file": _mat5,
    b"ALawSoundFile**": _wve,
    b"Extended Instrument: ": _xi,
    b"\x01\x04": _mpc,
}
