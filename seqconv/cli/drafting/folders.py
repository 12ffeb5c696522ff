"""Folders without a table: sub-folders for classes or splits, lists of splits, noise, names with labels."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from seqconv.cli.drafting.finds import Find
from seqconv.cli.drafting.names import find_labels
from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.questions import Reading, choose
from seqconv.data.manifest.columns import SPLIT_WORDS, SPLITS, split_words
from seqconv.errors import ManifestError, list_some
from seqconv.features.cases import find_form

_NOISE = r"(back[ _-]?ground)?[ _-]?(noises?|silence)"
_CLASSES = "^(?P<label>[^/]+)/"


def find_splits(place: Place) -> Find | None:
    """Find sub-folders named like splits, or files of sequences, NAME_TRAIN.ts and NAME_TEST.ts.

    Raises:
        ManifestError: two of them are the same split, so that one would be left out.
    """
    folders = sorted({path.parts[0] for path in place.recordings if len(path.parts) > 1})
    series = [path for path in place.files if len(path.parts) == 1 and find_form(place.path / path) is not None]
    if folders and {name.lower() for name in folders} <= set(SPLIT_WORDS):
        named = [(name.lower(), name) for name in folders]
    else:
        named = [(path.stem.rsplit("_", 1)[-1].lower(), path.name) for path in series]
    found: dict[str, str] = {}
    for split in SPLITS:
        same = [name for word, name in named if SPLIT_WORDS.get(word) == split]
        if len(same) > 1:
            raise ManifestError(
                f"'{place.path}': {list_some(same)} are all {split}, and a config names one of each split. Join them, "
                "give a table of the recordings, or move one away"
            )
        if same:
            found[split] = str(place.path / same[0])
    if "train" not in found:
        return None
    shown = ", ".join(f"{split}: {Path(path).name}" for split, path in found.items())
    find = Find({"manifest": found}, f"a part for each split in '{place.path}' ({shown})")
    inner = [PurePosixPath(*path.parts[1:]) for path in place.recordings if len(path.parts) > 1]
    return _with_labels(find, place, inner) if inner else find


def find_lists(place: Place) -> Find | None:
    """Find text files that list the recordings of a split, and sounds of no class, beside a sub-folder for each."""
    paths = set(place.files)
    lists: dict[str, str] = {}
    for path in (path for path in place.files if path.suffix == ".txt" and len(path.parts) == 1):
        words = split_words(path.stem)
        lines = (place.path / path).read_text(encoding="utf-8", errors="replace").split()
        if words and lines and all(PurePosixPath(line) in paths for line in lines):
            lists[words[0]] = str(place.path / path)
    sounds = [path for path in place.recordings if len(path.parts) == 2]
    aside = sorted({path.parts[0] for path in sounds if path.parts[0].startswith("_")})
    if not lists and not aside:
        return None
    data: dict[str, Any] = {"manifest": str(place.path)}
    said = []
    if aside:
        data["ignore"] = [f"{name}/*" for name in aside]
        said.append(f"LOOK AT THIS: {list_some(aside)} is taken for sounds of no class, and left out")
    if lists:
        data["split_lists"] = lists
    speaker = _speaker([path for path in sounds if path.parts[0] not in aside])
    if speaker:
        data["label_from"] = f"{_CLASSES}{speaker}"
        said.append(
            "LOOK AT THIS: the beginnings of the names of files occur in several classes, and are taken for who or "
            "what was recorded: each stays in one split"
        )
    found = f"a sub-folder of '{place.path}' for each class"
    return Find(data, f"{found}, with lists of splits" if lists else found, said=tuple(said))


def find_classes(place: Place) -> Find:
    """Take a sub-folder for each class, or find labels in the names of folders and files."""
    find = Find({"manifest": str(place.path)}, f"a sub-folder of '{place.path}' for each class")
    refuse_half_splits(place, place.path, _top(place))
    noise = [name for name in _top(place) if re.fullmatch(_NOISE, name, re.IGNORECASE)]
    others = [path for path in place.recordings if path.parts[0] not in noise]
    if noise and others and not place.knows("ignore", "label_from"):
        ignored = [f"{name}/*" for name in noise]
        left_out = choose(
            f"'{place.path}': the sub-folder {list_some(noise)} may be a class, or sounds of no class.",
            [
                Reading("a class like the others", place.set("data.label_from", _CLASSES), False),
                Reading("sounds of no class: left out", place.set("data.ignore", f"[{', '.join(ignored)}]"), True),
            ],
        )
        if not left_out:
            return find
        find = Find({**find.data, "ignore": ignored}, find.found)
    return _with_labels(find, place, others)


def refuse_half_splits(place: Place, folder: Path, names: Sequence[str]) -> None:
    """Refuse sub-folders of a folder of which some are named like splits, and others are not.

    Raises:
        ManifestError: names both.
    """
    named = {SPLIT_WORDS[name.lower()]: name for name in names if name.lower() in SPLIT_WORDS}
    splits = {split: named[split] for split in SPLITS if split in named}
    others = [name for name in names if name.lower() not in SPLIT_WORDS]
    if len(splits) > 1 and others and not place.knows("manifest", "ignore", "label_from"):
        mapping = ", ".join(f"{split}: {folder / name}" for split, name in splits.items())
        raise ManifestError(
            f"'{folder}': its sub-folders {list_some(splits.values())} are named like splits, and "
            f"{list_some(others)} like none. Leave these out: {place.set('data.manifest', f'{{{mapping}}}')}"
        )


def _with_labels(find: Find, place: Place, paths: Sequence[PurePosixPath]) -> Find:
    """Add the pattern of labels in the paths, if it is not plain that folders are the classes."""
    if place.knows("label_from"):
        return find
    labels = find_labels(place, paths)
    if labels is None:
        return find
    names = find.found if isinstance(find.data["manifest"], dict) else f"the recordings in '{place.path}'"
    data = {**find.data, "label_from": labels.pattern}
    return Find(data, names, folds=labels.folds, said=(*find.said, *labels.said))


def _top(place: Place) -> list[str]:
    return sorted({path.parts[0] for path in place.recordings if len(path.parts) > 1})


def _speaker(paths: Sequence[PurePosixPath]) -> str | None:
    """Return a pattern of the first part of the names, where the same part occurs in several classes."""
    parts = [(path.parts[0], re.split(r"([_-])", path.stem, maxsplit=1)) for path in paths]
    if not parts or any(len(words) < 3 for _, words in parts) or len({words[1] for _, words in parts}) > 1:
        return None
    classes: dict[str, set[str]] = defaultdict(set)
    for label, words in parts:
        classes[words[0]].add(label)
    several = sum(len(labels) > 1 for labels in classes.values())
    return f"(?P<group>[^/{parts[0][1][1]}]+){parts[0][1][1]}" if several > len(classes) / 2 else None
