"""Load a manifest: read it, give it its columns, and report everything that is wrong with it at once."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

import pandas as pd

from seqconv.data.manifest.checks import find_leak_problems, find_problems, raise_problems
from seqconv.data.manifest.columns import KNOWN_COLUMNS, SPLITS, TEXT_COLUMNS, Manifest, as_text, build_frame
from seqconv.data.manifest.labels import LabelColumns, place_label_files
from seqconv.data.manifest.reading import read_folder, read_table
from seqconv.errors import ConfigError, ManifestError
from seqconv.text import nearest

PathText = str | PathLike[str]
_Read = tuple[pd.DataFrame, list[str], list[str]]
Source = PathText | Mapping[str, PathText] | pd.DataFrame


def load_manifest(
    source: Source,
    *,
    label: str | Sequence[str] | None = None,
    task: str = "classification",
    separator: str = ";",
    label_files: str | None = None,
    on_leak: str = "error",
) -> pd.DataFrame:
    """Load a table of recordings.

    Args:
        source: CSV, TSV, JSON Lines or Parquet with a column `path` (relative to that file); a folder with one
            sub-folder per class; an unequal-length `.ts` file; a mapping from split to any of these, such as
            `{"train": "a_TRAIN.ts", "test": "a_TEST.ts"}`; or a DataFrame (paths relative to the working folder).
        label: Target column, or columns; when given, the labels are checked together with the rest.
        task: `classification`, `multilabel` or `regression`; read only with `label`.
        separator: Between the labels of one cell (multilabel).
        label_files: Column with paths to labels of frames (relative to the manifest); they become absolute.
        on_leak: A group or file in more than one split is an `error`; with `warn` it is let through.

    Returns:
        The columns `id`, `path` (absolute), `label`, `split`, `group` (text, None where empty), `fold` (Int64),
        `start`, `end` (seconds, NaN where empty), `weight` (1 where empty), then all others of the file, as text; from
        `.ts` files also `case`, the number of the sequence within the file.

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
    return read_manifest(source, labels, label_files=label_files, on_leak=on_leak).frame


def read_manifest(
    source: Source, labels: LabelColumns | None = None, *, label_files: str | None = None, on_leak: str = "error"
) -> Manifest:
    """Load a table of recordings with notes on how it was made; arguments and errors of `load_manifest`."""
    if isinstance(source, pd.DataFrame):
        name, read = "", _read_frame(source, label_files)
    elif isinstance(source, Mapping):
        name = ", ".join(f"{split}: {fspath(path)}" for split, path in source.items())
        read = _read_mapping(source, label_files)
    else:
        name, read = fspath(source), _read_one(Path(source), label_files)
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


def _read_one(path: Path, label_files: str | None) -> _Read:
    """Read the table, the problems and the notes of one file or folder."""
    is_folder = path.is_dir()
    try:
        table, notes = read_folder(path) if is_folder else (read_table(path), [])
        return *_add_columns(table, path if is_folder else path.parent, label_files), notes
    except ManifestError as error:
        raise ManifestError(f"manifest '{path}': {error}") from error


def _read_frame(source: pd.DataFrame, label_files: str | None) -> _Read:
    table = source.reset_index(drop=True)
    text = {column: as_text(table[column]) for column in TEXT_COLUMNS if column in table}
    return *_add_columns(table.assign(**text), Path.cwd(), label_files), []


def _add_columns(table: pd.DataFrame, folder: Path, label_files: str | None) -> tuple[pd.DataFrame, list[str]]:
    frame, problems = build_frame(table, folder)
    if label_files is not None:
        problems += place_label_files(frame, label_files, folder)
    return frame, problems


def _read_mapping(sources: Mapping[str, PathText], label_files: str | None) -> _Read:
    if not sources:
        raise ConfigError("data.manifest is an empty mapping; name at least {train: FILE}.")
    frames, problems, notes = [], [], []
    for split, source in sources.items():
        if split not in SPLITS:
            known = ", ".join(SPLITS)
            raise ConfigError(f"data.manifest names a split '{split}'; splits are {known}{nearest(split, SPLITS)}")
        path = Path(source)
        frame, found, more = _read_one(path, label_files)
        if path.is_dir() or path.suffix.lower() == ".ts":
            frame["id"] = f"{split}/" + frame["id"]
        others = sorted(set(frame["split"].dropna()) - {split})
        if others:
            found.append(f"it is given as '{split}', but its column 'split' says '{others[0]}'.")
        frame["split"] = pd.Series(split, frame.index, object)
        frames.append(frame)
        notes += more
        problems += [f"{source}: {problem}" for problem in found]
    merged = pd.concat(frames, ignore_index=True)
    for column in merged.columns.difference(list(KNOWN_COLUMNS)):
        if merged[column].dtype == object:
            merged[column] = merged[column].where(merged[column].notna(), None)
    return merged, problems, notes
