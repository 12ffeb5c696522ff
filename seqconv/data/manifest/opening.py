"""One source of a manifest: a file or a folder, here or at an address, a table in memory or a dataset."""

from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.columns import TEXT_COLUMNS, as_text, build_frame
from seqconv.data.manifest.labels import place_label_files
from seqconv.data.manifest.layout import arrange
from seqconv.data.manifest.readers.arrow import is_dataset, read_dataset, read_parquet
from seqconv.data.manifest.readers.channels import CHANNELS, read_channel_folder
from seqconv.data.manifest.readers.folders import read_folder
from seqconv.data.manifest.readers.kaldi import read_kaldi
from seqconv.data.manifest.readers.lhotse import read_lhotse
from seqconv.data.manifest.readers.patterns import find_files
from seqconv.data.manifest.readers.rows import read_rows
from seqconv.data.manifest.readers.shards import read_shards
from seqconv.data.manifest.readers.tables import read_file
from seqconv.errors import ConfigError, ManifestError
from seqconv.features.cases import FORMATS
from seqconv.features.foreign import find_schemes
from seqconv.files import fetch, folder_of, is_address, is_file, is_web, suffix_of
from seqconv.parts.sections import SCHEMES, split_scheme

TableRead = tuple[pd.DataFrame, list[str], list[str]]
"""A table, the problems found, and notes."""
# Manifests of other kinds than tables and folders of recordings, by the scheme before their path.
_READERS: dict[str, Callable[[Path], tuple[pd.DataFrame, list[str]]]] = {
    "kaldi": read_kaldi,
    "lhotse": read_lhotse,
    CHANNELS.removesuffix(":"): read_channel_folder,
}
# Those whose places are patterns of several files, here or at addresses.
_PATTERN_READERS = {"webdataset": read_shards}
SCHEMES.update((*_READERS, *_PATTERN_READERS))


class HowToRead(NamedTuple):
    """Settings of reading: of the collection, the column with paths to labels of frames, and further columns in use."""

    collection: CollectionSettings
    label_files: str | None
    used: tuple[str, ...]


def name_source(source: Any) -> str:
    """Return the path or address of a source; of what is in memory, nothing."""
    return fspath(source) if isinstance(source, str | PathLike) else ""


def read_source(source: Any, how: HowToRead) -> TableRead:
    """Read the table, the problems and the notes of one file, folder, table or dataset."""
    if isinstance(source, str | PathLike):
        return _read_path(fspath(source), how)
    if how.collection.rows is not None:
        raise ManifestError(
            f"data.rows divides the rows of a file, but a {type(source).__name__} was given. Write it to a file "
            "(to_parquet), or make the sequences yourself: Sequences([rows[COLUMNS].to_numpy() for _, rows in "
            "table.groupby(KEYS)], labels)."
        )
    if isinstance(source, pd.DataFrame):
        return _arrange(source.reset_index(drop=True), Path.cwd(), how)
    if not is_dataset(source):
        raise ConfigError(
            "a manifest is a path, a mapping from split to path, a DataFrame or a dataset, not "
            f"{type(source).__name__}. Of a list of paths, make a table: "
            "pandas.DataFrame({'path': paths, 'label': labels})."
        )
    table, notes = read_dataset(source, _cache_of(how))
    frame, problems, more = _arrange(table, Path.cwd(), how)
    return frame, problems, notes + more


def _cache_of(how: HowToRead) -> str | None:
    return getattr(how.collection, "cache_dir", None)


def _read_path(source: str, how: HowToRead) -> TableRead:
    """Read the table, the problems and the notes of one file or folder, here or at an address."""
    scheme, place = split_scheme(source)
    if scheme and how.collection.rows is not None:
        raise ManifestError(
            f"manifest '{source}': data.rows divides tables, and '{scheme}:' reads something else. Remove one of them."
        )
    if scheme in _PATTERN_READERS:
        return _read_pattern(source, _PATTERN_READERS[scheme], how)
    if scheme and is_address(place):
        raise ManifestError(f"manifest '{source}': '{scheme}:' reads from this machine. Copy the data here first.")
    is_folder, name = _is_folder(place, how.collection), place if is_address(place) else str(Path(place))
    try:
        if scheme:
            table, notes = _READERS[scheme](Path(place))
        else:
            table, notes = _read_plainly(place, how, is_folder=is_folder)
        if how.collection.rows is not None:
            # That is done, before the columns of sequences were added.
            how = how._replace(collection=how.collection.model_copy(update={"columns": None}))
        frame, problems, more = _arrange(table, name if is_folder else folder_of(place), how)
    except FileNotFoundError as error:
        raise ManifestError(f"manifest '{name}': there is no such file.") from error
    except ManifestError as error:
        hint = "" if scheme or is_folder else find_schemes([Path(place)])
        raise ManifestError(f"manifest '{name}': {error}{'' if hint in str(error) else hint}") from error
    return frame, problems, notes + more


def _read_pattern(source: str, read: Callable[[str, CollectionSettings], Any], how: HowToRead) -> TableRead:
    """Read the files that a pattern means, by a reader that says where each recording is."""
    try:
        table, notes = read(split_scheme(source)[1], how.collection)
        frame, problems, more = _arrange(table, Path.cwd(), how)
    except ManifestError as error:
        raise ManifestError(f"manifest '{source}': {error}") from error
    return frame, problems, notes + more


def _read_plainly(place: str, how: HowToRead, *, is_folder: bool) -> tuple[pd.DataFrame, list[str]]:
    """Read a table or a folder, the kind of which nothing but itself and the settings says."""
    if how.collection.rows is not None:
        if is_address(place):
            raise ManifestError("data.rows reads from this machine. Copy the data here first.")
        if Path(place).exists():
            return read_rows(Path(place), how.collection, how.used)
    if is_folder:
        return read_folder(place if is_address(place) else Path(place), how.collection)
    if suffix_of(place) == ".parquet":
        files = find_files(place) if set("*?[{") & set(place) else [place] if is_file(place) else []
        if files:
            return read_parquet([fetch(file) for file in files], _cache_of(how))
    return read_file(fetch(place), how.collection)


def _is_folder(path: str, collection: CollectionSettings) -> bool:
    if not is_address(path):
        return Path(path).is_dir()
    if suffix_of(path):
        return False
    # For a folder, web servers send a page; a table without suffix is read by its separator alone.
    return collection.separator is None if is_web(path) else not is_file(path)


def has_scheme(source: str) -> bool:
    """Whether a text names a manifest of another kind than a table or a folder, such as `kaldi:FOLDER`."""
    return bool(split_scheme(source)[0])


def numbers_its_rows(source: str, frame: pd.DataFrame, collection: CollectionSettings) -> bool:
    """Whether ids are unique only within one folder, file or pattern of files."""
    holds_cases = "case_form" in frame or suffix_of(source) in FORMATS
    return holds_cases or split_scheme(source)[0] in _PATTERN_READERS or _is_folder(source, collection)


def _arrange(table: pd.DataFrame, folder: str | Path, how: HowToRead) -> TableRead:
    arranged, found, notes = arrange(table, how.collection)
    text = {column: as_text(arranged[column]) for column in TEXT_COLUMNS if column in arranged}
    root = how.collection.root if isinstance(how.collection.root, str) else folder
    frame, problems = build_frame(arranged.assign(**text), root, how.used)
    if how.label_files is not None:
        problems += place_label_files(frame, how.label_files, folder)
    return frame, found + problems, notes
