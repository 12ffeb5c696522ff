"""Requests to a store, and its knowledge of each stored sequence."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from seqconv.errors import ManifestError, list_some
from seqconv.features.audio.regions import seconds_in
from seqconv.features.cases import case_arguments, case_columns
from seqconv.features.contents import TableNames
from seqconv.files import is_address
from seqconv.sources import FloatArray

Key = tuple[str, float | None, float | None, int | None, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One sequence to extract: a file, a part of it in seconds, or one case of a file that holds several, and how."""

    id: str
    path: str
    start: float | None = None
    end: float | None = None
    case: int | None = None
    form: str = ""

    @property
    def key(self) -> Key:
        """A text that distinguishes its features from those of every other entry under the same settings."""
        return (self.path, self.start, self.end, self.case, self.form)


@dataclass(frozen=True, slots=True)
class StoredSequence:
    """The location of an entry's features and the content from which they were computed, or why there are none.

    `size` and `mtime_ns` are the file's when it was last hashed (of one at an address, a number for its version);
    `batch` is the number of the record batch in `shard`. A row whose `id` is None is kept for reuse, though the
    manifest of the last build does not name it. Of a table, `columns` are the names of its features and `left_out`
    those of words, as JSON.
    """

    id: str | None
    path: str
    start: float | None
    end: float | None
    case: int | None
    size: int = -1
    mtime_ns: int = -1
    content: str = ""
    shard: str = ""
    batch: int = -1
    num_frames: int = 0
    num_features: int = 0
    columns: str = ""
    left_out: str = ""
    form: str = ""
    problem: str | None = None

    @classmethod
    def of(cls, entry: Entry, **found: Any) -> "StoredSequence":
        """Make the row of an entry from what was found: its `problem`, or the fields from `size` on."""
        return cls(entry.id, entry.path, entry.start, entry.end, entry.case, form=entry.form, **found)

    @property
    def key(self) -> Key:
        """The key of its entry."""
        return (self.path, self.start, self.end, self.case, self.form)

    @property
    def table_names(self) -> TableNames:
        """Names of the columns of its table; none if it is in an array."""
        return TableNames(*(tuple(json.loads(names or "[]")) for names in (self.columns, self.left_out)))


class RecordingTransform(Protocol):
    """A change of the samples of recordings before their features are extracted; picklable.

    `identity`: everything that decides its result, except the recording, as JSON values.
    """

    @property
    def identity(self) -> Mapping[str, Any]: ...

    def apply(self, samples: FloatArray, sample_rate: int, content: str) -> FloatArray:
        """Return the samples `(n,)` of the recording or region that the text `content` identifies, changed."""
        ...


class BadFile(NamedTuple):
    """A recording that was left out, and the reason."""

    id: str
    path: str
    reason: str


def entries_of(frame: Any) -> list[Entry]:
    """Return the entries of a manifest: columns `id` and `path`, and, if present, `start`, `end`, `case`, `case_form`.

    Raises:
        ManifestError: no rows, a missing column, or ids that are not unique.

    >>> import pandas as pd
    >>> entries_of(pd.DataFrame({"id": ["a"], "path": ["/x/a.wav"], "start": [0.5], "end": [None]}))
    [Entry(id='a', path='/x/a.wav', start=0.5, end=None, case=None, form='')]
    """
    missing = [name for name in ("id", "path") if name not in frame.columns]
    if missing:
        raise ManifestError(f"the manifest lacks column {list_some(missing)}; it has {list_some(frame.columns)}")
    if not len(frame):
        raise ManifestError("the manifest has no rows, so there is nothing to extract")
    ids = [str(name) for name in frame["id"]]
    repeated = sorted(name for name, count in Counter(ids).items() if count > 1)
    if repeated:
        raise ManifestError(f"ids must be unique, but the manifest repeats {list_some(repeated)}")
    absent = [None] * len(frame)
    optional = [frame[name] if name in frame.columns else absent for name in ("start", "end")]
    named = case_columns(frame)
    cases = map(case_arguments, frame[named].to_dict("records")) if len(named) > 1 else repeat({})
    paths = [path if is_address(path) else str(Path(path).absolute()) for path in frame["path"]]
    return [
        Entry(name, path, seconds_in(start), seconds_in(end), **case)
        for name, path, start, end, case in zip(ids, paths, *optional, cases, strict=False)
    ]
