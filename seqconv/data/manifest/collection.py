"""The part of the section `data` that says what a collection of recordings is and how it is read."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from seqconv.data.manifest.columns import KNOWN_COLUMNS, SPLITS
from seqconv.errors import ManifestError, list_some
from seqconv.features.cases import name_form
from seqconv.features.cases.division import RowSettings
from seqconv.parts import FilePath, FilePaths, Section
from seqconv.text import nearest

FIELD = re.compile(r"\{([^{}]+)\}")
Patterns = Annotated[list[str], Field(min_length=1)]


class CollectionSettings(Section):
    """A collection of recordings: its manifest, and how its tables, folders and paths are read."""

    manifest: FilePaths = Field(
        default=None,
        description="One manifest or folder, here or at an address such as s3://bucket/m.csv (kaldi:FOLDER: a data "
        "directory of Kaldi; lhotse:FILE: cuts of lhotse; channels:FOLDER: a file for each channel; webdataset:SHARDS: "
        "tar archives, such as webdataset:train-{000..003}.tar), or a mapping from split (train, valid, test) to "
        "manifest.",
    )
    columns: dict[str, str | None] | None = Field(
        default=None,
        description="Columns of the table by what they mean here, such as {path: filename, label: category, group: "
        "client_id}; null for a column that means something else there, such as {start: null}.",
    )
    root: FilePaths = Field(
        default=None,
        description="Folder or address where the paths in the manifest start (or one by split); default: its own.",
    )
    path: str | dict[str, str] | None = Field(
        default=None,
        description="Path of a recording, made of columns, such as 'fold{fold}/{slice_file_name}' (or one by split).",
    )
    label_from: str | None = Field(
        default=None,
        description="Regular expression, searched in the path of each recording; its named groups are columns, such as "
        "'(?P<group>Actor_..)/..-..-(?P<label>..)'.",
    )
    split_lists: FilePaths = Field(
        default=None,
        description="Text files with a path on each line, by the split that they list; all others are train.",
    )
    label_names: FilePath = Field(
        default=None,
        description="Text file with a label of the column `label` and its name on each line, such as '1 WALKING'; the "
        "names become the labels.",
    )
    ignore: Patterns | dict[str, Patterns] | None = Field(
        default=None,
        description="Patterns of paths to leave out, such as '_background_noise_/*', or by column those of its cells, "
        "such as {activity: ['0']}.",
    )
    rows: RowSettings | None = Field(
        default=None,
        description="For a table with a row for each frame, or a folder of these: which rows are one "
        "sequence; null: a row is a recording.",
    )
    names: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None,
        description="Names of the columns of a table without a header; a last one of '...' gives further columns their "
        "numbers, from 1.",
    )
    separator: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Between the cells of a table; default: a comma, in .tsv files a tab."
    )
    comment: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Lines of a table that begin with this are left out."
    )

    @field_validator("manifest")
    @classmethod
    def _lists_a_manifest(cls, value: Any) -> Any:
        if value == {}:
            raise ValueError("an empty mapping lists no manifest; give {train: ..., valid: ..., test: ...}")
        return value

    @field_validator("columns")
    @classmethod
    def _names_known_columns(cls, value: dict[str, str | None] | None) -> dict[str, str | None] | None:
        for name in value or {}:
            if name not in KNOWN_COLUMNS:
                raise ValueError(
                    f"'{name}' means nothing here. Write MEANING: COLUMN, where MEANING is {', '.join(KNOWN_COLUMNS)}"
                    f"{nearest(name, KNOWN_COLUMNS)} Any other column is used by its own name"
                )
        return value

    @field_validator("label_from")
    @classmethod
    def _has_named_groups(cls, value: str | None) -> str | None:
        try:
            is_good = value is None or bool(re.compile(value).groupindex)
        except re.error as error:
            raise ValueError(f"'{value}' is not a regular expression: {error}") from error
        if not is_good:
            raise ValueError(f"'{value}' has no named group. Name what it finds, such as (?P<label>...)")
        return value

    @field_validator("path")
    @classmethod
    def _is_made_of_columns(cls, value: str | dict[str, str] | None) -> str | dict[str, str] | None:
        for template in value.values() if isinstance(value, dict) else [value or "{path}"]:
            if not template_fields(template) or set("{}") & set(FIELD.sub("", template)):
                raise ValueError(f"'{template}' is not made of columns in braces, such as 'clips/{{id}}.wav'")
        return value

    @field_validator("split_lists")
    @classmethod
    def _lists_splits(cls, value: Any) -> Any:
        if value is not None and (not isinstance(value, dict) or not set(value) <= set(SPLITS)):
            raise ValueError(
                f"give a file for each split that is listed: {{test: FILE}}; splits are {', '.join(SPLITS)}"
            )
        return value

    @model_validator(mode="after")
    def _names_paths_once(self) -> "CollectionSettings":
        if self.path is not None and (self.columns or {}).get("path"):
            raise ValueError("path and columns.path both say where the recordings are. Keep one of them")
        placed = [key for key in ("path", "root", "split_lists") if getattr(self, key) is not None]
        placed += ["columns.path"] if (self.columns or {}).get("path") else []
        if self.rows is not None and placed:
            raise ValueError(f"rows says that the frames are in the table itself, so that {placed[0]} has no place")
        return self

    @property
    def form(self) -> str:
        """The way in which long tables hold sequences, for `seqconv.features.cases`; "" if a row is a recording."""
        return self.form_without(())

    def form_without(self, labels: Sequence[str]) -> str:
        """Return the form of tables that may lack the columns with labels, as those of a prediction do."""
        if self.rows is None:
            return ""
        names = {(self.columns or {}).get(name) or name for name in labels}
        may_lack = [name for name in self.rows.by if name in names]
        text = {"names": self.names, "separator": self.separator, "comment": self.comment}
        return name_form("rows", self.rows.model_dump(mode="json") | text | {"may_lack": may_lack})

    def patterns_of(self, column: str) -> list[str]:
        """Return the patterns of cells of a column that `ignore` leaves out; a list is of paths."""
        by_column = self.ignore if isinstance(self.ignore, dict) else {"path": self.ignore or []}
        return by_column.get(column, [])

    @property
    def found_in_paths(self) -> tuple[str, ...]:
        """The columns that `label_from` finds in paths."""
        return () if self.label_from is None else tuple(re.compile(self.label_from).groupindex)

    def of_split(self, split: str) -> "CollectionSettings":
        """Return the settings of one manifest of several, with the `root` and `path` of its split.

        Raises:
            ManifestError: they are given by split, but not for this one.
        """
        chosen = {}
        for key in ("root", "path"):
            values = getattr(self, key)
            if isinstance(values, dict):
                if split not in values:
                    raise ManifestError(f"data.{key} names none for '{split}', only for {list_some(values)}.")
                chosen[key] = values[split]
        return self.model_copy(update=chosen)


def template_fields(template: str) -> list[str]:
    """Return the columns in the braces of a template of paths.

    >>> template_fields("fold{fold}/{name}")
    ['fold', 'name']
    """
    return FIELD.findall(template)
