"""Sequences to predict: those in files and folders, at addresses, and in tables of recordings."""

import os
import warnings
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from seqconv.data.manifest.loading import read_manifest
from seqconv.data.manifest.opening import has_scheme
from seqconv.data.manifest.readers.folders import ARRAY_SUFFIXES, AUDIO_SUFFIXES, check_names
from seqconv.data.manifest.readers.tables import TABLE_SUFFIXES
from seqconv.errors import AudioError, ConfigError, list_some
from seqconv.features import FeatureKind, RecordedKind
from seqconv.features.audio.containers import describe_unreadable, find_unreadable
from seqconv.features.cases import FORMATS, case_arguments, case_columns, find_form, read_cases
from seqconv.features.cells import ROW_SUFFIXES
from seqconv.features.foreign import find_recipe, find_schemes
from seqconv.files import fetch, is_address, is_file, list_files, seen_from, suffix_of
from seqconv.text import amount


def find_entries(paths: Iterable[str | Path], settings: FeatureKind, form: str = "") -> pd.DataFrame:
    """Return the sequences to read: columns `id` and `path` (and `case`, in a file of several), folders sorted.

    Args:
        paths: files and folders.
        settings: feature settings.
        form: how tables hold several sequences, by the card of the model.

    What is named twice is there twice.

    Raises:
        ConfigError: recordings are given, but the features are precomputed; or nothing but tables, and they are not.
        AudioError: a folder holds nothing to read.
        StorageError: an address cannot be reached.
    """
    is_precomputed = not isinstance(settings, RecordedKind)
    wanted = (*ARRAY_SUFFIXES, *FORMATS, *(ROW_SUFFIXES if form else ())) if is_precomputed else AUDIO_SUFFIXES
    names = [os.fspath(path) for path in paths]
    files = {name: _find_files(name, wanted) for name in names if not has_scheme(name)}
    present = [path for found in files.values() for path in found]
    recordings = [path for path in present if suffix_of(path) in AUDIO_SUFFIXES]
    if is_precomputed and recordings:
        raise ConfigError(
            f"the model takes features that were computed elsewhere, but {list_some(recordings)} are recordings. Pass "
            "arrays (time, d), or files of them (.npy, .npz, .csv, .parquet, .ts), or features=... to compute them."
        )
    tables = [path for path in present if suffix_of(path) in TABLE_SUFFIXES]
    if not is_precomputed and tables and tables == present:
        raise ConfigError(
            f"the model takes recordings, and {list_some(tables)} are tables. Of a manifest, pass its rows in Python: "
            f"predict(model, load_manifest('{tables[0]}')).{find_schemes(map(PurePath, tables))}"
        )
    rows: list[dict[str, Any]] = []
    for name in names:
        if name not in files:
            rows += _rows_of(name)
        for path in files.get(name, ()):
            rows += _sequences_in(path, settings, form) if is_precomputed else [{"id": path, "path": path}]
    return pd.DataFrame(rows)


def _rows_of(manifest: str) -> list[dict[str, Any]]:
    """Return a row for each sequence of a manifest with a scheme, such as `webdataset:`."""
    frame = read_manifest(manifest).frame
    if frame[["start", "end"]].notna().any(axis=None):
        raise ConfigError(f"'{manifest}' lists parts of recordings, and predictions are of whole ones. Name the files.")
    if "case_form" in frame:
        # They are numbered within their folder.
        frame["id"] = f"{manifest}/" + frame["id"]
    rows: list[dict[str, Any]] = frame[["id", *case_columns(frame)]].rename(columns=str).to_dict("records")  # type: ignore[assignment]
    return rows


def listed_entries(table: Any, settings: FeatureKind) -> pd.DataFrame:
    """Return the recordings of a table, as `find_entries` does.

    Raises:
        ConfigError: recordings are given, but the features are precomputed; or the table names parts of recordings.
        ManifestError: as of `read_manifest`.
    """
    frame = read_manifest(table, on_leak="warn").frame
    if frame[["start", "end"]].notna().any(axis=None):
        raise ConfigError(
            "the table names parts of recordings (start, end), but predict takes whole ones. Pass "
            "Sequences.from_manifest(table, features), which cuts them."
        )
    rows = frame[["id", *case_columns(frame)]]
    if any(case_arguments(row)["case"] is not None for row in rows.to_dict("records")):
        return rows
    entries = find_entries(frame["path"], settings)
    # Recordings inside the table are files that it does not name.
    return entries.assign(id=frame["id"]) if len(entries) == len(frame) else entries


def _sequences_in(path: str, settings: FeatureKind, form: str) -> list[dict[str, Any]]:
    """Return a row for each sequence in a file of features."""
    suffix = suffix_of(path)
    # A model of tables knows their columns: to it, a table of numbers without names is none of several sequences.
    is_open = not is_address(path) and getattr(settings, "columns", None) is None
    found = "" if suffix in FORMATS else find_form(Path(path)) if is_open else None
    if found is None and (not form or suffix in ARRAY_SUFFIXES or is_address(path)):
        return [{"id": path, "path": path}]
    form = form if found is None else found
    cases, named = read_cases(fetch(path), form), {"case_form": form} if form else {}
    names = [f"{path}/{name}".rstrip("/") for name in cases.ids]
    return [{"id": name, "path": path, "case": number, **named} for number, name in enumerate(names)]


def warn_of_notes(entries: pd.DataFrame) -> None:
    """Warn of what a file of several sequences did not say."""
    if "case_form" not in entries:
        return
    for path, form in entries[["path", "case_form"]].dropna().drop_duplicates().itertuples(index=False):
        for note in read_cases(fetch(path), form).notes:
            warnings.warn(f"'{path}': {note}", stacklevel=3)


def check_entries(entries: pd.DataFrame) -> None:
    """Refuse a list of files of which none is there; if some are, the others are reported with the predictions.

    Raises:
        AudioError: names them.
    """
    if any(map(is_file, entries["path"])):
        return
    count = len(entries)
    lines = [f"  {name} ({seen_from('', path)}): no such file" for name, path in entries[["id", "path"]].to_numpy()]
    raise AudioError("\n".join([f"{amount(count, 'recording')} of {count} cannot be read:", *lines[:5]]))


def _find_files(path: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the files that an input means: itself, or those below it."""
    if is_address(path):
        is_folder = not suffix_of(path) and not is_file(path)
        return _addresses_below(path, suffixes) if is_folder else [path]
    # As a Path writes it: without dots and doubled slashes.
    place = Path(path)
    return [str(file) for file in (_files_below(place, suffixes) if place.is_dir() else [place])]


def _addresses_below(folder: str, suffixes: tuple[str, ...]) -> list[str]:
    names = [name.as_posix() for name in list_files(folder) if name.suffix.lower() in suffixes]
    if not names:
        raise AudioError(f"folder '{folder}' holds no file to predict ({', '.join(suffixes)}).")
    return [seen_from(folder, name) for name in names]


def _files_below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    hidden, present = set(folder.rglob(".*")), sorted(path for path in folder.rglob("*") if path.is_file())
    check_names(present)
    present = [path for path in present if not hidden.intersection((path, *path.parents))]
    files = [path for path in present if path.suffix.lower() in suffixes]
    unreadable = find_unreadable(files)
    if unreadable:
        files = [path for path in files if path not in set(unreadable)]
        note = f"folder '{folder}' holds {describe_unreadable(unreadable)}"
        if not files:
            raise AudioError(f"{note}.")
        warnings.warn(f"{note}. They are left out", stacklevel=3)
    if not files:
        wanted = ", ".join(suffixes)
        raise AudioError(f"folder '{folder}' holds no file to predict ({wanted}).{find_recipe(present)}")
    return files
