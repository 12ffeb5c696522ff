"""Features that were computed elsewhere: arrays, tables and `.ts` files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.errors import ConfigError, ManifestError, list_some
from seqconv.features.arrays import load_npy, load_npz
from seqconv.features.audio.recordings import describe_absence
from seqconv.features.cases import FORMATS, read_cases
from seqconv.features.columns import read_columns
from seqconv.features.contents import Content, TableNames, content_of_table
from seqconv.features.gaps import complete
from seqconv.features.kinds import Array, FeatureKind, Features, Precomputed, as_settings
from seqconv.features.statistics import finish_features
from seqconv.files import is_file

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")


def load_features(
    path: str | Path,
    settings: FeatureKind | Mapping[str, Any],
    *,
    case: int | None = None,
    form: str = "",
    start: float | None = None,
    end: float | None = None,
) -> Features:
    """Read one sequence of precomputed features.

    `.npy` holds `(time, d)`; `.npz` the same under `settings.key`, or as its only array; CSV, TSV and Parquet hold a
    frame per row, `settings.columns` or all numeric columns in their order; `.ts` and long
    tables hold many sequences, of which `case` is one. Nothing is ever unpickled.

    Args:
        path: the file.
        settings: feature settings of kind precomputed.
        case: number of the sequence in a file that holds several, from 0.
        form: how the file holds them, where its suffix does not say it: column `case_form` of a manifest.
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
    return read_features(path, settings, case=case, form=form, start=start, end=end)[0]


def read_features(
    path: str | Path,
    settings: FeatureKind | Mapping[str, Any],
    *,
    case: int | None = None,
    form: str = "",
    start: float | None = None,
    end: float | None = None,
) -> tuple[Features, TableNames]:
    """Read one sequence like `load_features`, and the names of the columns if it is in a table."""
    path, settings = Path(path), as_settings(settings)
    if start is not None or end is not None:
        raise ManifestError(
            f"{path}: start and end are seconds, and precomputed features have no frame rate to count them by. "
            "Cut the file itself, or remove start and end"
        )
    if not is_file(path):
        raise ManifestError(f"{path}: {describe_absence(path)}")
    if case is not None and not form and path.suffix.lower() not in FORMATS:
        several = " or ".join(FORMATS)
        raise ManifestError(f"{path}: case={case} selects a sequence of a {several} file, and this is none")
    if not isinstance(settings, Precomputed):
        raise ConfigError(f"features.kind '{settings.kind}' is computed from recordings; use extract_features")
    content = _read(path, settings, case, form)
    if settings.clock is not None and content.times is None:
        raise ManifestError(f"{path}: features.clock names a column of tables, and this is none")
    values = _complete(path, content, settings)
    return finish_features(check_features(path, values, names=content.names.used), settings), content.names


def _read(path: Path, settings: Precomputed, case: int | None, form: str) -> Content:
    suffix = path.suffix.lower()
    if form or suffix in FORMATS:
        return _load_case(path, case, form, settings)
    if suffix in TABLE_SUFFIXES:
        return _load_table(path, settings)
    if suffix == ".npy":
        return Content(load_array(path))
    if suffix == ".npz":
        return Content(_load_archive(path, settings.key))
    raise ManifestError(
        f"{path}: features of kind 'precomputed' are read from .npy, .npz, .csv, .tsv, .parquet, "
        f"{', '.join(FORMATS)}, not '{suffix}'. For recordings choose another features.kind, such as log_mel"
    )


def _complete(path: Path, content: Content, settings: Precomputed) -> Array:
    if content.times is None and settings.missing == "error":
        return content.values
    check_shape(path, content.values)
    try:
        return complete(content.values, content.times, settings, content.names.used)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error


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


def _load_table(path: Path, settings: Precomputed) -> Content:
    try:
        return content_of_table(read_columns(path), settings)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error
    except (ValueError, OSError) as error:
        raise ManifestError(f"{path}: cannot be read as a table ({str(error).strip()})") from error


def _load_case(path: Path, case: int | None, form: str, settings: Precomputed) -> Content:
    cases = read_cases(path, form)
    case = 0 if case is None and len(cases) == 1 else case
    if case is None or not 0 <= case < len(cases):
        raise ManifestError(
            f"{path}: holds {len(cases)} sequences; column 'case' must name one of 0 to {len(cases) - 1}, got {case}"
        )
    try:
        return cases.read(case, settings)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error


def check_shape(path: Path, values: Array) -> None:
    """Check that values are numbers of shape `(time, d)`.

    Raises:
        ManifestError: they are not.
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


def check_features(path: Path, values: Array, first_frame: int = 0, names: Sequence[str] = ()) -> Features:
    """Return a file's values as float32 features.

    Args:
        path: the file, for messages.
        values: what it holds.
        first_frame: the frame at which a piece begins.
        names: those of the columns, if it is a table.

    Raises:
        ManifestError: they are no features `(time, d)`, or not finite.
    """
    check_shape(path, values)
    with np.errstate(over="ignore"):
        features = values.astype(np.float32)
    wrong = np.argwhere(~np.isfinite(features))
    if len(wrong):
        frame, feature = wrong[0]
        if names:
            _refuse_columns(path, values, wrong, names)
        remedy = ". Set features.missing to 'interpolate' or 'mask', or fill them" * bool(
            np.isnan(values[frame, feature])
        )
        raise ManifestError(
            f"{path}: {len(wrong)} values are NaN, infinite or beyond float32, "
            f"the first at frame {first_frame + frame}, feature {feature}{remedy}"
        )
    return features


def _refuse_columns(path: Path, values: Array, wrong: Array, names: Sequence[str]) -> None:
    frame, feature = wrong[0]
    columns = list_some([names[place] for place in np.unique(wrong[:, 1])])
    if np.isnan(values[frame, feature]):
        raise ManifestError(
            f"{path}: {len(wrong)} cells of {columns} are empty or not a number, the first in row {frame + 1}. Set "
            "features.missing to 'interpolate' or 'mask', fill them, or leave these columns out of features.columns"
        )
    raise ManifestError(
        f"{path}: {len(wrong)} cells of {columns} are infinite or beyond float32, the first in row {frame + 1}"
    )
