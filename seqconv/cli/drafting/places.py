"""Files in a folder and beside it: recordings, tables, and which of them a cell of a table names."""

import os
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from seqconv.config.files import write_value
from seqconv.data.manifest.readers.folders import ARRAY_SUFFIXES, AUDIO_SUFFIXES
from seqconv.errors import list_some
from seqconv.features.precomputed import TABLE_SUFFIXES as FEATURE_TABLES

TABLES = ("manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.parquet")
"""Names of tables that are the manifest of their folder."""

# Tables of recordings; a table of plain text says with which separator.
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".txt")
_DEEPEST = 4
_MOST_TABLES = 40
_MOST_FOLDERS = 200
# What a run writes beside its data: its tables name recordings, too.
_OF_RUNS = ("model.keras", "splits.csv", "metrics.json")


class Place:
    """A folder, or a file, that a config is drafted for.

    `given`: sections of the config with the keys that the user sets: nothing is asked about them. `label`: the column
    that the user wants to be learned. `matched`: tables that were compared with the recordings, by path.
    """

    def __init__(
        self, path: Path, given: Mapping[str, Mapping[str, Any]] | None = None, label: str | None = None
    ) -> None:
        self.path = path
        self.label = label
        self.matched: dict[Path, Any] = {}
        self._absolute = path.absolute()
        self.given = {section: dict(keys) for section, keys in (given or {}).items()}

    def knows(self, *keys: str) -> bool:
        """Whether the user has said one of these keys of `data`."""
        return not self.given.get("data", {}).keys().isdisjoint(keys)

    def answer(self, key: str, value: Any) -> None:
        """Take the answer of the user to a question about a key of `data`, instead of what was set before."""
        if self.knows(key):
            self.given["data"][key] = value

    @cached_property
    def files(self) -> tuple[PurePosixPath, ...]:
        """All visible files but those to ignore, as seen from the folder."""
        ignored = self.given.get("data", {}).get("ignore") or ()
        ignored = ignored.get("path", ()) if isinstance(ignored, dict) else ignored
        files = _walk(self.path)
        return tuple(path for path in files if not any(fnmatchcase(path.as_posix(), pattern) for pattern in ignored))

    @cached_property
    def recordings(self) -> tuple[PurePosixPath, ...]:
        """Recordings and arrays; if there are none, tables in sub-folders, which may be features."""
        found = tuple(path for path in self.files if path.suffix.lower() in (*AUDIO_SUFFIXES, *ARRAY_SUFFIXES))
        deep = (path for path in self.files if path.suffix.lower() in FEATURE_TABLES and len(path.parts) > 1)
        return found or tuple(deep)

    @property
    def has_signals(self) -> bool:
        """Whether there are recordings or arrays, so that tables of numbers are something else."""
        return any(path.suffix.lower() in (*AUDIO_SUFFIXES, *ARRAY_SUFFIXES) for path in self.recordings)

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        """Tables that may list recordings: those of no single one, in folders that do not hold a multitude of them."""
        stems = {name for path in self.recordings for name in (path.stem, path.name)}
        by_folder: dict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
        for path in self.files:
            if path.suffix.lower() in TABLE_SUFFIXES and len(path.parts) <= _DEEPEST and path.stem not in stems:
                by_folder[path.parent].append(path)
        return tuple(self.path / path for paths in by_folder.values() if len(paths) <= _MOST_TABLES for path in paths)

    @cached_property
    def files_beside(self) -> tuple[Path, ...]:
        """Files in the folder above and in its other folders, but for those of runs."""
        above = self.path.parent if self.path.name not in ("", "..") else self.path / ".."
        own = self.path.absolute()
        folders = [above, *(path for path in _visible(above) if path.is_dir() and path.absolute() != own)]
        found = [[path for path in _visible(folder) if path.is_file()] for folder in folders[:_MOST_FOLDERS]]
        return tuple(path for files in found if not any(path.name in _OF_RUNS for path in files) for path in files)

    @cached_property
    def tables_beside(self) -> tuple[Path, ...]:
        """Tables beside the folder that may list recordings."""
        found = tuple(path for path in self.files_beside if path.suffix.lower() in TABLE_SUFFIXES)
        return found if len(found) <= _MOST_TABLES else ()

    @cached_property
    def _by_name(self) -> dict[str, list[PurePosixPath]]:
        names: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in self.recordings:
            for name in (path.name, path.stem):
                names[name].append(path)
        return dict(names)

    def find(self, cell: str, table: Path) -> PurePosixPath | None:
        """Return the only recording whose path ends with what a cell says, with or without its suffix.

        Of several, the only one below the folder of the table.
        """
        named = PurePosixPath(cell.replace("\\", "/"))
        inner = tuple(part for part in named.parts[:-1] if part != "..")
        found = [
            path
            for path in self._by_name.get(named.name, ())
            if not inner or self.place_of(path).parent.parts[-len(inner) :] == inner
        ]
        below = [path for path in found if table.parent in (self.path / path).parents]
        return next((paths[0] for paths in (found, below) if len(paths) == 1), None)

    def place_of(self, path: PurePosixPath) -> Path:
        """Return the absolute path of a file."""
        return self._absolute / path

    def show(self, *paths: Path | PurePosixPath) -> str:
        """Return paths for a sentence, as seen from the folder."""
        return list_some(
            os.path.relpath(path if isinstance(path, Path) else self.path / path, self.path) for path in paths
        )

    def tell(self, *paths: Path) -> str:
        """Return where files are: in the folder, or beside it."""
        where = "in" if all(path.is_relative_to(self.path) for path in paths) else "beside"
        return f"{self.show(*paths)} {where} '{self.path}'"

    def command(self, *options: str) -> str:
        """Return the command that drafts the config again, with what the user has set and further options."""
        label = [] if self.label is None or "--label" in options else ["--label", self.label]
        chosen = {option.partition("=")[0] for option in options}
        values = {f"{section}.{key}": value for section, keys in self.given.items() for key, value in keys.items()}
        kept = [f"{key}={write_value(value)}" for key, value in values.items() if key not in chosen]
        given = [part for setting in kept for part in ("--set", setting)]
        return shlex.join(["seqconv", "init", str(self.path), *label, *given, *options])

    def set(self, key: str, value: str) -> str:
        """Return the command that drafts the config again with a key set."""
        return self.command("--set", f"{key}={value}")


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _walk(folder: Path) -> Iterator[PurePosixPath]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield PurePosixPath(Path(where, name).relative_to(folder).as_posix())
