"""Data sets of a folder: pairs of `.ts` files, one to learn from and one to be tested on."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from seqconv.errors import ManifestError, list_some

TRAIN, TEST = "_TRAIN.ts", "_TEST.ts"


@dataclass(frozen=True)
class Pair:
    """A data set: its name, and its two files."""

    name: str
    train: Path
    test: Path


def find_pairs(folder: Path) -> list[Pair]:
    """Return the pairs below a folder, in the order of their names.

    Raises:
        ManifestError: there is no folder, no pair in it, a file without its other one, or a name twice.
    """
    if not folder.is_dir():
        raise ManifestError(f"'{folder}' is not a folder. Pass one with files NAME{TRAIN} and NAME{TEST}.")
    trains, tests = _stems(folder, TRAIN), _stems(folder, TEST)
    if not trains | tests:
        raise ManifestError(f"'{folder}' holds no data set: no file is named NAME{TRAIN} or NAME{TEST}.")
    missing = [f"{stem}{TEST if stem in trains else TRAIN}" for stem in sorted(trains ^ tests)]
    if missing:
        raise ManifestError(
            f"{list_some(missing)} must be there beside the other file of the pair. Add it, or remove that."
        )
    pairs = [Pair(stem.name, Path(f"{stem}{TRAIN}"), Path(f"{stem}{TEST}")) for stem in trains]
    counts = Counter(pair.name for pair in pairs)
    twice = [str(pair.train) for pair in pairs if counts[pair.name] > 1]
    if twice:
        raise ManifestError(f"{list_some(sorted(twice))} have one name. Keep one of these data sets in the folder.")
    return sorted(pairs, key=lambda pair: pair.name)


def _stems(folder: Path, end: str) -> set[Path]:
    """Find the paths of files, without their common end; archives are unpacked into one folder, or one a data set."""
    return {path.with_name(path.name.removesuffix(end)) for path in folder.rglob(f"*{end}")}
