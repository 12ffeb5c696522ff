"""Load a manifest: read it, give it its columns, and report everything that is wrong with it at once."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from seqconv.data.manifest.channels import CHANNELS, read_channel_folder
from seqconv.data.manifest.checks import find_leak_problems, find_problems, raise_problems
from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.columns import KNOWN_COLUMNS, SPLITS, TEXT_COLUMNS, Manifest, as_text, build_frame
from seqconv.data.manifest.folders import read_folder
from seqconv.data.manifest.kaldi import read_kaldi
from seqconv.data.manifest.labels import LabelColumns, place_label_files
from seqconv.data.manifest.layout import arrange
from seqconv.data.manifest.reading import form_of, read_file
from seqconv.data.manifest.rows import read_rows
from seqconv.errors import ConfigError, ManifestError
from seqconv.parts.problems import read_section
from seqconv.parts.sections import SCHEMES, split_scheme
from seqconv.text import nearest

PathText = str | PathLike[str]
_Read = tuple[pd.DataFrame, list[str], list[str]]
_PLAIN = CollectionSettings()
# Manifests of other kinds than tables and folders of recordings, by the scheme before their path.
_READERS: dict[str, Callable[[Path], tuple[pd.DataFrame, list[str]]]] = {
    "kaldi": read_kaldi,
    CHANNELS.removesuffix(":"): read_channel_folder,
}
SCHEMES.update(_READERS)


class _Reading(NamedTuple):
    collection: CollectionSettings
    label_files: str | None
    used: tuple[str, ...]


Source = PathText | Mapping[str, PathText] | pd.DataFrame


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
        source: CSV, TSV, JSON Lines or Parquet with a column `path` (relative to that file); a folder with one
            sub-folder per class; `kaldi:FOLDER`, a data directory of Kaldi; `channels:FOLDER`, a file for each channel;
            an unequal-length `.ts` file; a mapping from split to any of these, such as
            `{"train": "a_TRAIN.ts", "test": "a_TEST.ts"}`; or a DataFrame (paths relative to the working folder).
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
) -> Manifest:
    """Load a table of recordings with notes on how it was made; arguments and errors of `load_manifest`."""
    how = _Reading(collection, label_files, () if labels is None else tuple(labels.names))
    if isinstance(source, pd.DataFrame):
        name, read = "", _read_frame(source, how)
    elif isinstance(source, Mapping):
        name = ", ".join(f"{split}: {fspath(path)}" for split, path in source.items())
        read = _read_mapping(source, how)
    else:
        name, read = fspath(source), _read_one(source, how)
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


def _read_one(source: PathText, how: _Reading) -> _Read:
    """Read the table, the problems and the notes of one file or folder."""
    scheme, place = split_scheme(fspath(source))
    path = Path(place)
    is_folder = path.is_dir()
    try:
        if scheme and how.collection.rows is not None:
            raise ManifestError(f"data.rows divides tables, and '{scheme}:' reads something else. Remove one of them.")
        if scheme:
            table, notes = _READERS[scheme](path)
        elif how.collection.rows is not None and path.exists():
            table, notes = read_rows(path, how.collection, how.used)
            # That is done, before the columns of sequences were added.
            how = how._replace(collection=how.collection.model_copy(update={"columns": None}))
        else:
            table, notes = (read_folder if is_folder else read_file)(path, how.collection)
        frame, problems, more = _arrange(table, path if is_folder else path.parent, how)
    except ManifestError as error:
        raise ManifestError(f"manifest '{path}': {error}") from error
    return frame, problems, notes + more


def _read_frame(source: pd.DataFrame, how: _Reading) -> _Read:
    if how.collection.rows is not None:
        raise ManifestError(
            "data.rows divides the rows of a file, but a DataFrame was given. Write it to a file (to_parquet), or make "
            "the sequences yourself: Sequences([rows[COLUMNS].to_numpy() for _, rows in table.groupby(KEYS)], labels)."
        )
    table = source.reset_index(drop=True)
    frame, problems, notes = _arrange(table, Path.cwd(), how)
    return frame, problems, notes


def _arrange(table: pd.DataFrame, folder: Path, how: _Reading) -> _Read:
    arranged, found, notes = arrange(table, how.collection)
    text = {column: as_text(arranged[column]) for column in TEXT_COLUMNS if column in arranged}
    root = Path(how.collection.root) if isinstance(how.collection.root, str) else folder
    frame, problems = build_frame(arranged.assign(**text), root, how.used)
    if how.label_files is not None:
        problems += place_label_files(frame, how.label_files, folder)
    return frame, found + problems, notes


def _read_mapping(sources: Mapping[str, PathText], how: _Reading) -> _Read:
    if not sources:
        raise ConfigError("data.manifest is an empty mapping; name at least {train: FILE}.")
    frames, problems, notes = [], [], []
    for split, source in sources.items():
        if split not in SPLITS:
            known = ", ".join(SPLITS)
            raise ConfigError(f"data.manifest names a split '{split}'; splits are {known}{nearest(split, SPLITS)}")
        path = Path(source)
        frame, found, more = _read_one(source, how._replace(collection=how.collection.of_split(split)))
        if path.is_dir() or "case_form" in frame or form_of(path, how.collection) is not None:
            frame["id"] = f"{split}/" + frame["id"]
        others = set(frame["split"].dropna()) - {split}
        if split == "train" and others == {"valid"} and "valid" not in sources:
            # What is not for the test, divided by the collection itself.
            more.append(f"'{path}' is given as train, and its column 'split' takes valid from it")
        elif others:
            found.append(f"it is given as '{split}', but its column 'split' says '{min(others)}'.")
        else:
            frame["split"] = pd.Series(split, frame.index, object)
        frames.append(frame)
        notes += more
        problems += [f"{source}: {problem}" for problem in found]
    merged = pd.concat(frames, ignore_index=True)
    # By default the id is the path, as the table has it: in tables with other roots it may be that of another file.
    twice = merged["id"].duplicated(keep=False) & ~merged["path"].duplicated(keep=False)
    if all(str(path).endswith(name) for path, name in zip(merged["path"][twice], merged["id"][twice], strict=True)):
        merged["id"] = merged["id"].where(~twice, merged["split"] + "/" + merged["id"])
    for column in merged.columns.difference(list(KNOWN_COLUMNS)):
        if merged[column].dtype == object:
            merged[column] = merged[column].where(merged[column].notna(), None)
    return merged, problems, notes
