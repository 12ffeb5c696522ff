"""Files of text: the encoding that they declare, and what is said of those that cannot be read."""

import codecs
from pathlib import Path

from seqconv.files import undecodable_line

# UTF-32 begins like UTF-16, so that it is asked for first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNPACK = {".gz": "gunzip", ".bz2": "bunzip2", ".xz": "unxz", ".zst": "unzstd", ".zip": "unzip", ".7z": "7z x"}
_OTHERS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), " It is a workbook: save its sheet as CSV (UTF-8)."),
    **dict.fromkeys((".pkl", ".pickle"), " Nothing is unpickled: save it as CSV or Parquet."),
    **dict.fromkeys((".arrow", ".feather", ".orc"), " Save it as Parquet."),
    ".json": " Write an object on each line, and call it .jsonl.",
}


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


def decoding_problem(path: Path, error: UnicodeError) -> str:
    """Say where a text is not what its first bytes declare, and what to do."""
    encoding, reason = text_encoding(path), getattr(error, "reason", error)
    if encoding.startswith("utf-8"):
        return f"it is not UTF-8 text: line {undecodable_line(path)} ({reason}). Save it as UTF-8."
    line = 1 + path.read_bytes().decode(encoding, errors="ignore").count("\n")
    return f"it begins like {encoding.upper()} text, but is not: up to line {line} ({reason}). Save it as UTF-8."


def conversion_hint(path: Path) -> str:
    """Return the way to a readable file from one that is packed, a workbook or another kind of table; else nothing.

    >>> conversion_hint(Path("m.csv.gz"))
    ' It is packed: gunzip m.csv.gz.'
    """
    suffix = path.suffix.lower()
    if suffix in _UNPACK:
        return f" It is packed: {_UNPACK[suffix]} {path.name}."
    return _OTHERS.get(suffix, "")
