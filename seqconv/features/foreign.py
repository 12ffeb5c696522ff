"""Files of other kinds that people bring: what reads them as they are, or where the documentation converts them."""

import re
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
# Manifests of other programs, by the scheme that reads them: how they are named.
MANIFESTS = {
    "kaldi": re.compile(r"wav\.scp"),
    "lhotse": re.compile(r".*(cuts|supervisions|recordings).*\.jsonl(\.gz)?"),
    "webdataset": re.compile(r".*\.tar", re.IGNORECASE),
}
_KINDS = {"kaldi": "Data directories of Kaldi", "lhotse": "Manifests of lhotse", "webdataset": "Archives of samples"}
_TITLES = {suffix: title for title, suffixes in RECIPES.items() for suffix in suffixes}
_FEATURES = (".npz", ".csv", ".tsv", ".parquet", ".ts")


def find_scheme(path: PurePath) -> str:
    """Return the manifest, with its scheme, that a file named so most likely is or is a part of; else "".

    >>> find_scheme(PurePath("train/wav.scp")), find_scheme(PurePath("a.csv"))
    ('kaldi:train', '')
    """
    scheme = next((scheme for scheme, pattern in MANIFESTS.items() if pattern.fullmatch(path.name)), "")
    return f"{scheme}:{path.parent if scheme == 'kaldi' else path}" if scheme else ""


def find_schemes(paths: Iterable[PurePath], folder: str = "") -> str:
    """Return a sentence, after a space, on each kind of manifests among the files that a scheme reads; else "".

    Args:
        paths: files.
        folder: where their paths start; "": here.

    >>> find_schemes([PurePath("a/cuts.jsonl.gz"), PurePath("b.tar"), PurePath("c.tar")], "x")
    ' Manifests of lhotse are read as lhotse:x/a/cuts.jsonl.gz. Archives of samples are read as webdataset:x/*.tar.'
    """
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        scheme, _, place = find_scheme(path).partition(":")
        found.setdefault(scheme, []).append(place)
    said = ""
    for scheme, places in found.items():
        if scheme:
            several = scheme == "webdataset" and len(places) > 1
            place = str(PurePath(places[0]).with_name("*.tar")) if several else places[0]
            said += f" {_KINDS[scheme]} are read as {scheme}:{folder.rstrip('/')}{'/' if folder else ''}{place}."
    return said


def find_recipe(paths: Iterable[PurePath], folder: str = "") -> str:
    """Return a sentence, after a space, on how files of such names are read or converted; "" where nothing is known.

    The arguments are those of `find_schemes`.

    >>> find_recipe([PurePath("a.edf"), PurePath("b.wav")])
    ' Convert .edf first, by the recipe "Biosignals" in docs/guides/other_files.md.'
    """
    paths = list(paths)
    schemes = find_schemes(paths, folder)
    suffixes = sorted({suffix for path in paths if (suffix := path.suffix.lower()) in _TITLES})
    if not suffixes:
        return schemes
    titles = ", ".join(f'"{title}"' for title in dict.fromkeys(_TITLES[suffix] for suffix in suffixes))
    kinds = "recipe" if titles.count('"') == 2 else "recipes"
    convert = "Else convert" if schemes else "Convert"
    return f"{schemes} {convert} {', '.join(suffixes)} first, by the {kinds} {titles} in {PAGE}."


def what_is_no_recording(path: PurePath) -> str:
    """Return a sentence, after a space, on a file that could not be decoded; "" if it may be a recording."""
    if path.suffix.lower() in _FEATURES:
        return f" Files {path.suffix} hold features, which features.kind 'precomputed' reads."
    return find_recipe([path])
