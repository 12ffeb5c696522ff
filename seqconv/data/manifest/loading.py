"""Load a manifest: read it, give it its columns, and report everything that is wrong with it at once."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import pandas as pd

from seqconv.data.manifest.checks import find_leak_problems, find_problems, raise_problems
from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.columns import (
    KNOWN_COLUMNS,
    SPLIT_WORDS,
    SPLITS,
    Manifest,
)
from seqconv.data.manifest.labels import LabelColumns
from seqconv.data.manifest.opening import HowToRead, TableRead, name_source, numbers_its_rows, read_source
from seqconv.data.manifest.readers.arrow import is_dataset
from seqconv.errors import ConfigError, list_some
from seqconv.parts.problems import read_section
from seqconv.text import nearest

PathText = str | PathLike[str]
_PLAIN = CollectionSettings()
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
        >>> from pathlib import Path
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
    how = HowToRead(collection, label_files, tuple(name for name in names if name is not None))
    if isinstance(source, Mapping):
        name = ", ".join(f"{split}: {name_source(part)}".removesuffix(": ") for split, part in source.items())
        read = _read_mapping(source, how)
    else:
        name, read = name_source(source), read_source(source, how)
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


def _read_mapping(sources: Mapping[str, Any], how: HowToRead) -> TableRead:
    if not sources:
        raise ConfigError("data.manifest is an empty mapping; name at least {train: FILE}.")
    frames, problems, notes = [], [], []
    if any(map(is_dataset, sources.values())):
        sources = _name_splits(sources)
    for split, source in sources.items():
        if split not in SPLITS:
            known = ", ".join(SPLITS)
            raise ConfigError(f"data.manifest names a split '{split}'; splits are {known}{nearest(split, SPLITS)}")
        frame, found, more = read_source(source, how._replace(collection=how.collection.of_split(split)))
        if isinstance(source, str | PathLike) and numbers_its_rows(fspath(source), frame, how.collection):
            frame["id"] = f"{split}/" + frame["id"]
        others = set(frame["split"].dropna()) - {split}
        if split == "train" and others == {"valid"} and "valid" not in sources:
            # What is not for the test, divided by the collection itself.
            more.append(f"'{name_source(source)}' is given as train, and its column 'split' takes valid from it")
        elif others:
            found.append(f"it is given as '{split}', but its column 'split' says '{min(others)}'.")
        else:
            frame["split"] = pd.Series(split, frame.index, object)
        frames.append(frame)
        notes += more
        problems += [f"{name_source(source) or split}: {problem}" for problem in found]
    merged = pd.concat(frames, ignore_index=True)
    # By default the id is the path, as the table has it: in tables with other roots it may be that of another file.
    # Recordings inside tables have but a name, or a number.
    twice = merged["id"].duplicated(keep=False) & ~merged["path"].duplicated(keep=False)
    of_arrow = {
        split for split, source in sources.items() if is_dataset(source) or name_source(source).endswith(".parquet")
    }
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
