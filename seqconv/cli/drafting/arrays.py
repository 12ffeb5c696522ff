"""Arrays that hold all sequences at once, which a config cannot name: the line that makes a file of each."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.places import Place
from seqconv.errors import ManifestError
from seqconv.features.arrays import load_npy

_LABELS = ("y", "labels", "label", "target", "targets")
_VALUES = ("x", "data", "features", "samples", "signals")
# By the name of an array: how Python reads it, and its shape.
_Arrays = dict[str, tuple[str, tuple[int, ...]]]


def refuse_arrays(place: Place) -> Find | None:
    """Find X.npy and y.npy, or both in a `.npz` file, for each split or for all.

    Raises:
        ManifestError: there are some; says how each sequence becomes a file.
    """
    folder = place.path if place.path.is_dir() else place.path.parent
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".npy", ".npz"))
    if place.path.suffix.lower() == ".npz":
        files = [place.path]
    elif place.path.is_file() and place.path.suffix.lower() != ".npy":
        return None
    pairs = list(_find_pairs(files))
    if pairs:
        raise ManifestError(next((text for name, text in pairs if "train" in name), pairs[0][1]))
    return None


def _find_pairs(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield the name of each array that has labels, and what to do with it."""
    single: _Arrays = {}
    sets = [single]
    for path in files:
        # What cannot be read is named with all other files.
        with suppress(ValueError, OSError):
            if path.suffix.lower() == ".npy":
                if _may_be_of_all(path.stem):
                    single[path.stem] = f"np.load('{path}')", load_npy(path, mapped=True).shape
            else:
                with np.load(path, allow_pickle=False) as archive:
                    names = filter(_may_be_of_all, archive.files)
                    sets.append({name: (f"np.load('{path}')['{name}']", archive[name].shape) for name in names})
    for arrays in sets:
        for name, (call, shape) in arrays.items():
            labels = _labels_of(name, arrays)
            if labels is not None and len(shape) > 1 and shape[0] == labels[1][0]:
                yield name.lower(), _describe(name, call, labels[0], shape)


def _may_be_of_all(name: str) -> bool:
    """Whether an array is named like one of all sequences, or of their labels; others need not be opened."""
    return name.lower().partition("_")[0] in (*_VALUES, *_LABELS)


def _labels_of(name: str, arrays: _Arrays) -> tuple[str, tuple[int, ...]] | None:
    """Return the labels of an array: `y_train` for `X_train`."""
    first, mark, rest = name.lower().partition("_")
    wanted = [f"{label}{mark}{rest}" for label in _LABELS] if first in _VALUES else []
    return next((found for other, found in arrays.items() if other.lower() in wanted and found[1]), None)


def _describe(name: str, values: str, labels: str, shape: tuple[int, ...]) -> str:
    is_turned = len(shape) == 3 and shape[1] < shape[2]
    case = "case.T" if is_turned else "case[:, None]" if len(shape) == 2 else "case"
    turned = (
        f" (this seems to be (cases, d, time), since {shape[1]} < {shape[2]}; if not, write case)" if is_turned else ""
    )
    return (
        f"'{name}' {shape} holds all sequences in one array, and a config names a file for each, (time, d)"
        f"{turned}. Write them to a folder for each class, and draft that:\n"
        f'  python -c "import numpy as np, pathlib; '
        f"[(pathlib.Path('cases', str(label)).mkdir(parents=True, exist_ok=True), "
        f"np.save(f'cases/{{label}}/{{number}}.npy', {case})) for number, (case, label) in "
        f'enumerate(zip({values}, {labels}))]"\n'
        "  seqconv init cases\n"
        "Of several splits, write each to a folder of its own: cases/train, cases/test.\n"
        "Or train in Python: seqconv.train({...}, train_data=(arrays, labels))."
    )
