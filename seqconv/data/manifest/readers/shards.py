"""Tar archives as WebDataset writes them, as manifests: the files of one key are a sample. Nothing is unpacked."""

import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, NamedTuple

import pandas as pd

from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.columns import refuse_indicators, to_text
from seqconv.data.manifest.readers.folders import ARRAY_SUFFIXES, AUDIO_SUFFIXES
from seqconv.data.manifest.readers.patterns import find_files, short_names
from seqconv.errors import ManifestError, StorageError, list_some
from seqconv.files import TarMember, is_address, read_parts

# As WebDataset has it: a key goes up to the first dot of the name.
_NAME = re.compile(r"((?:.*/)?[^./][^/.]*)\.([^/]+)")
_MEDIA = (*AUDIO_SUFFIXES, *ARRAY_SUFFIXES)
_TEXTS = ("cls", "cls2", "class", "index", "inx", "count", "txt", "text", "transcript", "label", "lang")
_JSON = ("json", "jsn")
_LONGEST_TEXT = 1 << 20
_DEEPEST = 8
_PACKED = {b"\x1f\x8b": "gzip -d", b"BZh": "bzip2 -d", b"\xfd7z": "xz -d", b"\x28\xb5\x2f\xfd": "zstd -d"}
_BLOCK = 512
_AT_ONCE = 16


class _Member(NamedTuple):
    """A file of an archive: its key, what follows the key, its bytes, and its text if it is one that is read."""

    key: str
    extension: str
    start: int
    stop: int
    text: str | None


def read_shards(pattern: str, collection: CollectionSettings) -> tuple[pd.DataFrame, list[str]]:
    """Read tar archives of samples, such as `shards/train-{000..003}.tar` or `s3://bucket/train-*.tar`.

    A row is a key. Its columns: `id` (archive and key), `shard`, `path` (the recording or array: an address of the
    bytes within the archive), and by their extensions the texts (`cls`, `txt`) and the fields of JSON (`json.label`).
    `label` is the text in `.cls`, unless `collection.columns` says otherwise.

    Returns:
        The table, and notes.

    Raises:
        ManifestError: there is no such archive, it is compressed or was cut off, a key comes twice, or has no
            recording, or several of which `collection.columns` chooses none.

    Source: the WebDataset format (https://github.com/webdataset/webdataset).
    """
    shards = find_files(pattern)
    names = short_names(shards)
    chosen = collection.columns or {}
    rows, left_out = [], Counter[str]()
    for shard, name, found in zip(shards, names, _read_all(shards), strict=True):
        for key, members in _by_key(found, shard).items():
            row: dict[str, Any] = {"id": f"{name}/{key}", "shard": name}
            media = {member.extension: member for member in members if _is_media(member.extension)}
            row |= {each: _address(shard, member) for each, member in media.items()}
            for member in members:
                row |= _cells(member, f"'{shard}', '{member.key}.{member.extension}'")
            left_out.update(each.extension for each in members if each.extension not in media and each.text is None)
            if "path" not in chosen:
                row["path"] = row[_the_only(media, members, key, shard)]
            rows.append(row)
    if not rows:
        raise ManifestError("it holds no sample: no file whose name has a key and an extension, such as 000.wav.")
    header = list(dict.fromkeys(name for row in rows for name in row))
    table = pd.DataFrame({name: _as_cells(name, rows) for name in header}, dtype=object)
    if "label" not in chosen and "label" not in table and "cls" in table:
        table["label"] = table["cls"]
    kinds = ", ".join(f"{count} .{extension}" for extension, count in left_out.most_common(10))
    return table, [f"files that are neither recordings nor texts were left out: {kinds}"] if left_out else []


def _read_all(shards: list[str]) -> Iterator[list[_Member]]:
    if not any(map(is_address, shards)):
        yield from map(_read_shard, shards)
        return
    # Most of the time goes by on the way there and back.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(_read_shard, shards)


def _read_shard(shard: str) -> list[_Member]:
    try:
        return read_parts(shard, lambda file: [*_read_members(file)])
    except ManifestError as error:
        raise ManifestError(f"'{shard}': {error}") from error
    except StorageError:
        raise
    except OSError as error:
        raise ManifestError(f"there is no archive '{shard}' ({error.strerror or error}).") from error


def _read_members(file: IO[bytes]) -> Iterator[_Member]:
    """Yield the files of an archive in their order; the open file is left anywhere."""
    magic = file.read(4)
    for sign, command in _PACKED.items():
        if magic.startswith(sign):
            raise ManifestError(
                f"it is compressed, so that no part of it can be read alone. Unpack it once: {command}."
            )
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for info in archive:
                if info.isreg() and not info.issparse():
                    yield from _as_member(info, file)
                elif not info.isdir():
                    raise ManifestError(
                        f"'{info.name}' in it is a link or of another special kind. Store files as they are."
                    )
            file.seek(archive.offset)
            # Where it was cut off between two files, nothing else shows it.
            if file.read(_BLOCK) != bytes(_BLOCK):
                raise ManifestError(f"it was cut off or is damaged at byte {archive.offset}: its end is not marked.")
    except (tarfile.TarError, UnicodeDecodeError, OverflowError) as error:
        raise ManifestError(f"it is no tar archive, or is damaged ({error}).") from error


def _as_member(info: tarfile.TarInfo, file: IO[bytes]) -> Iterator[_Member]:
    name = _NAME.fullmatch(info.name.removeprefix("./"))
    if name is None or name[1].startswith("__"):
        return
    extension, text = name[2].lower(), None
    kind = extension.rpartition(".")[2]
    if kind in (*_TEXTS, *_JSON):
        if info.size > _LONGEST_TEXT:
            raise ManifestError(f"'{info.name}' in it has {info.size} bytes, which is more than a label or a text has.")
        file.seek(info.offset_data)
        try:
            text = file.read(info.size).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ManifestError(f"'{info.name}' in it is not UTF-8 text ({error.reason}).") from error
    yield _Member(name[1], extension, info.offset_data, info.offset_data + info.size, text)


def _by_key(members: Iterable[_Member], shard: str) -> dict[str, list[_Member]]:
    found: dict[str, list[_Member]] = {}
    last = None
    for member in members:
        if member.key in found and member.key != last:
            raise ManifestError(
                f"'{shard}': the key '{member.key}' comes twice, so that it may be one sample or two. Name them "
                "otherwise."
            )
        last = member.key
        known = found.setdefault(member.key, [])
        if any(each.extension == member.extension for each in known):
            raise ManifestError(f"'{shard}' holds '{member.key}.{member.extension}' twice. Name them otherwise.")
        known.append(member)
    return found


def _is_media(extension: str) -> bool:
    return f".{extension.rpartition('.')[2]}" in _MEDIA


def _address(shard: str, member: _Member) -> str:
    return TarMember(member.start, member.stop, f"{member.key}.{member.extension}", shard).address


def _the_only(media: Mapping[str, _Member], members: Iterable[_Member], key: str, shard: str) -> str:
    if len(media) > 1:
        first = next(iter(media))
        raise ManifestError(
            f"'{shard}': the key '{key}' has several recordings: {list_some(media)}. Say which: data.columns: "
            f"{{path: {first}}}."
        )
    if not media:
        there = list_some(member.extension for member in members)
        raise ManifestError(
            f"'{shard}': the key '{key}' has no recording and no array; it has {there}. A recording ends with "
            f"{', '.join(AUDIO_SUFFIXES[:4])} or the like, an array with {', '.join(ARRAY_SUFFIXES)}."
        )
    return next(iter(media))


def _as_cells(name: str, rows: Iterable[Mapping[str, Any]]) -> list[str | None]:
    """Return a column as text; lists of labels are joined."""
    values = [(row["id"], row.get(name)) for row in rows]
    refuse_indicators(name, (value for _, value in values))
    return [to_text(value, f"'{key}', '{name}'") or None for key, value in values]


def _cells(member: _Member, place: str) -> dict[str, Any]:
    """Return the values that a text holds: of JSON, one for each field."""
    if member.text is None:
        return {}
    if member.extension.rpartition(".")[2] not in _JSON:
        return {member.extension: member.text.strip()}
    try:
        # Numbers stay as written.
        content = json.loads(member.text, parse_int=str, parse_float=str)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ManifestError(f"{place} is not JSON ({error}).") from error
    return {f"{member.extension}.{name}": cell for name, cell in _fields(content)} if isinstance(content, dict) else {}


def _fields(content: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from ((f"{name}.{inner}", cell) for inner, cell in _fields(value, depth + 1))
        elif not isinstance(value, dict | list) or not any(isinstance(each, dict | list) for each in value):
            yield name, value
