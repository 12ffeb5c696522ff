"""Folders of recordings as manifests: a sub-folder for each class, or what a pattern finds in the paths."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

import pandas as pd

from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.columns import SPLIT_WORDS, SPLITS
from seqconv.data.manifest.layout import is_ignored
from seqconv.data.manifest.readers.arrow import read_parquet
from seqconv.data.manifest.readers.tables import read_table
from seqconv.errors import ManifestError, list_some
from seqconv.features.audio.containers import MEDIA_SUFFIXES, describe_unreadable, find_unreadable
from seqconv.features.cells import ROW_SUFFIXES
from seqconv.features.foreign import MANIFESTS, find_recipe
from seqconv.features.precomputed import TABLE_SUFFIXES
from seqconv.files import fetch, is_file, list_files, seen_from

# What libsndfile reads, as seqconv.features does, and what PyAV does.
_COMMON_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd"),
    *(".w64", ".rf64", ".caf", ".sph", ".voc", ".avr", ".wave", ".bwf", ".mp2", ".nist"),
)
AUDIO_SUFFIXES = (*_COMMON_SUFFIXES, *MEDIA_SUFFIXES)
ARRAY_SUFFIXES = (".npy", ".npz")
# Tables of a folder of recordings, as Hugging Face names them.
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# What sub-folders most often are when they are no classes.
_NO_CLASSES = {
    "folds": r"(fold|part)[ _-]?\d+",
    "speakers": r"(actor|speaker|spk|subject|subj|user|person|participant|patient)[ _-]?\d+",
    "regions": r"dr[ _-]?\d+",
    "sessions": r"(session|ses|recording|rec|take|trial)[ _-]?\d+",
}
_ASIDE = r"_.*_|_background_noise_"


def read_folder(folder: str | Path, collection: CollectionSettings) -> tuple[pd.DataFrame, list[str]]:
    """List the recordings and arrays of a folder; if there are none, the tables of features in its sub-folders.


    Each sub-folder is a class, and deeper folders belong to it; unless `collection.label_from` finds the labels in the
    paths, or `events` label the recordings. A folder with a file `metadata.csv` (or .jsonl, .parquet) is read by that.

    Returns:
        The table, and notes.

    Raises:
        ManifestError: there is no recording; recordings of no class; sub-folders that are hardly classes.
    """
    if isinstance(folder, Path):
        check_names(folder.rglob("*"))
    tables = [name for name in METADATA if is_file(seen_from(folder, name))]
    if len(tables) > 1:
        raise ManifestError(f"it holds {list_some(tables)}. Name the one to use as data.manifest.")
    if tables:
        file, note = fetch(seen_from(folder, tables[0])), f"'{folder}' is read by its table '{tables[0]}'"
        if file.suffix != ".parquet":
            return read_table(file, collection), [note]
        table, notes = read_parquet([file], getattr(collection, "cache_dir", None))
        return table, [note, *notes]
    present: list[PurePath]
    if isinstance(folder, Path):
        present = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    else:
        present = [*list_files(folder)]
    present = [path for path in present if not is_ignored(path.as_posix(), collection)]
    present = [path for path in present if not any(part.startswith(".") for part in path.parts)]
    paths = [path for path in present if path.suffix.lower() in (*AUDIO_SUFFIXES, *ARRAY_SUFFIXES)]
    _refuse_unreadable(paths)
    if not paths:
        # Tables of features, one for each sequence.
        paths = [path for path in present if path.suffix.lower() in TABLE_SUFFIXES and len(path.parts) > 1]
    # Where events label them, folders need not be classes.
    has_labels = "label" in collection.found_in_paths or getattr(collection, "events", None) is not None
    if not has_labels:
        refuse_manifests(present)
        _refuse_tables(folder, present, paths)
        _check_classes(folder, present, paths)
    if not paths:
        raise ManifestError(
            f"it holds no recording ({', '.join(_COMMON_SUFFIXES)}, .m4a, .mp4 and the like) and no array "
            f"({', '.join(ARRAY_SUFFIXES)}), also not in its sub-folders.{_hint_at(folder, present)}"
        )
    names, stems = [path.as_posix() for path in paths], [path.with_suffix("").as_posix() for path in paths]
    counts = Counter(stems)
    ids = [stem if counts[stem] == 1 else name for stem, name in zip(stems, names, strict=True)]
    table = pd.DataFrame({"id": ids, "path": names}, dtype=object)
    if not has_labels:
        table["label"] = pd.Series([path.parts[0] for path in paths], table.index, object)
    rest = sorted(set(present) - set(paths))
    listed = Counter(path.suffix.lower() or path.name for path in rest).most_common(10)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in listed)
    note = f"{len(rest)} files in '{folder}' are neither recordings nor arrays and were left out: {kinds}"
    return table, [note] if rest else []


def _hint_at(folder: str | Path, present: Sequence[PurePath]) -> str:
    """Return what else may be meant by the files of a folder without recordings."""
    tables = [path for path in present if path.suffix.lower() in ROW_SUFFIXES]
    hint = ""
    if tables:
        hint = (
            f" It holds tables ({list_some(tables)}): if each of their rows is a frame, data.rows says which are a "
            f"sequence; if each file is a channel and each line a sequence, write channels:FOLDER."
        )
    return hint + find_recipe(present, str(folder))


def check_names(paths: Iterable[Path]) -> None:
    """Refuse names of files that are not UTF-8, which no table can hold.

    Raises:
        ManifestError: names them.
    """
    odd = [os.fsencode(path.name) for path in paths if any("\ud800" <= sign <= "\udfff" for sign in path.name)]
    if odd:
        raise ManifestError(
            f"{len(odd)} names of files are not UTF-8: {list_some(odd)}. Rename them (if they are Latin-1: "
            "convmv -f latin1 -t utf8 -r --notest FOLDER)."
        )


def _refuse_unreadable(paths: Sequence[PurePath]) -> None:
    unreadable = find_unreadable(paths)
    if unreadable:
        suffix = unreadable[0].suffix
        classes = Counter(path.parts[0] for path in unreadable if len(path.parts) > 1)
        where = ", ".join(f"{count} in '{name}'" for name, count in classes.most_common(5))
        more = f" and {len(classes) - 5} more" if len(classes) > 5 else ""
        raise ManifestError(
            f"it holds {describe_unreadable(unreadable)}. They are {list_some(unreadable, 3)}"
            f"{f' ({where}{more})' if where else ''}. Or convert them (ffmpeg -i A{suffix} A.flac), or leave them out "
            f"with data.ignore: ['*{suffix}']."
        )


def refuse_manifests(present: Iterable[PurePath]) -> None:
    """Say how a folder with these files is read if some are manifests of other programs.

    Raises:
        ManifestError: says it.
    """
    present = list(present)
    of_kaldi = [path.parent.name for path in present if MANIFESTS["kaldi"].fullmatch(path.name)]
    if of_kaldi:
        raise ManifestError(f"it holds data directories of Kaldi. Give each as kaldi:FOLDER: {list_some(of_kaldi)}.")
    of_lhotse = [path.name for path in present if MANIFESTS["lhotse"].fullmatch(path.name)]
    if of_lhotse:
        raise ManifestError(f"it holds manifests of lhotse. Give each as lhotse:FILE: {list_some(of_lhotse)}.")
    if any(path.name == "dataset_info.json" for path in present):
        raise ManifestError(
            "it holds a dataset that Hugging Face's datasets saved. Pass it to train in Python: "
            "train(config, train_data=datasets.load_from_disk(FOLDER)), or write it to Parquet (data.to_parquet)."
        )


def _refuse_tables(folder: str | Path, present: Sequence[PurePath], paths: Sequence[PurePath]) -> None:
    """Say how tables of recordings are named, of which a folder holds nothing else."""
    tables = [path for path in present if path.suffix.lower() == ".parquet"]
    if tables and not paths:
        words = {path: re.split(r"[-_.]", path.stem.lower())[0] for path in tables}
        named = {
            SPLIT_WORDS.get(word, "train"): f"{folder}/{path.with_name(f'{word}*.parquet')}"
            for path, word in words.items()
        }
        mapping = ", ".join(f"{split}: {pattern}" for split, pattern in named.items())
        raise ManifestError(f"it holds tables, no recordings. Name them as data.manifest, such as {{{mapping}}}.")


def _check_classes(folder: str | Path, present: Sequence[PurePath], paths: Sequence[PurePath]) -> None:
    loose = [path for path in paths if len(path.parts) == 1]
    if loose:
        raise ManifestError(
            f"recordings must be in sub-folders, one per class, but {list_some(loose)} are in none. Or say where the "
            "labels are: a table as data.manifest, or data.label_from for labels in the names of files."
        )
    names = sorted({path.parts[0] for path in paths})
    empty = sorted({path.parts[0] for path in present if len(path.parts) > 1} - set(names))
    if not names:
        hint = _hint_at(folder, present)
        raise ManifestError(f"it has no sub-folders with recordings; there must be one per class.{hint}")
    if empty:
        hint = find_recipe((path for path in present if path.parts[0] in empty), str(folder))
        raise ManifestError(
            f"its sub-folders {list_some(empty)} hold files, but no recording or array. Leave them out "
            f"with data.ignore: ['{empty[0]}/*'].{hint}"
        )
    aside = [name for name in names if re.fullmatch(_ASIDE, name, re.IGNORECASE)]
    if aside and len(aside) < len(names):
        raise ManifestError(
            f"its sub-folder {list_some(aside)} may be a class, or sounds that are none. Leave it out with "
            f"data.ignore: ['{aside[0]}/*'], or say that it is a class: data.label_from: '^(?P<label>[^/]+)/'."
        )
    if all(SPLIT_WORDS.keys() & set(re.split(r"[\W_]+|(?<=\D)(?=\d)", name.lower())) for name in names):
        ours = {name: next((word for word in SPLITS if word in name.lower()), "valid") for name in names}
        mapping = ", ".join(f"{split}: {folder}/{name}" for name, split in ours.items())
        raise ManifestError(
            f"its sub-folders {list_some(names)} are named like splits, not classes. "
            f"Give a mapping instead: {{{mapping}}}."
        )
    for kind, pattern in _NO_CLASSES.items():
        if len(names) > 1 and all(re.fullmatch(pattern, name, re.IGNORECASE) for name in names):
            column = "fold" if kind == "folds" else "group"
            raise ManifestError(
                f"its sub-folders {list_some(names)} are named like {kind}, not classes. Say where the labels are: a "
                f"table as data.manifest, or data.label_from with a group (?P<label>...) for the names of files, and "
                f"(?P<{column}>...) for these folders. If they are classes: data.label_from: '^(?P<label>[^/]+)/'."
            )
