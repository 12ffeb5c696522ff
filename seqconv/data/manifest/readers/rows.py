"""Long tables as manifests: a row for each sequence that the rows of a table make."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.columns import KNOWN_COLUMNS
from seqconv.data.manifest.layout import choose_columns, is_ignored
from seqconv.data.manifest.readers.tables import list_cases
from seqconv.errors import ManifestError, list_some
from seqconv.features.cases import Cases, read_cases
from seqconv.features.cells import ROW_SUFFIXES

_REMEDY = "Say what it means, such as data.columns: {{group: {0}}}"
# Columns of a manifest that a table of a user may have in another sense, and what to say of them.
_OF_SEQUENCES = {
    "id": f"{_REMEDY.format('id')}, or leave it out: {{id: null}}.",
    **{name: f"{_REMEDY.format(name)}." for name in ("path", "case", "case_form")},
    "weight": "If it is how much a sequence counts in the loss, write data.columns: {weight: weight}; if not, {weight: "
    "null}.",
    **{name: f"Leave it out: data.columns: {{{name}: null}}." for name in ("start", "end")},
}
_MEANINGS = ("label", "group", "split", "fold")


def read_rows(path: Path, collection: CollectionSettings, used: Sequence[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """List the sequences of a long table, or of all those in a folder.

    Args:
        path: the table, or the folder.
        collection: `rows` says which rows are a sequence, and `names`, `separator` and `comment` what cells are.
        used: columns with labels.

    Returns:
        The table, and notes.

    Raises:
        ManifestError: a table cannot be read or divided; a label changes within a sequence.
    """
    files, notes = _find_tables(path, collection) if path.is_dir() else ([path], [])
    tables, form = [], collection.form
    for file in files:
        place = file.relative_to(path) if path.is_dir() else Path(file.name)
        try:
            cases = read_cases(file, form)
            _check_changes(cases, collection, used)
            cases = replace(cases, columns=_name_columns(cases, collection, notes))
        except ManifestError as error:
            text = str(error).removeprefix(f"{file}: ")
            raise ManifestError(f"'{place}': {text}" if path.is_dir() else text) from error
        prefix = f"{place.with_suffix('').as_posix()}/" if path.is_dir() else ""
        notes += [f"'{place}': {note}" for note in cases.notes if note not in "\n".join(notes)]
        tables.append(list_cases(cases, place.as_posix(), form, prefix))
    table = pd.concat(tables, ignore_index=True)
    return table, [*notes, *_notes_on_labels(collection, used), *_notes_on_rows(collection, len(table))]


def _find_tables(folder: Path, collection: CollectionSettings) -> tuple[list[Path], list[str]]:
    present = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {path: path.relative_to(folder) for path in present}
    present = [path for path in present if not any(part.startswith(".") for part in names[path].parts)]
    present = [path for path in present if not is_ignored(names[path].as_posix(), collection)]
    tables = [path for path in present if path.suffix.lower() in ROW_SUFFIXES]
    if not tables:
        raise ManifestError(f"it holds no table ({', '.join(ROW_SUFFIXES)}) with the rows of data.rows.")
    rest = [names[path].as_posix() for path in present if path not in set(tables)]
    left = f"{len(rest)} files in '{folder}' are no tables and were left out: {list_some(rest)}"
    return tables, [left] if rest else []


def _name_columns(cases: Cases, collection: CollectionSettings, notes: list[str]) -> dict[str, list[str | None]]:
    """Return what the table says of each sequence, under the names that `data.columns` gives.

    Raises:
        ManifestError: a column has a name that means something of the sequences here.
    """
    own, columns = dict(cases.columns), collection.columns or {}
    if len(set(own.get("id", ())) - {None}) == len(cases):
        # What tells sequences apart needs no word.
        columns = {"id": "id", **columns}
    for name, remedy in _OF_SEQUENCES.items():
        if name in own and name not in columns and name not in columns.values():
            raise ManifestError(f"its column '{name}' has the name of what each sequence has here. {remedy}")
    said: list[str] = []
    table = choose_columns(pd.DataFrame(own, dtype=object), columns, said)
    notes += [note for note in said if note not in notes]
    kept = [name for name in table if name not in _OF_SEQUENCES or columns.get(name)]
    return {str(name): table[name].tolist() for name in kept}


def _label_columns(collection: CollectionSettings, used: Sequence[str]) -> list[str]:
    """Return the columns of the table that have the labels."""
    columns = collection.columns or {}
    # Those of a known meaning, such as the group, are no labels.
    labels = [name for name in dict.fromkeys(used) if name == "label" or name not in KNOWN_COLUMNS]
    return list(dict.fromkeys(str(columns.get(name, name)) for name in labels or ("label",)))


def _check_changes(cases: Cases, collection: CollectionSettings, used: Sequence[str]) -> None:
    """Check that what is said of a sequence is the same in all its rows."""
    columns = collection.columns or {}
    labels = _label_columns(collection, used)
    others = [columns.get(name, name) for name in _MEANINGS] + list(columns.values())
    for name in labels:
        if name in cases.changes:
            raise ManifestError(
                f"the label '{name}' changes within a sequence: {cases.changes[name]}. Add it to data.rows.by, so that "
                "sequences end where it changes: a prediction, which does not know it, cannot end them there, so cut "
                "data.windows from them as well, which are the same there."
            )
    for name in filter(None, others):
        if name in cases.changes:
            raise ManifestError(
                f"the column '{name}' changes within a sequence: {cases.changes[name]}. Add it to data.rows.by, or say "
                f"that it means something else: data.columns: {{MEANING: null}}."
            )


def _notes_on_rows(collection: CollectionSettings, count: int) -> list[str]:
    rows = collection.rows
    if rows is None or not rows.by:
        return []
    kinds = {"run": "a run of neighboring rows", "key": "all rows", None: "all rows, which are neighbors,"}
    return [f"data.rows: {count:,} sequences, each {kinds[rows.sequence]} with equal {list_some(rows.by)}"]


def _notes_on_labels(collection: CollectionSettings, used: Sequence[str]) -> list[str]:
    by = () if collection.rows is None else collection.rows.by
    labels = [name for name in _label_columns(collection, used) if name in by]
    if not labels or getattr(collection, "windows", None) is not None:
        return []
    return [
        f"sequences end where the label ({list_some(labels)}) changes, where a prediction, which does not know it, "
        "cannot end them: data.windows cuts both alike"
    ]
