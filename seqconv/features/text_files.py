"""Files of text: the encoding that they declare, and what is said of those that are not in it."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from seqconv.errors import ManifestError
from seqconv.files import undecodable_line

# UTF-32 begins like UTF-16, so that it is asked for first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_encoding(path: Path) -> str:
    """Return the encoding that the first bytes of a text declare; UTF-8 if they declare none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "table.txt")
    ...     _ = path.write_text("one", encoding="utf-16")
    ...     text_encoding(path)
    'utf-16'
    """
    with path.open("rb") as file:
        head = file.read(4)
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "utf-8")


def read_text(path: Path) -> str:
    """Read a text in the encoding that it declares.

    Raises:
        ManifestError: it is in another.
    """
    try:
        return path.read_text(encoding=text_encoding(path))
    except UnicodeError as error:
        raise ManifestError(f"'{path}': {decoding_problem(path, error)}") from error


def read_lines(path: Path, comment: str) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of each line that is neither empty nor a comment.

    Raises:
        ManifestError: the text is in another encoding than it declares.
    """
    for number, line in enumerate(map(str.strip, read_text(path).splitlines()), start=1):
        if line and not line.startswith(comment):
            yield number, line


def decoding_problem(path: Path, error: UnicodeError) -> str:
    """Say where a text is not what its first bytes declare, and what to do."""
    encoding, reason = text_encoding(path), getattr(error, "reason", error)
    if encoding.startswith("utf-8"):
        return f"it is not UTF-8 text: line {undecodable_line(path)} ({reason}). Save it as UTF-8."
    line = 1 + path.read_bytes().decode(encoding, errors="ignore").count("\n")
    return f"it begins like {encoding.upper()} text, but is not: up to line {line} ({reason}). Save it as UTF-8."
