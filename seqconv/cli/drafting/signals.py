"""Facts about recordings and arrays, from their headers: duration, sample rate, number of features."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from seqconv.cli.drafting.feature_tables import TableFacts, look_at_tables
from seqconv.data.manifest.readers.folders import AUDIO_SUFFIXES
from seqconv.errors import AudioError, ManifestError, list_some
from seqconv.features import load_features
from seqconv.features.arrays import load_npy
from seqconv.features.audio.recordings import open_audio
from seqconv.features.audio.regions import part_of
from seqconv.features.cases import FORMATS, case_arguments
from seqconv.features.kinds import Precomputed
from seqconv.files import fetch, suffix_of

MOST_READ = 200
"""Number of tables that are read, evenly spread, since no header says their length."""


@dataclass(frozen=True)
class SignalFacts:
    """Facts about the files of a manifest.

    `kind`: "audio" for recordings, "samples" for raw ones `(n,)`, or "features" `(time, d)`. `lengths`: of each file
    that was measured, in seconds for recordings, else in frames. `rates`: the number of recordings with each sample
    rate, in Hz. `num_mixed`: recordings with several channels. `table`: how tables are read. `broken`: files that
    cannot be read, with the reason.
    """

    kind: Literal["audio", "samples", "features"]
    lengths: np.ndarray
    rates: dict[int, int] = field(default_factory=dict)
    num_mixed: int = 0
    num_features: int = 0
    table: TableFacts = field(default_factory=TableFacts)
    broken: dict[str, str] = field(default_factory=dict)


def measure_signals(frame: pd.DataFrame, given: Mapping[str, Any] | None = None) -> SignalFacts:
    """Read the files of a manifest; of recordings and `.npy`, only their headers.

    Args:
        frame: a manifest.
        given: keys of `features` that the user sets.

    Raises:
        ManifestError: files of different kinds, or arrays of different shape; says which.
        AudioError: no recording can be read; says why.
    """
    suffixes = Counter(map(suffix_of, frame["path"]))
    is_audio = {suffix: suffix in AUDIO_SUFFIXES for suffix in suffixes}
    if len(set(is_audio.values())) > 1:
        counts = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common())
        raise ManifestError(
            f"recordings and features are in one manifest ({counts}), and a config makes features of one kind. Make a "
            "manifest of each."
        )
    rows = frame.to_dict("records")
    return _measure_recordings(rows) if all(is_audio.values()) else _measure_arrays(rows, given or {})


def _measure_recordings(rows: list[dict[Any, Any]]) -> SignalFacts:
    found, broken = _measure_each(rows, _measure_recording)
    if not found:
        raise AudioError(f"none of the {len(rows)} recordings can be read: {next(iter(broken.values()))}")
    seconds, rates, channels = zip(*found.values(), strict=True)
    num_mixed = sum(number > 1 for number in channels)
    return SignalFacts("audio", np.array(seconds), Counter(rates), num_mixed, broken=broken)


def _measure_recording(row: dict[Any, Any]) -> tuple[float, int, int]:
    """Return seconds, sample rate and channels of a recording."""
    part = open_audio(row["path"], *part_of(row), None)
    return (part.stop - part.first) / part.sample_rate, part.sample_rate, part.num_channels


def _measure_arrays(rows: list[dict[Any, Any]], given: Mapping[str, Any]) -> SignalFacts:
    has_headers = all(Path(row["path"]).suffix.lower() in (".npy", *FORMATS) for row in rows)
    # A table of many sequences says which of its columns are features.
    table = look_at_tables([row["path"] for row in rows if case_arguments(row)["case"] is None])
    table = table.given({key: value for key, value in given.items() if key in Precomputed.model_fields})
    if not has_headers and len(rows) > MOST_READ:
        rows = [rows[index] for index in np.linspace(0, len(rows) - 1, MOST_READ).astype(int)]
    shapes, broken = _measure_each(rows, lambda row: _shape_of(row, table))
    if not shapes:
        raise ManifestError(f"none of the {len(rows)} arrays can be read: {next(iter(broken.values()))}")
    ranks = {len(shape) for shape in shapes.values()}
    widths = {shape[1] for shape in shapes.values() if len(shape) == 2}
    lengths = np.array([shape[0] for shape in shapes.values()])
    if ranks == {1}:
        return SignalFacts("samples", lengths, broken=broken)
    if ranks != {2} or len(widths) > 1:
        _refuse_shapes(shapes)
    return SignalFacts("features", lengths, num_features=widths.pop(), table=table, broken=broken)


def _measure_each(
    rows: list[dict[Any, Any]], measure: Callable[[dict[Any, Any]], tuple[Any, ...]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the measures of each row by id, and why others cannot be read; with a progress bar if it takes long."""
    from rich.progress import track

    found, broken = {}, {}
    for row in track(rows, "looking at headers", transient=True, disable=len(rows) <= 2000):
        try:
            found[str(row["id"])] = measure(row)
        except (ValueError, OSError) as error:
            broken[str(row["id"])] = str(error)
    return found, broken


def _shape_of(row: dict[Any, Any], table: TableFacts) -> tuple[int, ...]:
    path = fetch(row["path"])
    if path.suffix.lower() == ".npy":
        return load_npy(path, mapped=True).shape
    return load_features(path, {"kind": "precomputed", **table.settings}, **case_arguments(row)).shape


def _refuse_shapes(shapes: dict[str, tuple[int, ...]]) -> None:
    firsts = {shape[0] for shape in shapes.values()}
    examples = list_some(f"{name} {shape}" for name, shape in list(shapes.items())[:3])
    if len(firsts) == 1 and all(len(shape) == 2 for shape in shapes.values()):
        raise ManifestError(
            f"the arrays have shapes such as {examples}: their first axis is always {firsts.pop()}, and it must be "
            "time. Save x.T"
        )
    raise ManifestError(
        f"the arrays have shapes such as {examples}, but (time, d) with one d for all is expected. Save x[:, None] for "
        "one feature, and the same features in all"
    )
