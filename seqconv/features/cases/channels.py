"""Reader of channels that are in a file each, with a sequence in each line of all."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.errors import ManifestError, list_some
from seqconv.features.cases.sequences import Cases
from seqconv.features.columns import Columns
from seqconv.features.contents import Content, content_of_table
from seqconv.features.kinds import Array, Precomputed
from seqconv.features.ts import cut_missing_end


def channel_files(path: Path, options: Mapping[str, Any]) -> list[Path]:
    """Return the files of all channels, beside the first of them, `path`."""
    return [path.with_name(name) for name in options["files"]]


def name_channels(stems: Sequence[str]) -> list[str]:
    """Return names without an end that all share, such as that of a split.

    >>> name_channels(["body_acc_x_train", "body_acc_y_train"]), name_channels(["x", "y"])
    (['body_acc_x', 'body_acc_y'], ['x', 'y'])
    """
    ends = {stem.rpartition("_")[2] for stem in stems}
    is_shared = len(ends) == 1 and len(stems) > 1 and all("_" in stem for stem in stems)
    return [stem.rpartition("_")[0] if is_shared else stem for stem in stems]


def read_channels(path: Path, options: Mapping[str, Any]) -> Cases:
    """Read text files of numbers between spaces or commas: line i of each is one channel of sequence i.

    Args:
        path: the first file.
        options: `files` are the names of all, beside it.

    Raises:
        ManifestError: lines of different length in one file, or files that do not fit each other.
    """
    files = channel_files(path, options)
    matrices = [read_matrix(file) for file in files]
    if len({matrix.shape for matrix in matrices}) > 1:
        shapes = list_some(f"{file.name} {matrix.shape}" for file, matrix in zip(files, matrices, strict=True))
        raise ManifestError(
            f"{path.parent}: the files of channels have a sequence in each line, and must have the same lines and "
            f"values, but have (lines, values) {shapes}."
        )
    names = name_channels([file.stem for file in files])

    def read(number: int, settings: Precomputed) -> Content:
        case = cut_missing_end(np.stack([matrix[number] for matrix in matrices], axis=1))
        return content_of_table(Columns(tuple(names), dict(zip(names, case.T, strict=True))), settings)

    return Cases([str(number) for number in range(len(matrices[0]))], read)


def read_matrix(file: Path) -> Array:
    """Read a text file of numbers, `(lines, values)`.

    Raises:
        ManifestError: something in it is no number, or lines differ in length.
    """
    try:
        with file.open(encoding="utf-8-sig") as lines:
            separator = "," if "," in lines.readline() else None
        return np.loadtxt(file, np.float64, delimiter=separator, ndmin=2, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise ManifestError(f"{file}: {str(error).splitlines()[0]}") from error
