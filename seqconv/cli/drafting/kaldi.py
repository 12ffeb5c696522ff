"""Data directories of Kaldi: `wav.scp` and the tables beside it."""

from pathlib import Path

from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.places import Place
from seqconv.data.manifest.columns import SPLIT_WORDS, SPLITS
from seqconv.errors import ManifestError, list_some

_LISTS = "wav.scp"
_FARTHEST = 3


def find_kaldi(place: Place) -> Find | None:
    """Find data directories of Kaldi: the folder itself, or one for each split in it.

    Raises:
        ManifestError: there are several, and their names do not say which split each is.
    """
    folders = [place.path / path.parent for path in place.files if path.name == _LISTS]
    if not folders:
        return None
    if folders == [place.path]:
        data = {"manifest": f"kaldi:{place.path}"}
        return Find({**data, **_root_of(place.path)}, f"the data directory of Kaldi '{place.path}'")
    parts = {SPLIT_WORDS.get(folder.name.lower(), folder.name): folder for folder in folders}
    if not set(parts) <= set(SPLITS) or len(parts) < len(folders) or "train" not in parts:
        given = "{train: kaldi:FOLDER, test: kaldi:FOLDER}"
        raise ManifestError(
            f"'{place.path}' holds data directories of Kaldi: {list_some(folders, 12)}. Say which are which split: "
            f"{place.set('data.manifest', given)}"
        )
    manifest = {split: f"kaldi:{parts[split]}" for split in SPLITS if split in parts}
    roots = _root_of(parts["train"])
    shown = ", ".join(f"{split}: {parts[split].name}" for split in manifest)
    return Find({"manifest": manifest, **roots}, f"data directories of Kaldi in '{place.path}' ({shown})")


def _root_of(folder: Path) -> dict[str, str]:
    """Return where the relative paths of a data directory start, if not in it: mostly where Kaldi was run."""
    with (folder / _LISTS).open(encoding="utf-8", errors="replace") as file:
        cells = file.readline().split(maxsplit=1)
    path = Path(cells[1].strip()) if len(cells) == 2 else Path()
    if path.is_absolute() or (folder / path).is_file():
        return {}
    above = [folder.absolute().parents[place] for place in range(min(_FARTHEST, len(folder.absolute().parents)))]
    return next(({"root": str(parent)} for parent in above if (parent / path).is_file()), {})
