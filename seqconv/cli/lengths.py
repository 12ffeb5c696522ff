"""Lengths in frames without extracting features: from a file of numbers, or from how long recordings are."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.data.spec import Segmentation
from seqconv.data.windows import cut_frames
from seqconv.errors import AudioError, ConfigError, ManifestError, list_some
from seqconv.features import FeatureKind, RecordedKind, open_features
from seqconv.features.audio.regions import part_of
from seqconv.features.cases import case_arguments
from seqconv.features.text_files import decoding_problem, text_encoding

COLUMNS = ("num_frames", "lengths", "length")


def read_lengths(path: str | Path) -> list[int]:
    """Read the frames of each sequence from a file: a number a line, or a CSV with a column of `COLUMNS`.

    Raises ManifestError, naming the line, for what is not a whole number.
    """
    path = Path(path)
    if not path.is_file():
        raise ManifestError(f"{path}: no such file of lengths")
    try:
        with path.open(newline="", encoding=text_encoding(path)) as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), start=1) if row]
    except UnicodeError as error:
        raise ManifestError(f"{path}: {decoding_problem(path, error)}") from error
    except csv.Error as error:
        raise ManifestError(f"{path}: it is no table of lengths ({error})") from error
    column = 0
    if rows and not _is_number(rows[0][1][0]):
        names = [name.strip() for name in rows[0][1]]
        known = [name for name in COLUMNS if name in names]
        if not known:
            raise ManifestError(f"{path}: no column {list_some(COLUMNS)}; the first line holds {list_some(names)}")
        column, rows = names.index(known[0]), rows[1:]
    wrong = [f"line {number}" for number, row in rows if column >= len(row) or not row[column].strip().isdigit()]
    if wrong:
        raise ManifestError(f"{path}: expected a whole number of frames in {list_some(wrong)}")
    return [int(row[column]) for _, row in rows]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def measure_lengths(frame: pd.DataFrame, settings: FeatureKind) -> list[int]:
    """Return the frames that each recording of a manifest will give, from file headers.

    Raises AudioError, naming them, for the recordings that cannot be read.
    """
    lengths, problems = [], []
    for row in frame.to_dict("records"):
        try:
            lengths.append(_measure(row, settings))
        except (AudioError, ManifestError) as error:
            problems.append(str(error))
    if problems:
        shown = "\n  ".join(list(dict.fromkeys(problems))[:5])
        raise AudioError(f"{len(problems)} of {len(frame)} recordings cannot be measured:\n  {shown}")
    return lengths


def cut_lengths(lengths: list[int], cutting: Segmentation, settings: FeatureKind) -> list[int]:
    """Return the frames of the windows of recordings, also of those without an event.

    Raises ConfigError where each event is a sequence of its own: no header of a file has their lengths.
    """
    if cutting.events_as == "sequences":
        raise ConfigError("the sequences are events (data.events_as): plan with --lengths, a file of their frames")
    if cutting.windows is None or settings.seconds_per_frame is None:
        return lengths
    found: list[int] = cut_frames(lengths, *cutting.windows.in_frames(settings.seconds_per_frame))[2].tolist()
    return found


def _measure(row: dict[Any, Any], settings: FeatureKind) -> int:
    path = row["path"]
    start, end = part_of(row)
    case = case_arguments(row)
    if isinstance(settings, RecordedKind) and case["case"] is not None:
        raise ManifestError(f"{path}: holds features, not recordings. Add --set features.kind=precomputed")
    return open_features(path, settings, start=start, end=end, **case).num_frames
