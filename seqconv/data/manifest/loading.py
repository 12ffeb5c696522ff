"""Load a manifest: read it, give it its columns, and report everything that is wrong with it at once."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from seqconv.data.manifest.arrow import is_dataset, read_dataset, read_parquet
from seqconv.data.manifest.channels import CHANNELS, read_channel_folder
from seqconv.data.manifest.checks import find_leak_problems, find_problems, raise_problems
from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.columns import (
    KNOWN_COLUMNS,
    SPLIT_WORDS,
    SPLITS,
    TEXT_COLUMNS,
    Manifest,
    as_text,
    build_frame,
)
from seqconv.data.manifest.folders import read_folder
from seqconv.data.manifest.kaldi import read_kaldi
from seqconv.data.manifest.labels import LabelColumns, place_label_files
from seqconv.data.manifest.layout import arrange
from seqconv.data.manifest.lhotse import read_lhotse
from seqconv.data.manifest.patterns import find_files
from seqconv.data.manifest.reading import read_file
from seqconv.data.manifest.rows import read_rows
from seqconv.data.manifest.shards import read_shards
from seqconv.errors import ConfigError, ManifestError, list_some
from seqconv.features.cases import FORMATS
from seqconv.files import fetch, folder_of, is_address, is_file, is_web, suffix_of
from seqconv.parts.problems import read_section
from seqconv.parts.sections import SCHEMES, split_scheme
from seqconv.text import nearest

PathText = str | PathLike[str]
_Read = tuple[pd.DataFrame, list[str], list[str]]
_PLAIN = CollectionSettings()
# Manifests of other kinds than tables and folders of recordings, by the scheme before their path.
_READERS: dict[str, Callable[[Path], tuple[pd.DataFrame, list[str]]]] = {
    "kaldi": read_kaldi,
    "lhotse": read_lhotse,
    CHANNELS.removesuffix(":"): read_channel_folder,
}
# Those whose places are patterns of several files, here or at addresses.
_PATTERN_READERS = {"webdataset": read_shards}
SCHEMES.update((*_READERS, *_PATTERN_READERS))


class _Reading(NamedTuple):
    collection: CollectionSettings
    label_files: str | None
    used: tuple[str, ...]


Source = PathText | Mapping[str, Any] | pd.DataFrame | Any


def load_manifest(
    source: Source,
    *,
    label: str | Sequence[str] | None = None,
    task: str = "classification",
    separator: str = ";",
    label_files: str | None = None,
    on_leak: str = "error",
    layout: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Load a table of recordings.

    Args:
        source: CSV, TSV, JSON Lines or Parquet with a column `path` (relative to that file; Parquet also as a pattern,
            `train-*.parquet`); a folder with one
            sub-folder per class; `kaldi:FOLDER`, a data directory of Kaldi; `lhotse:FILE`, cuts of lhotse;
            `channels:FOLDER`, a file for each channel; `webdataset:SHARDS`, tar archives; an
            unequal-length `.ts` file; a mapping from split to any of these, such as
            `{"train": "a_TRAIN.ts", "test": "a_TEST.ts"}`; or a DataFrame (paths relative to the working folder), a
            table of Arrow, a Dataset or a DatasetDict of Hugging Face.
        label: Target column, or columns; when given, the labels are checked together with the rest.
        task: `classification`, `multilabel` or `regression`; read only with `label`.
        separator: Between the labels of one cell (multilabel).
        label_files: Column with paths to labels of frames (relative to the manifest); they become absolute.
        on_leak: A group or file in more than one split is an `error`; with `warn` it is let through.
        layout: How the table, its folders and its paths are read, as in the section `data` of a config: `columns`,
            `root`, `path`, `label_from`, `split_lists`, `ignore`, `rows`, `names`, `separator`, `comment`.

    Returns:
        The columns `id`, `path` (absolute), `label`, `split`, `group` (text, None where empty), `fold` (Int64),
        `start`, `end` (seconds, NaN where empty), `weight` (1 where empty), then all others of the file, as text; from
        files that hold several sequences also `case`, the number of the sequence within the file, and, where its suffix
        does not say it, `case_form`: how it holds them.

    Raises:
        ManifestError: With all problems of the manifest, each with the first few ids and the count.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.wav", "b.wav"):
        ...     (folder / name).touch()
        >>> _ = (folder / "m.csv").write_text("path,label,speaker\\na.wav,001,NA\\nb.wav,002,x\\n")
        >>> load_manifest(folder / "m.csv")[["id", "label", "speaker", "weight"]].values.tolist()
        [['a.wav', '001', 'NA', 1.0], ['b.wav', '002', 'x', 1.0]]
    """
    labels = None if label is None else LabelColumns(label, task, separator)
    collection = read_section(CollectionSettings, layout or {}, "layout")
    return read_manifest(source, labels, label_files=label_files, on_leak=on_leak, collection=collection).frame


def read_manifest(
    source: Source,
    labels: LabelColumns | None = None,
    *,
    label_files: str | None = None,
    on_leak: str = "error",
    collection: CollectionSettings = _PLAIN,
    used: Sequence[str | None] = (),
) -> Manifest:
    """Load a table of recordings with notes on how it was made; arguments and errors of `load_manifest`.

    `used`: further columns that are used, and so are no misspelled others.
    """
    names = [*used, label_files, *([] if labels is None else labels.names)]
    how = _Reading(collection, label_files, tuple(name for name in names if name is not None))
    if isinstance(source, Mapping):
        name = ", ".join(f"{split}: {_name(part)}".removesuffix(": ") for split, part in source.items())
        read = _read_mapping(source, how)
    else:
        name, read = _name(source), _read_one(source, how)
    frame, problems, notes = read
    problems += find_problems(frame)
    leaks = list(find_leak_problems(frame))
    if on_leak == "warn":
        notes += leaks
    else:
        problems += [f"{leak} To train anyway, set data.on_leak to 'warn'." for leak in leaks]
    if labels is not None:
        problems += labels.find_problems(frame)
    raise_problems(problems, name)
    return Manifest(frame, tuple(notes))


def _name(source: Any) -> str:
    return fspath(source) if isinstance(source, str | PathLike) else ""


def _read_one(source: Any, how: _Reading) -> _Read:
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


def _cache_of(how: _Reading) -> str | None:
    return getattr(how.collection, "cache_dir", None)


def _read_path(source: str, how: _Reading) -> _Read:
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
        raise ManifestError(f"manifest '{name}': {error}") from error
    return frame, problems, notes + more


def _read_pattern(source: str, read: Callable[[str, CollectionSettings], Any], how: _Reading) -> _Read:
    """Read the files that a pattern means, by a reader that says where each recording is."""
    try:
        table, notes = read(split_scheme(source)[1], how.collection)
        frame, problems, more = _arrange(table, Path.cwd(), how)
    except ManifestError as error:
        raise ManifestError(f"manifest '{source}': {error}") from error
    return frame, problems, notes + more


def _read_plainly(place: str, how: _Reading, *, is_folder: bool) -> tuple[pd.DataFrame, list[str]]:
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


def _numbers_its_rows(source: str, frame: pd.DataFrame, collection: CollectionSettings) -> bool:
    """Whether ids are unique only within one folder, file or pattern of files."""
    holds_cases = "case_form" in frame or suffix_of(source) in FORMATS
    return holds_cases or split_scheme(source)[0] in _PATTERN_READERS or _is_folder(source, collection)


def _arrange(table: pd.DataFrame, folder: str | Path, how: _Reading) -> _Read:
    arranged, found, notes = arrange(table, how.collection)
    text = {column: as_text(arranged[column]) for column in TEXT_COLUMNS if column in arranged}
    root = how.collection.root if isinstance(how.collection.root, str) else folder
    frame, problems = build_frame(arranged.assign(**text), root, how.used)
    if how.label_files is not None:
        problems += place_label_files(frame, how.label_files, folder)
    return frame, found + problems, notes


def _read_mapping(sources: Mapping[str, Any], how: _Reading) -> _Read:
    if not sources:
        raise ConfigError("data.manifest is an empty mapping; name at least {train: FILE}.")
    frames, problems, notes = [], [], []
    if any(map(is_dataset, sources.values())):
        sources = _name_splits(sources)
    for split, source in sources.items():
        if split not in SPLITS:
            known = ", ".join(SPLITS)
            raise ConfigError(f"data.manifest names a split '{split}'; splits are {known}{nearest(split, SPLITS)}")
        frame, found, more = _read_one(source, how._replace(collection=how.collection.of_split(split)))
        if isinstance(source, str | PathLike) and _numbers_its_rows(fspath(source), frame, how.collection):
            frame["id"] = f"{split}/" + frame["id"]
        others = set(frame["split"].dropna()) - {split}
        if split == "train" and others == {"valid"} and "valid" not in sources:
            # What is not for the test, divided by the collection itself.
            more.append(f"'{_name(source)}' is given as train, and its column 'split' takes valid from it")
        elif others:
            found.append(f"it is given as '{split}', but its column 'split' says '{min(others)}'.")
        else:
            frame["split"] = pd.Series(split, frame.index, object)
        frames.append(frame)
        notes += more
        problems += [f"{_name(source) or split}: {problem}" for problem in found]
    merged = pd.concat(frames, ignore_index=True)
    # By default the id is the path, as the table has it: in tables with other roots it may be that of another file.
    # Recordings inside tables have but a name, or a number.
    twice = merged["id"].duplicated(keep=False) & ~merged["path"].duplicated(keep=False)
    of_arrow = {split for split, source in sources.items() if is_dataset(source) or _name(source).endswith(".parquet")}
    parts = merged.loc[twice, ["path", "id", "split"]].itertuples(index=False)
    if all(split in of_arrow or str(path).endswith(name) for path, name, split in parts):
        merged["id"] = merged["id"].where(~twice, merged["split"] + "/" + merged["id"])
    for column in merged.columns.difference(list(KNOWN_COLUMNS)):
        if merged[column].dtype == object:
            merged[column] = merged[column].where(merged[column].notna(), None)
    return merged, problems, notes


def _name_splits(sources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the splits of a dataset under our names, such as "validation"."""
    named = {SPLIT_WORDS.get(split, split): source for split, source in sources.items()}
    if len(named) < len(sources) or not set(named) <= set(SPLITS):
        others = ", ".join(f"'{split}': data['{split}']" for split in sources if SPLIT_WORDS.get(split) is None)
        raise ConfigError(
            f"the dataset has the splits {list_some(sources)}, but splits are {', '.join(SPLITS)}. Say which is which: "
            f"{{'train': data['...'], 'test': data['...']}}{f'; there are {others}' if others else ''}."
        )
    return named
