"""Arrow tables as manifests: cells as text, classes by their names, and recordings within a table as files.

Parquet files and the datasets of Hugging Face are such tables; their metadata say which columns hold recordings, and
the names of classes.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.data.manifest.columns import refuse_indicators, to_text
from seqconv.errors import ManifestError, StorageError, list_some
from seqconv.files import as_storage_error, cache_folder

# Rows that are in memory at once, with their recordings.
_ROWS_AT_ONCE = 256
# Of the name of a file, in letters.
_LONGEST = 60
# Where a recording is, and its name in the table.
_File = tuple[str | None, str | None]
# What pandas calls the numbers of rows.
_ROW_NUMBERS = "__index_level_0__"


def read_parquet(paths: Sequence[Path], cache_dir: str | Path | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read Parquet files with the same columns, one after the other; arguments and result of `read_arrow`."""
    import pyarrow
    import pyarrow.parquet

    path = paths[0]
    try:
        schema = pyarrow.parquet.read_schema(path)
        for path in paths:
            if not pyarrow.parquet.read_schema(path).equals(schema):
                raise ManifestError(f"'{path.name}' has other columns than '{paths[0].name}'.")
        files = (pyarrow.parquet.ParquetFile(path) for path in paths)
        batches = (batch for file in files for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE))
        return read_arrow(schema, batches, cache_dir)
    except StorageError:
        raise
    except UnicodeDecodeError as error:
        raise ManifestError(f"it is not a whole Parquet file: text in it is not UTF-8 ({error.reason}).") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise ManifestError(f"it is not a whole Parquet file: {str(error).strip().rstrip('.')}.") from error


def is_dataset(source: Any) -> bool:
    """Whether it is a dataset of Hugging Face, one split or a stream of it, or a table of Arrow or Polars."""
    if _is_of_hugging_face(source):
        return not isinstance(source, Mapping)
    # The interface of Arrow for data of all packages, of which pandas is read by itself.
    is_table = type(source).__name__ in ("Table", "DataFrame") and not hasattr(source, "iloc")
    return is_table and hasattr(source, "__arrow_c_stream__")


def _is_of_hugging_face(source: Any) -> bool:
    return type(source).__module__.split(".")[0] == "datasets"


def has_recordings(dataset: Any) -> bool:
    """Whether a dataset has a column of recordings, or of their paths."""
    schema = _schema(dataset)
    if schema is None:
        return False
    features = _features(schema)
    return any(
        field.name in ("path", "file_name") or _holds_recordings(field, features.get(field.name)) for field in schema
    )


def _schema(dataset: Any) -> Any:
    """Return the schema of a dataset; None of a stream that does not know it."""
    import pyarrow

    if not _is_of_hugging_face(dataset):
        return pyarrow.table(dataset).schema
    return None if dataset.features is None else dataset.features.arrow_schema


def read_dataset(dataset: Any, cache_dir: str | Path | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read a dataset, of which no recording is decoded, or a table in memory; arguments and result of `read_arrow`.

    Raises:
        ManifestError: it is a stream, or has a transform, which would not be applied.
    """
    if not _is_of_hugging_face(dataset):
        import pyarrow

        table = pyarrow.table(dataset)
        return read_arrow(table.schema, table.to_batches(max_chunksize=_ROWS_AT_ONCE), cache_dir)
    if not hasattr(dataset, "__len__"):
        raise ManifestError(
            "it is a stream (IterableDataset), of which nobody knows the length. Load it whole: "
            "datasets.load_dataset(..., streaming=False)."
        )
    if dataset.format["type"] == "custom":
        raise ManifestError(
            "it has a transform (set_transform), which is not applied to recordings. Apply it with map, or take it "
            "away: data.with_format(None)."
        )
    return read_arrow(_schema(dataset), dataset.with_format("arrow").iter(_ROWS_AT_ONCE), cache_dir)


def read_arrow(
    schema: Any, batches: Iterable[Any], cache_dir: str | Path | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Read a table of Arrow, batch by batch.

    Numbers become text, a list of labels is joined with ';', the number of a class is its name. A column of recordings
    has their paths, and is the column `path`; those whose bytes are in the table are written to the cache, each in a
    folder with the hash of its content.

    Args:
        schema: that of the table.
        batches: its rows, in order.
        cache_dir: folder of the cache.

    Returns:
        A table of text, None where a cell is empty, and notes.

    Raises:
        ManifestError: numbers of classes that have no name.
    """
    features, folder = _features(schema), cache_folder(cache_dir) / "recordings"
    recordings = [field.name for field in schema if _holds_recordings(field, features.get(field.name))]
    names = [field.name for field in schema if field.name in recordings or _is_text(field.type)]
    left_out = [field.name for field in schema if field.name not in (*names, _ROW_NUMBERS)]
    columns: dict[str, list[Any]] = {name: [] for name in names if name != _ROW_NUMBERS}
    lists: dict[str, list[Any]] = {}
    row = 0
    for batch in batches:
        for name, cells in columns.items():
            values = batch.column(name).to_pylist()
            if name in recordings:
                cells += [_as_file(value, folder) for value in values]
            else:
                classes = _class_names(features.get(name))
                if classes is None:
                    lists.setdefault(name, []).extend(value for value in values if isinstance(value, list))
                named = values if classes is None else [_name_class(value, classes, name) for value in values]
                cells += [to_text(value, f"row {row + place}, '{name}'") for place, value in enumerate(named, start=1)]
        row += batch.num_rows
    for name, found_lists in lists.items():
        refuse_indicators(name, found_lists)
    notes = [f"{list_some(left_out)}: neither text nor numbers, and left out"] if left_out else []
    files = {name: columns[name] for name in recordings}
    columns |= {name: [file for file, _ in found] for name, found in files.items()}
    if len(files) == 1:
        notes += _add_paths(columns, next(iter(files.items())), folder)
    return pd.DataFrame(
        {name: [cell or None for cell in cells] for name, cells in columns.items()}, dtype=object
    ), notes


def _add_paths(columns: dict[str, list[Any]], found: tuple[str, list[_File]], folder: Path) -> list[str]:
    """Make recordings the column `path`, and their names the ids, or else the numbers of rows; return notes."""
    column, files = found
    inside = sum(file is not None and file != name for file, name in files)
    notes = [f"{inside} recordings inside the table are files in '{folder}' now"] if inside else []
    if "path" in columns and column != "path":
        notes.append(f"the recordings are those of column '{column}', not of 'path'")
    columns["path"] = [file for file, _ in files]
    names = [name for _, name in files]
    if "id" not in columns:
        are_ids = None not in names and len(set(names)) == len(names)
        columns["id"] = names if are_ids else [str(row) for row in range(len(names))]
    return notes


def _as_file(value: Any, folder: Path) -> _File:
    """Return the path of a recording, and its name in the table; one inside the table is written to a file."""
    content, name = (value or {}).get("bytes"), (value or {}).get("path")
    if content is None:
        return name, name
    # What the config finds in paths is found in the name, too.
    own = Path(name or "").name[-_LONGEST:] or "recording"
    path = folder / hashlib.blake2b(content, digest_size=16).hexdigest() / own
    if not path.is_file() or path.stat().st_size != len(content):
        # Of a file that was not written whole, the size is another one.
        temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
        with as_storage_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(path)
    return str(path), name


def _features(schema: Any) -> dict[str, Any]:
    """Return what the metadata of Hugging Face say of each column; nothing if there are none."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _holds_recordings(field: Any, feature: Any) -> bool:
    import pyarrow

    if isinstance(feature, Mapping) and "_type" in feature:
        return bool(feature["_type"] == "Audio")
    if not pyarrow.types.is_struct(field.type) or {child.name for child in field.type} != {"bytes", "path"}:
        return False
    kind = field.type.field("bytes").type
    return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))


def _is_text(kind: Any) -> bool:
    """Whether cells of a type of Arrow are text, numbers, times, or lists of labels."""
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind):
        return bool(types.is_integer(kind.value_type) or _is_words(kind.value_type))
    numbers = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_decimal,
        types.is_temporal,
        types.is_null,
    )
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return _is_words(kind) or any(is_kind(kind) for is_kind in numbers)


def _is_words(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _class_names(feature: Any) -> list[str] | None:
    """Return the names of the classes of a column, also of one with lists of classes; None if it has none."""
    feature = feature[0] if isinstance(feature, list) and feature else feature
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel" and feature.get("names"):
        return list(map(str, feature["names"]))
    return _class_names(feature.get("feature"))


def _name_class(value: Any, names: list[str], column: str) -> Any:
    """Return the name of a class, or of each of a list; -1 is none."""
    if isinstance(value, list):
        return [name for each in value if (name := _name_class(each, names, column)) is not None]
    if value is None or value == -1:
        return None
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise ManifestError(f"'{column}' holds the class {value!r}, but only {len(names)} classes have a name.")
    return names[value]
