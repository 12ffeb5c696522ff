"""Files put together from parts of another one, so that a decoder reads only what it understands."""

import io
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple


class Span(NamedTuple):
    """Bytes `start` to `stop` of a file."""

    start: int
    stop: int


class SplicedFile(io.RawIOBase):
    """Some bytes, then spans of the file at `path`, as one file that can be read and sought in.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x"
    >>> path.write_bytes(b"tag, one, tag, two")
    18
    >>> SplicedFile(path, b"new ", (Span(5, 10), Span(15, 18))).read()
    b'new one, two'
    """

    def __init__(self, path: Path, head: bytes, spans: tuple[Span, ...]):
        super().__init__()
        self._head, self._spans, self._place = head, spans, 0
        self._starts = list(accumulate((stop - start for start, stop in spans), initial=len(head)))
        self._file = path.open("rb")

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._place < self._starts[-1]:
            part = self._read_at(self._place, len(view) - done)
            if not part:
                break
            view[done : done + len(part)] = part
            done += len(part)
            self._place += len(part)
        return done

    def _read_at(self, place: int, size: int) -> bytes:
        if place < len(self._head):
            return self._head[place : place + size]
        number = bisect_right(self._starts, place) - 1
        start, stop = self._spans[number]
        self._file.seek(start + place - self._starts[number])
        return self._file.read(min(size, stop - self._file.tell()))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = max(offset + (0, self._place, self._starts[-1])[whence], 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()
