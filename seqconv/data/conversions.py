"""Data of other packages as sequences: taken where only one thing can be meant, else the line that converts them."""

from typing import Any

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError

# By the name of a type, or by its package: the line that converts `data`.
_LINES = {
    "RaggedTensor": "Sequences([row.numpy() for row in data], labels)",
    "tensorflow": "Sequences(*zip(*data.as_numpy_iterator())), after data.unbatch() if it gives batches",
    "DataLoader": "Sequences(*zip(*data.dataset))",
    "torch": "Sequences(*zip(*data)), if it gives pairs of features (time, d) and label",
    "datasets": 'Sequences(data["FEATURES"], [data.features["LABEL"].int2str(number) for number in data["LABEL"]])',
    "pandas": "Sequences([rows[COLUMNS].to_numpy() for _, rows in data.groupby(ID)], labels), for rows that are frames",
    "pyarrow": 'Sequences(data["FEATURES"].to_pylist(), data["LABEL"].to_pylist())',
    "awkward": "Sequences([row.to_numpy() for row in data], labels)",
}


def as_sequences(data: Any, name: str = "data") -> Sequences:
    """Return `data` as sequences: they are already, or a pair `(arrays, labels)`.

    Raises:
        ConfigError: it is something else; says how to convert it, where the package is known.

    >>> as_sequences(([[[1.0]], [[2.0]]], ["a", "b"]))
    <2 sequences of 1 to 1 frames (median 1), 1 features, labeled>
    """
    if isinstance(data, Sequences):
        return data
    if isinstance(data, tuple) and len(data) == 2:
        return Sequences(*data)
    kinds = [(kind.__name__, kind.__module__.split(".")[0]) for kind in type(data).__mro__]
    line = next((_LINES[word] for kind in kinds for word in kind if word in _LINES), "Sequences(arrays, labels)")
    raise ConfigError(
        f"{name} is of type {type(data).__name__}. Convert it with seqconv.Sequences: {line}. Arrays are (time, d), of "
        "any length."
    )
