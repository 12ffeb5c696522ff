"""Files of other kinds that people bring: where the documentation converts them."""

from collections.abc import Iterable
from pathlib import PurePath

PAGE = "docs/guides/other_files.md"
# Suffixes by the title of the recipe on that page.
RECIPES: dict[str, tuple[str, ...]] = {
    "Biosignals": (".edf", ".bdf", ".gdf", ".vhdr", ".fif", ".set", ".cnt", ".hea"),
    "MATLAB": (".mat",),
    "HDF5": (".h5", ".hdf5", ".hdf", ".nc"),
    "MIDI": (".mid", ".midi"),
    "Pickle": (".pkl", ".pickle", ".joblib"),
    "PyTorch": (".pt", ".pth"),
    "Tables": (".xlsx", ".xls", ".xlsm", ".ods", ".feather", ".arrow", ".orc", ".json"),
    "TFRecord": (".tfrecord", ".tfrecords"),
    "Archives": (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"),
}
_TITLES = {suffix: title for title, suffixes in RECIPES.items() for suffix in suffixes}
_FEATURES = (".npz", ".csv", ".tsv", ".parquet", ".ts")


def find_recipe(paths: Iterable[PurePath]) -> str:
    """Return a sentence, after a space, on how files of such suffixes are converted; "" where there is no recipe.

    >>> find_recipe([PurePath("a.edf"), PurePath("b.wav")])
    ' Convert .edf first, by the recipe "Biosignals" in docs/guides/other_files.md.'
    """
    suffixes = sorted({suffix for path in paths if (suffix := path.suffix.lower()) in _TITLES})
    if not suffixes:
        return ""
    titles = ", ".join(f'"{title}"' for title in dict.fromkeys(_TITLES[suffix] for suffix in suffixes))
    kinds = "recipe" if titles.count('"') == 2 else "recipes"
    return f" Convert {', '.join(suffixes)} first, by the {kinds} {titles} in {PAGE}."


def what_is_no_recording(path: PurePath) -> str:
    """Return a sentence, after a space, on a file that could not be decoded; "" if it may be a recording."""
    if path.suffix.lower() in _FEATURES:
        return f" Files {path.suffix} hold features, which features.kind 'precomputed' reads."
    return find_recipe([path])
