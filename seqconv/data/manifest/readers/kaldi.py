"""Kaldi's data directories as manifests: wav.scp, segments, text, and tables such as utt2spk."""

from collections import Counter
from pathlib import Path

import pandas as pd

from seqconv.errors import ManifestError, list_some
from seqconv.features.text_files import decoding_problem, text_encoding


def read_kaldi(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a data directory of Kaldi: an utterance per row.

    `utt2spk` is the column `group`, `text` the column `text`, and each other table `utt2NAME` the column NAME. A table
    `utt2label` says the labels.

    Returns:
        A table of text, and notes.

    Raises:
        ManifestError: a table is missing or malformed; recordings come from commands, or lie within archives.

    Source: the Kaldi project, Data preparation (https://kaldi-asr.org/doc/data_prep.html).
    """
    recordings = _read(folder / "wav.scp")
    _refuse_commands(recordings)
    columns: dict[str, dict[str, str]] = {}
    if (folder / "segments").is_file():
        segments = {name: rest.split() for name, rest in _read(folder / "segments").items()}
        if wrong := [name for name, cells in segments.items() if len(cells) != 3]:
            raise ManifestError(f"'segments' must have an utterance, a recording, start and end in {list_some(wrong)}.")
        if gone := [cells[0] for cells in segments.values() if cells[0] not in recordings]:
            raise ManifestError(f"'segments' names recordings that 'wav.scp' does not list: {list_some(gone)}.")
        columns["path"] = {name: recordings[cells[0]] for name, cells in segments.items()}
        columns["start"] = {name: cells[1] for name, cells in segments.items()}
        # Kaldi's -1 is the end of the recording.
        columns["end"] = {name: "" if float(cells[2]) < 0 else cells[2] for name, cells in segments.items()}
    else:
        columns["path"] = recordings
    notes = []
    for file in [folder / "text", *sorted(folder.glob("utt2*"))]:
        if not file.is_file():
            continue
        name = "group" if file.name == "utt2spk" else file.name.removeprefix("utt2")
        columns[name] = _read(file)
        if others := [utterance for utterance in columns[name] if utterance not in columns["path"]]:
            notes.append(f"'{file.name}' has {len(others)} utterances without a recording: {list_some(others)}")
    names = list(columns["path"])
    cells = {name: [values.get(utterance) or None for utterance in names] for name, values in columns.items()}
    return pd.DataFrame({"id": names, **cells}, dtype=object), notes


def _read(file: Path) -> dict[str, str]:
    """Return the rest of each line by its first word."""
    try:
        lines = [line.strip().split(maxsplit=1) for line in file.read_text(encoding=text_encoding(file)).splitlines()]
    except UnicodeError as error:
        raise ManifestError(f"'{file.name}': {decoding_problem(file, error)}") from error
    except FileNotFoundError:
        raise ManifestError(f"it holds no '{file.name}', so it is no data directory of Kaldi.") from None
    rows = [(line[0], line[1] if len(line) > 1 else "") for line in lines if line]
    table = dict(rows)
    if len(table) < len(rows):
        twice = [name for name, count in Counter(name for name, _ in rows).items() if count > 1]
        raise ManifestError(f"'{file.name}' has lines that begin alike: {list_some(twice)}.")
    return table


def _refuse_commands(recordings: dict[str, str]) -> None:
    commands = [name for name, path in recordings.items() if path.endswith("|") or path.startswith("|")]
    if commands:
        raise ManifestError(
            f"'wav.scp' makes {len(commands)} recordings by commands, which are not run: {list_some(commands)} (the "
            f"first: '{recordings[commands[0]]}'). Write their paths instead; SPHERE and FLAC need no command."
        )
    inside = [name for name, path in recordings.items() if ".ark:" in path]
    if inside:
        raise ManifestError(
            f"'wav.scp' finds {len(inside)} recordings inside archives: {list_some(inside)}. Write them to files: "
            "wav-copy scp:wav.scp scp:new.scp."
        )
