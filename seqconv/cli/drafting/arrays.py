"""Arrays that hold all sequences at once, which a config cannot name: the line that makes a file of each."""

from pathlib import PurePosixPath

from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.places import Place
from seqconv.errors import ManifestError
from seqconv.features.arrays import load_npy

_LABELS = ("y", "labels", "label", "target", "targets")
_VALUES = ("x", "data", "features", "samples", "signals")


def refuse_arrays(place: Place) -> Find | None:
    """Find X.npy and y.npy, or one pair for each split.

    Raises:
        ManifestError: there are some; says how each sequence becomes a file.
    """
    arrays = {path.stem.lower(): path for path in place.files if path.suffix.lower() == ".npy" and len(path.parts) == 1}
    pairs = [(path, arrays[labels]) for name, path in arrays.items() if (labels := _labels_of(name, arrays))]
    if not pairs:
        return None
    values, labels = next((pair for pair in pairs if "train" in pair[0].stem.lower()), pairs[0])
    try:
        shapes = [load_npy(place.path / path, mapped=True).shape for path in (values, labels)]
    except (ValueError, OSError) as error:
        raise ManifestError(f"'{place.path}': '{values}' and '{labels}' cannot be read: {error}") from error
    if shapes[0][0] != shapes[1][0]:
        return None
    raise ManifestError(_describe(place, values, labels, shapes[0]))


def _labels_of(name: str, arrays: dict[str, PurePosixPath]) -> str | None:
    """Return the name of the labels of an array: `y_train` for `x_train`."""
    first, mark, rest = name.partition("_")
    if first not in _VALUES:
        return None
    return next((f"{label}{mark}{rest}" for label in _LABELS if f"{label}{mark}{rest}" in arrays), None)


def _describe(place: Place, values: PurePosixPath, labels: PurePosixPath, shape: tuple[int, ...]) -> str:
    x, y = place.path / values, place.path / labels
    channels_first = len(shape) == 3 and shape[1] < shape[2]
    case = "case.T" if channels_first else "case"
    turned = f" (here it seems to be (cases, d, time), since {shape[1]} < {shape[2]}; if it is not, write case)"
    return (
        f"'{values}' {shape} holds all sequences in one array, with labels in '{labels}'; a config names a file for "
        f"each, (time, d){turned if channels_first else ''}. Write them to a folder for each class, and draft that:\n"
        f'  python -c "import numpy as np, pathlib; '
        f"[(pathlib.Path('cases', str(label)).mkdir(parents=True, exist_ok=True), "
        f"np.save(f'cases/{{label}}/{{number}}.npy', {case})) for number, (case, label) in "
        f"enumerate(zip(np.load('{x}'), np.load('{y}')))]\"\n"
        "  seqconv init cases\n"
        "Of several such pairs, write each to a folder of its own: cases/train, cases/test.\n"
        "Or train in Python: seqconv.train({...}, train_data=(arrays, labels))."
    )
