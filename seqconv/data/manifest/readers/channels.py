"""Folders with a file for each channel as manifests: a sequence in each line of all files."""

from pathlib import Path

import pandas as pd

from seqconv.data.manifest.readers.tables import list_cases
from seqconv.errors import ManifestError, list_some
from seqconv.features.cases import name_form, read_cases
from seqconv.features.cases.channels import name_channels

CHANNELS = "channels:"
"""The scheme before the path of such a folder."""
_SUFFIXES = (".txt", ".csv", ".dat")


def read_channel_folder(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """List the sequences of a folder with a file for each channel, and what files above it say of them.

    Each file in the folder above with one cell in a line, and as many lines, is a column: `y_train.txt` beside
    `subject_train.txt` are the columns `y` and `subject`.

    Returns:
        The table, and notes.

    Raises:
        ManifestError: there are no such files, or they do not fit each other.
    """
    files = _text_files(folder)
    if not files:
        raise ManifestError(f"it holds no file ({', '.join(_SUFFIXES)}), so there is no channel.")
    form = name_form("channels", {"files": [file.name for file in files]})
    try:
        table = list_cases(read_cases(files[0], form), files[0].name, form)
    except ManifestError as error:
        raise ManifestError(str(error).removeprefix(f"{folder}: ")) from error
    said = {file: cells for file in _text_files(folder.parent) if len(cells := _read_cells(file)) == len(table)}
    names = name_channels([file.stem for file in said])
    columns = {name: pd.Series(cells, dtype=object) for name, cells in zip(names, said.values(), strict=True)}
    note = f"'{folder}': {len(files)} channels, {list_some(name_channels([file.stem for file in files]), 9)}"
    return table.assign(**columns), [f"{note}; columns {list_some(columns)} of the files above" if columns else note]


def _text_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.name[0] != ".")


def _read_cells(file: Path) -> list[str]:
    """Return the lines of a file with one cell in each; none of another."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        if len(lines.readline().replace(",", " ").split()) != 1:
            return []
        lines.seek(0)
        return [line.strip() for line in lines if line.strip()]
