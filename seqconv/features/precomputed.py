"""Features that were computed elsewhere: arrays, tables and `.ts` files."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqconv.errors import ConfigError, ManifestError, list_some
from seqconv.features.arrays import load_npy, load_npz
from seqconv.features.audio.recordings import describe_absence
from seqconv.features.kinds import Array, FeatureKind, Features, Precomputed, as_settings
from seqconv.features.statistics import finish_features
from seqconv.features.ts import read_ts
from seqconv.files import is_file, undecodable_line

if TYPE_CHECKING:
    import pandas as pd


def load_features(
    path: str | Path,
    settings: FeatureKind | Mapping[str, Any],
    *,
    case: int | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Features:
    """Read one sequence of precomputed features.

    `.npy` holds `(time, d)`; `.npz` the same under `settings.key`, or as its only array; CSV, TSV and Parquet hold a
    frame per row, `settings.columns` or all numeric columns in their order; `.ts` holds many sequences, of which `case`
    is one. Nothing is ever unpickled.

    Args:
        path: the file.
        settings: feature settings of kind precomputed.
        case: number of the sequence in a `.ts` file, from 0.
        start, end: refused: without a frame rate, seconds cannot be cut out of frames.

    Returns:
        float32 of shape `(time, d)` with time >= 1.

    Raises:
        ConfigError: the settings are of another kind.
        ManifestError: the file is missing, of another format or shape, or holds values that are not finite.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.npy"
    >>> np.save(path, np.zeros((7, 3)))
    >>> load_features(path, {"kind": "precomputed"}).shape
    (7, 3)
    """
    path, settings = Path(path), as_settings(settings)
    if start is not None or end is not None:
        raise ManifestError(
            f"{path}: start and end are seconds, and precomputed features have no frame rate to count them by. "
            "Cut the file itself, or remove start and end"
        )
    if not is_file(path):
        raise ManifestError(f"{path}: {describe_absence(path)}")
    if case is not None and path.suffix.lower() != ".ts":
        raise ManifestError(f"{path}: case={case} selects a sequence of a .ts file, and this is none")
    if not isinstance(settings, Precomputed):
        raise ConfigError(f"features.kind '{settings.kind}' is computed from recordings; use extract_features")
    return finish_features(check_features(path, _read(path, settings, case)), settings)


def _read(path: Path, settings: Precomputed, case: int | None) -> Array:
    match path.suffix.lower():
        case ".npy":
            return load_array(path)
        case ".npz":
            return _load_archive(path, settings.key)
        case ".csv" | ".tsv" | ".parquet":
            return _load_table(path, settings.columns)
        case ".ts":
            return _load_case(path, case)
        case suffix:
            raise ManifestError(
                f"{path}: features of kind 'precomputed' are read from .npy, .npz, .csv, .tsv, .parquet and .ts, "
                f"not '{suffix}'. For recordings choose another features.kind, such as log_mel"
            )


def load_array(path: Path, *, mapped: bool = False) -> Array:
    """Load the array in a `.npy` file, in memory or mapped read-only.

    Raises:
        ManifestError: it is no plain array, or cannot be read.
    """
    try:
        return load_npy(path, mapped=mapped)
    except (ValueError, OSError) as error:
        raise ManifestError(f"{path}: not a plain .npy array ({error})") from error


def _load_archive(path: Path, key: str | None) -> Array:
    try:
        return load_npz(path, key)
    except LookupError as error:
        if key is None:
            raise ManifestError(
                f"{path}: holds {list_some(error.args)}; name the array to use in features.key"
            ) from error
        held = list_some(error.args) or "nothing"
        raise ManifestError(f"{path}: holds no array '{key}' (features.key); it holds {held}") from error
    except (ValueError, OSError) as error:
        raise ManifestError(f"{path}: not a plain .npz archive ({error})") from error


def _load_table(path: Path, columns: tuple[str, ...] | None) -> Array:
    import pandas as pd

    try:
        table = read_table(path)
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path}: cannot be read as a table (line {undecodable_line(path)} is not UTF-8)"
        ) from error
    except (ValueError, OSError) as error:
        raise ManifestError(f"{path}: cannot be read as a table ({str(error).strip()})") from error
    if columns is None:
        # One word among numbers makes a column text, which must not leave it out.
        bad = [_first_text(table[name]) for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
        if any(bad):
            raise ManifestError(
                f"{path}: {next(filter(None, bad))} is not a number, but other cells of it are. Fix it, or name the "
                "columns to use in features.columns"
            )
        table = table.select_dtypes("number")
        if not table.shape[1]:
            raise ManifestError(f"{path}: has no numeric column; is the first line the header?")
        return table.to_numpy()
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ManifestError(
            f"{path}: lacks {list_some(missing)} of features.columns; it has {list_some(table.columns)}"
        )
    texts = [name for name in columns if not pd.api.types.is_numeric_dtype(table[name])]
    if texts:
        first = _first_text(table[texts[0]]) or f"all of column '{texts[0]}'"
        raise ManifestError(f"{path}: {list_some(texts)} of features.columns hold text, not numbers: {first}")
    return table[list(columns)].to_numpy()


def read_table(path: Path) -> "pd.DataFrame":
    """Read a `.csv`, `.tsv` or `.parquet` file with a frame per row."""
    import pandas as pd

    suffix = path.suffix.lower()
    return pd.read_parquet(path) if suffix == ".parquet" else pd.read_csv(path, sep="\t" if suffix == ".tsv" else ",")


def _first_text(cells: "pd.Series") -> str:
    """Return the first cell that is no number, with its position; nothing if all are, or none is."""
    import pandas as pd

    is_text = (pd.to_numeric(cells, errors="coerce").isna() & cells.notna()).to_numpy()
    if is_text.sum() in (0, cells.notna().sum()):
        return ""
    row = int(np.flatnonzero(is_text)[0])
    return f"'{cells.iloc[row]!s:.40}' in row {row + 1} of column '{cells.name}'"


def _load_case(path: Path, case: int | None) -> Array:
    sequences = _read_cases(path, path.stat().st_mtime_ns)
    if case is None and len(sequences) == 1:
        return sequences[0]
    if case is None or not 0 <= case < len(sequences):
        raise ManifestError(
            f"{path}: holds {len(sequences)} sequences; column 'case' must name one of 0 to {len(sequences) - 1}, "
            f"got {case}"
        )
    return sequences[case]


@lru_cache(maxsize=2)
def _read_cases(path: Path, modified: int) -> list[Features]:
    """Return all sequences of a `.ts` file, cached because the next entry is most often its next sequence.

    The time of the last change, `modified`, is there to read a changed file again.
    """
    return read_ts(path)[0]


def check_features(path: Path, values: Array, first_frame: int = 0) -> Features:
    """Return a file's values as float32 features; `first_frame` is the frame at which a piece begins.

    Raises:
        ManifestError: they are no features `(time, d)`, or not finite.
    """
    if values.dtype.kind not in "fiub":
        raise ManifestError(f"{path}: holds {values.dtype} values, but features are numbers of shape (time, d)")
    if values.ndim != 2:
        remedy = (
            "save x[:, None], one feature per frame" if values.ndim == 1 else "save one (time, d) array per sequence"
        )
        raise ManifestError(f"{path}: has shape {values.shape}, but (time, d) is expected; {remedy}")
    if 0 in values.shape:
        raise ManifestError(f"{path}: has shape {values.shape}; at least one frame of one feature is needed")
    with np.errstate(over="ignore"):
        features = values.astype(np.float32)
    wrong = np.argwhere(~np.isfinite(features))
    if len(wrong):
        frame, feature = wrong[0]
        raise ManifestError(
            f"{path}: {len(wrong)} values are NaN, infinite or beyond float32, "
            f"the first at frame {first_frame + frame}, feature {feature}"
        )
    return features
