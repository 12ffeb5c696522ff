"""Data of other packages as sequences: taken where only one thing can be meant, else the line that converts them."""

import re
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any, NamedTuple

from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.readers.arrow import has_recordings, is_dataset
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, list_some
from seqconv.sources import Source


class _Kind(NamedTuple):
    """The way from a type of another package to sequences.

    `line`: code that makes `Sequences` of `data`. `pairs`: returns the pairs (features, label) of which it consists, or
    another such line where it is something else. `arrays`: returns its arrays, if it has no labels; None where it is
    something else.
    """

    line: str
    pairs: Callable[[Any], Iterable[Any] | str] | None = None
    arrays: Callable[[Any], Iterable[Any] | None] = lambda data: None


def _pairs_of_tensorflow(data: Any) -> Iterable[Any] | str:
    """Return the pairs of a tf.data.Dataset without batches, or with ragged ones, which have no padding."""
    spec = getattr(data, "element_spec", None)
    if isinstance(spec, dict):
        return 'Sequences(*zip(*data.map(lambda each: (each["FEATURES"], each["LABEL"])).as_numpy_iterator()))'
    if not isinstance(spec, tuple) or len(spec) != 2:
        return _KINDS["tensorflow"].line
    if int(data.cardinality()) == -1:
        return "Sequences(*zip(*data.take(N).as_numpy_iterator())), as it repeats its N sequences without end"
    # Without a declared shape, the first pair says it.
    rank = _rank(spec[0]) or _rank(next(iter(data), spec)[0])
    if rank == 2:
        return list(data)
    if rank == 3 and type(spec[0]).__name__ == "RaggedTensorSpec":
        return list(data.unbatch())
    return (
        "Sequences(*zip(*data.unbatch().as_numpy_iterator())), if its batches have no padding, which nobody can tell "
        "from frames: take it before padded_batch"
    )


def _pairs_of_torch(data: Any) -> Iterable[Any] | str:
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__") and len(data)):
        return _KINDS["torch"].line
    if is_pair(data[0]):
        return [data[index] for index in range(len(data))]
    pair = 'each["FEATURES"], each["LABEL"]' if isinstance(data[0], Mapping) else "each[0], each[1]"
    return f"Sequences(*zip(*(({pair}) for each in map(data.__getitem__, range(len(data))))))"


def _arrays_of_torch(data: Any) -> Any:
    return data.unbind() if data.is_nested else data.detach().cpu().numpy()


def _arrays_of_dataset(data: Any) -> Any:
    """Return the arrays of a dataset of TensorFlow or PyTorch without labels."""
    if hasattr(data, "element_spec"):
        return list(data) if _rank(data.element_spec) == 2 and int(data.cardinality()) != -1 else None
    has_items = hasattr(data, "__getitem__") and hasattr(data, "__len__") and len(data)
    return [data[index] for index in range(len(data))] if has_items and _rank(data[0]) == 2 else None


def _line_of_pandas(data: Any) -> str:
    if data.size and _rank(data.iat[0, 0]) == 1:
        # As sktime has them, a Series in each cell.
        return "Sequences([np.column_stack([*row]) for row in data.to_numpy()], labels)"
    return _KINDS["pandas"].line


def is_pair(item: Any) -> bool:
    """Whether it is one sequence `(time, d)` and its label."""
    return isinstance(item, tuple) and len(item) == 2 and _rank(item[0]) == 2


# By the name of a type, or by its package.
_KINDS = {
    "RaggedTensor": _Kind("Sequences([row.numpy() for row in data], labels)", arrays=list),
    "EagerTensor": _Kind("Sequences(data.numpy(), labels)", arrays=lambda data: data.numpy()),
    "tensorflow": _Kind(
        "Sequences(*zip(*data.as_numpy_iterator())), if it gives pairs", _pairs_of_tensorflow, _arrays_of_dataset
    ),
    "DataLoader": _Kind("Sequences(*zip(*data.dataset)), which takes all of the data set, whatever its sampler draws"),
    **dict.fromkeys(("Tensor", "NestedTensor"), _Kind("Sequences(data.unbind(), labels)", arrays=_arrays_of_torch)),
    "torch": _Kind(
        "Sequences(*zip(*data)), if it gives pairs of features (time, d) and label", _pairs_of_torch, _arrays_of_dataset
    ),
    "datasets": _Kind(
        'Sequences(data["FEATURES"], [data.features["LABEL"].int2str(number) for number in data["LABEL"]])'
    ),
    "Series": _Kind("Sequences(data.to_list(), labels)", arrays=lambda data: data.to_list()),
    "pandas": _Kind(
        "Sequences([rows[COLUMNS].to_numpy() for _, rows in data.groupby(ID)], labels), for rows that are frames. A "
        "table of recordings has a column 'path'",
        _line_of_pandas,
    ),
    "polars": _Kind(
        "Sequences([rows[COLUMNS].to_numpy() for rows in data.partition_by(ID)], labels), for rows that are frames"
    ),
    "Table": _Kind('Sequences(data["FEATURES"].to_pylist(), data["LABEL"].to_pylist())'),
    "pyarrow": _Kind("Sequences(data.to_pylist(), labels)", arrays=lambda data: data.to_pylist()),
    "awkward": _Kind("Sequences([row.to_numpy() for row in data], labels)", arrays=list),
    "lhotse": _Kind(
        "Sequences.from_manifest('lhotse:cuts.jsonl.gz', features, label=COLUMN), after data.to_file('cuts.jsonl.gz')"
    ),
    "dict": _Kind("Sequences(list(data.values()), labels, ids=list(data))"),
}
_OTHERS = _Kind("Sequences(arrays, labels)")


def as_sequences(data: Any, name: str = "data") -> Sequences:
    """Return `data` as labeled sequences: they are already, a pair `(arrays, labels)`, or pairs `(array, label)`.

    Raises:
        ConfigError: it is something else; says how to convert it, where the package is known.

    >>> as_sequences(([[[1.0]], [[2.0]]], ["a", "b"]))
    <2 sequences of 1 to 1 frames (median 1), 1 features, labeled>
    """
    if isinstance(data, Sequences):
        return data
    if isinstance(data, str | PathLike):
        raise ConfigError(f"{name} is a path. Read the manifest: load_manifest('{data}'), or set data.manifest to it.")
    if isinstance(data, tuple) and len(data) == 2:
        arrays = _find_kind(data[0]).arrays(data[0])
        return Sequences(data[0] if arrays is None else arrays, data[1])
    kind, pairs = _find_kind(data), _find_pairs(data)
    if not isinstance(pairs, str):
        return Sequences(*zip(*pairs, strict=True))
    if kind is _KINDS["datasets"]:
        pairs = _name_columns(pairs, data)
    raise ConfigError(
        f"{name} is of type {type(data).__name__}. Convert it with seqconv.Sequences: {pairs}. Arrays are (time, d), "
        "of any length."
    )


def as_features(data: Any, name: str = "data") -> Any:
    """Return the features of `data`, of which labels are left out: a source, an array or arrays `(time, d)`.

    Raises:
        ConfigError: nobody knows what they are; as of `as_sequences`.
    """
    if isinstance(data, Source):
        return data
    if isinstance(data, tuple) and len(data) == 2 and not is_pair(data) and _is_collection(data[0]):
        data = data[0]
    arrays = _find_kind(data).arrays(data)
    if arrays is not None:
        return arrays
    is_plain = _find_kind(data) is _OTHERS and not are_pairs(data)
    return data if is_plain else as_sequences(data, name)


def holds_recordings(data: Any, collection: CollectionSettings | None = None) -> bool:
    """Whether it is a table of recordings, to be read like a manifest: a DataFrame, or datasets of Hugging Face.

    `collection`: settings that may say which columns make their paths.
    """
    if isinstance(data, Mapping):
        return bool(data) and all(holds_recordings(part, collection) for part in data.values())
    is_named = collection is not None and bool(collection.path or (collection.columns or {}).get("path"))
    if is_dataset(data):
        return is_named or has_recordings(data)
    if is_named and hasattr(data, "iloc"):
        return True
    return hasattr(data, "iloc") and not {"path", "file_name"}.isdisjoint(getattr(data, "columns", ()))


def as_manifest(collection: CollectionSettings, train: Any, valid: Any, test: Any) -> Any:
    """Return tables of recordings as one manifest, with the splits that they were passed as.

    Raises:
        ConfigError: they are passed together with something else, or with splits of their own.
    """
    others = {name: data for name, data in (("valid", valid), ("test", test)) if data is not None}
    if not others:
        return train
    odd = [name for name, data in others.items() if isinstance(data, Mapping) or not holds_recordings(data, collection)]
    if odd or isinstance(train, Mapping):
        raise ConfigError(
            f"train_data holds recordings, {'by split' if isinstance(train, Mapping) else 'and'} "
            f"{list_some(f'{name}_data' for name in odd or others)} was passed, too. Pass one table for each split, or "
            "all of them as train_data={'train': ..., 'test': ...}."
        )
    return {"train": train, **others}


def are_pairs(data: Any) -> bool:
    """Whether it is a list of sequences `(time, d)`, each with its label."""
    return isinstance(data, list) and bool(data) and all(map(is_pair, data))


def _is_collection(data: Any) -> bool:
    """Whether it is an array `(n, time, d)`, or a list of arrays `(time, d)`."""
    arrays = _find_kind(data).arrays(data)
    items = data if arrays is None else arrays
    first = next(iter(items), None) if isinstance(items, Iterable) else None
    return _rank(data) == 3 or (_rank(items) is None and _rank(first) == 2)


def _rank(item: Any) -> int | None:
    shape = getattr(item, "shape", None)
    # TensorFlow's shapes may be unknown.
    return None if shape is None or getattr(shape, "rank", 0) is None else len(shape)


def _find_pairs(data: Any) -> Iterable[Any] | str:
    """Return the pairs of which the data consist, or the line that makes sequences of them."""
    kind = _find_kind(data)
    if are_pairs(data):
        return list(data)
    return kind.line if kind.pairs is None else kind.pairs(data)


def _find_kind(data: Any) -> _Kind:
    names = [(kind.__name__, kind.__module__.split(".")[0]) for kind in type(data).__mro__]
    known = (_KINDS[word] for words in names for word in words if word in _KINDS)
    return next(known, _OTHERS)


def _name_columns(line: str, data: Any) -> str:
    """Write into a line which split and columns of a dataset of Hugging Face are meant, where only one can be."""
    if isinstance(data, Mapping):
        return _name_columns(line.replace("data", f'data["{next(iter(data))}"]'), next(iter(data.values())))
    kinds = {name: str(feature) for name, feature in (getattr(data, "features", None) or {}).items()}
    for word, pattern in (("FEATURES", r"List\(List\(|Array2D|Sequence\(.*Sequence"), ("LABEL", "ClassLabel")):
        names = [name for name, kind in kinds.items() if re.match(pattern, kind)]
        line = line.replace(word, names[0]) if len(names) == 1 else line
    return line
