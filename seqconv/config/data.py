"""The `data` section: where the recordings are listed and where their features are kept."""

import os.path
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from seqconv.config.section import Fraction, Section
from seqconv.files import expand_user


class DataConfig(Section):
    """Manifest and feature cache. Relative paths start at the folder of the config file."""

    manifest: str | dict[str, str] | None = Field(
        default=None, description="One manifest or folder, or a mapping from split (train, valid, test) to manifest."
    )
    cache_dir: str | None = Field(
        default=None, description="Where feature stores lie; default: the user's cache folder, or $SEQCONV_CACHE."
    )
    num_workers: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Processes that extract features; 0: in this process; default: one per CPU core."
    )
    on_bad_file: Literal["error", "skip"] = Field(
        default="error", description="Recordings that cannot be read: list them all and stop, or leave them out."
    )
    max_bad_fraction: Fraction = Field(
        default=0.01, description="The largest part of the recordings that on_bad_file 'skip' may leave out."
    )

    on_leak: Literal["error", "warn"] = Field(
        default="error",
        description="The same content, group or recording in two splits: list them and stop, or list them and train.",
    )

    @property
    def skipped_fraction(self) -> float:
        """The part of the recordings that may be left out; 0 where a bad one is an error."""
        return self.max_bad_fraction if self.on_bad_file == "skip" else 0.0

    @field_validator("manifest", "cache_dir")
    @classmethod
    def _make_absolute(cls, value: str | dict[str, str] | None, info: ValidationInfo) -> str | dict[str, str] | None:
        folder = (info.context or {}).get("folder", Path.cwd())
        if isinstance(value, dict):
            if not value:
                raise ValueError("an empty mapping lists no manifest; give {train: ..., valid: ..., test: ...}")
            return {split: absolute_path(path, folder) for split, path in value.items()}
        return None if value is None else absolute_path(value, folder)


def absolute_path(path: str, folder: Path) -> str:
    """`path` as seen from `folder`; `~` is the user's home.

    >>> absolute_path("../data/m.csv", Path("/work/configs"))
    '/work/data/m.csv'
    """
    if not path.strip():
        raise ValueError("an empty path; leave the key out or write null for none")
    # normpath, not resolve(): where recordings are links, the paths stay those that the user wrote.
    return os.path.normpath((folder / expand_user(path)).absolute())
