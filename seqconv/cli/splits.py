"""The rows of a manifest: all, or those of a split, its own or that of the run."""

import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqconv.errors import ConfigError, ManifestError, list_some

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.config import Config
    from seqconv.data.manifest.columns import Manifest

SPLITS_FILE = "splits.csv"


def read_split(
    manifest: str | None, split: str, run_dir: Path, config: "Config", label_files: str | None = None
) -> "Manifest":
    """Return the rows of a split.

    Without a manifest, the one of the run is read, in the splits that the run was trained with. A manifest without any
    splits is taken whole, with a message, unless the run has split the same sequences.

    Args:
        manifest: path, or `None` for that of the run.
        split: train, valid, test or all.
        run_dir: the folder of the model.
        config: the config of the run.
        label_files: column with paths to labels of frames.

    Raises:
        ConfigError: there is no manifest.
        ManifestError: the split is empty, or the run knows only some of the sequences.
    """
    from seqconv.data.manifest.loading import read_manifest
    from seqconv.data.manifest.split_section import group_rows
    from seqconv.data.settings import check_made

    source: Any = manifest or config.data.manifest
    if source is None:
        raise ConfigError(f"there is no manifest: '{run_dir}' holds no config that names one. Pass --manifest.")
    if manifest is None:
        check_made(config.data)
    options: dict[str, Any] = {"on_leak": config.data.on_leak, "collection": config.data}
    try:
        loaded = read_manifest(source, label_files=label_files, used=_used(config), **options)
    except ManifestError as error:
        raise error if manifest is None else ManifestError(f"{error}{describe_layout(error, config)}") from error
    frame = loaded.frame
    # Another manifest may name its groups as it likes.
    if manifest is None or config.split.by in frame:
        frame = group_rows(frame, config.split.by)
    if split == "all":
        return loaded.with_frame(frame)
    loaded = replace(loaded, is_part=True)
    trained = read_trained_splits(run_dir)
    known = config.data.manifest
    is_own = manifest is None or (isinstance(known, str) and _are_same(manifest, known))
    is_known = bool(trained) and (is_own or bool(frame["split"].isna().all()))
    if trained and is_known:
        frame = _apply(trained, frame, is_own)
    if frame["split"].isna().all():
        say(f"the manifest has no splits: all {len(frame)} sequences are evaluated as '{split}'")
        return loaded.with_frame(frame)
    chosen = frame[frame["split"] == split].reset_index(drop=True)
    if chosen.empty:
        there = list_some(sorted(frame["split"].dropna().unique()))
        by_run = f", as '{run_dir / SPLITS_FILE}' knows these ids" if is_known else ""
        raise ManifestError(
            f"no sequence is in split '{split}'; there are {there}{by_run}. Choose one with --split, or all."
        )
    return loaded.with_frame(chosen)


def _are_same(manifest: str, known: str) -> bool:
    from seqconv.parts.sections import absolute_path

    return absolute_path(manifest, Path.cwd()) == known or Path(manifest).resolve() == Path(known).resolve()


def read_rows(config: "Config", missing: str) -> "pd.DataFrame":
    """Return all rows of the manifest of a config.

    Raises:
        ConfigError: the config has no manifest, with `missing` as the first part of the message.
    """
    from seqconv.data.manifest.loading import read_manifest
    from seqconv.data.settings import check_made

    if config.data.manifest is None:
        raise ConfigError(f"{missing}, or a --config that sets data.manifest")
    check_made(config.data)
    options: dict[str, Any] = {"on_leak": config.data.on_leak, "collection": config.data, "used": _used(config)}
    return read_manifest(config.data.manifest, **options).frame


def _used(config: "Config") -> tuple[str | None, ...]:
    """Return the columns of the manifest that the config uses beside those that are known."""
    return (config.target.column, *(config.target.columns or ()), config.split.by)


def check_slices(columns: Iterable[str], frame: "pd.DataFrame", key: str) -> None:
    """Check that a manifest has the columns to slice by; `key` is what names them.

    Raises:
        ConfigError: there is no such column.
    """
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ConfigError(
            f"{key}: the manifest has no column {list_some(missing)} to slice by; there are "
            f"{list_some(frame.columns, limit=20)}."
        )


def read_trained_splits(run_dir: Path) -> dict[str, str]:
    """Return the split of each id, as training wrote it; empty if it wrote none."""
    import pandas as pd

    path = run_dir / SPLITS_FILE
    if not path.is_file():
        return {}
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return dict(zip(table["id"], table["split"], strict=True))


def say(message: str) -> None:
    """Print a message for the user to stderr: stdout is for results."""
    print(message, file=sys.stderr)


def describe_layout(error: ManifestError, config: "Config") -> str:
    """Say how to read a manifest without the layout of the run, where an error names a part of that."""
    from seqconv.data.manifest.collection import CollectionSettings

    keys = [key for key in CollectionSettings.model_fields if key != "manifest"]
    named = [key for key in keys if re.search(rf"data\.{key}\b", str(error)) and getattr(config.data, key)]
    if not named:
        return ""
    sets = " ".join(f"--set data.{key}=null" for key in named)
    return f" That is how the run reads its own manifest. For one that is laid out otherwise, add {sets}."


def _apply(trained: dict[str, str], frame: "pd.DataFrame", is_own: bool) -> "pd.DataFrame":
    known = frame["id"].isin(trained.keys())
    if not known.any() and not is_own:
        return frame
    unknown = frame["id"][~known]
    if not known.all() and not (is_own and known.any()):
        raise ManifestError(
            f"{len(unknown)} sequences of the manifest were not there when the model was trained, so that their split "
            f"is unknown: {list_some(unknown)}. Give the manifest a column 'split' and pass it with --manifest, or use "
            "--split all."
        )
    if not known.all():
        say(
            f"note: {len(unknown)} sequences of the manifest are in no split of the run, and left out: "
            f"{list_some(unknown)}. They could not be read then, or are new; --split all takes them, too."
        )
    return frame[known].assign(split=frame["id"].map(trained).astype(object)).reset_index(drop=True)
