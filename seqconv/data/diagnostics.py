"""What is odd about the data of a run and need not be wrong: features that never change, classes hardly ever seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from seqconv.data.sequences import Sequences
from seqconv.errors import list_some
from seqconv.features.kinds import Precomputed
from seqconv.tasks.target import Target

Frames = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Survey:
    """What one look at each sequence shows.

    `still_features`: columns that have one value in all frames of all sequences. `still_ids`: sequences of several
    frames that are all equal, digital silence for instance. `misshapen`: id and shape of those that have not the
    number of features, or the length, that their source declares.
    """

    num_frames: int
    still_features: list[int] = field(default_factory=list)
    still_ids: list[str] = field(default_factory=list)
    misshapen: dict[str, tuple[int, ...]] = field(default_factory=dict)


def survey(part: Sequences) -> Survey:
    """Look at each sequence once; of most, one or two frames from the middle are enough.

    >>> survey(Sequences([[[1, 2], [1, 3]], [[1, 4], [1, 4]]]))
    Survey(num_frames=4, still_features=[0], still_ids=['1'], misshapen={})
    """
    width, lengths = part.num_features, part.lengths.tolist()
    found = Survey(sum(lengths))
    still, values = np.arange(width), None
    for index, name in enumerate(part.ids):
        features = part[index]
        if features.shape != (lengths[index], width):
            found.misshapen[name] = features.shape
            continue
        if values is None:
            values = features[0].copy()
        still = _still_columns(features, still, values)
        if len(features) > 1 and _is_still(features):
            found.still_ids.append(name)
    found.still_features.extend(still.tolist() if values is not None else [])
    return found


def describe_survey(split: str, part: Sequences, found: Survey) -> Iterator[str]:
    """What a survey found, as sentences.

    >>> sequences = Sequences([[[1, 2], [1, 3]], [[1, 4], [1, 4]]])
    >>> list(describe_survey("valid", sequences, survey(sequences)))
    ["1 of 2 sequences of valid has one value in each feature, all frames long, as digital silence has: '1'"]
    """
    if found.still_features and split == "train":
        columns = found.still_features
        yield (
            f"{len(columns)} of {part.num_features} features never {'changes' if len(columns) == 1 else 'change'} in "
            f"the {found.num_frames:,} training frames: {_name_columns(columns, part)}"
        )
    if found.still_ids:
        count = len(found.still_ids)
        yield (
            f"{count} of {len(part)} sequences of {split} {'has' if count == 1 else 'have'} one value in each feature, "
            f"all frames long, as digital silence has: {list_some(found.still_ids)}"
        )


def describe_classes(parts: Mapping[str, Sequences], target: Target) -> Iterator[str]:
    """Classes that one training sequence has alone, and splits without some class, as sentences.

    >>> train, valid = (Sequences([[[0.0]]] * len(labels), list(labels)) for labels in ("aab", "a"))
    >>> list(describe_classes({"train": train, "valid": valid}, Target("classification", ("a", "b"))))
    ["1 of 2 classes has a single training sequence: 'b' (of '2')", "valid has no sequence of 1 of 2 classes: 'b'"]
    """
    for split, part in parts.items():
        members = class_members(part, target)
        if members is None:
            return
        counts = members.sum(axis=0)
        single = np.flatnonzero(counts == 1)
        if split == "train" and len(single):
            owners = [part.ids[members[:, column].argmax()] for column in single]
            pairs = [f"'{target.names[column]}' (of '{name}')" for column, name in zip(single, owners, strict=True)]
            has = "has" if len(single) == 1 else "have"
            yield f"{len(single)} of {target.num_outputs} classes {has} a single training sequence: {_some(pairs)}"
        absent = np.flatnonzero(counts == 0)
        if len(absent):
            what = "frame" if target.kind == "frame" else "sequence"
            names = list_some(target.names[column] for column in absent)
            yield f"{split} has no {what} of {len(absent)} of {target.num_outputs} classes: {names}"


def class_members(part: Sequences, target: Target) -> npt.NDArray[np.bool_] | None:
    """Find which classes each sequence has, in some frame where frames are labeled: `(n, C)`; None without classes."""
    if target.kind == "frame" and target.definition.class_names(target.names):
        labels = target.frame_labels(part.labels, ids=part.ids)
        return np.array([labels.take([index]).present() for index in range(len(part))])
    rows = target.definition.class_rows(target.encode(part.labels, ids=part.ids)) if target.kind != "frame" else None
    return None if rows is None else np.asarray(rows > 0)


def _still_columns(features: Frames, columns: npt.NDArray[np.int64], values: Frames) -> npt.NDArray[np.int64]:
    """Those of the columns that have these values in all frames."""
    if len(columns):
        columns = columns[features[len(features) // 2, columns] == values[columns]]
    if len(columns):
        columns = columns[(features[:, columns] == values[columns]).all(axis=0)]
    return columns


def _is_still(features: Frames) -> bool:
    middle = len(features) // 2
    if not np.array_equal(features[middle - 1], features[middle]):
        return False
    return bool((features == features[0]).all())


def _name_columns(columns: list[int], part: Sequences) -> str:
    settings = part.feature_settings
    names = (settings.columns or ()) if isinstance(settings, Precomputed) else ()
    if len(names) == part.num_features:
        return list_some(names[column] for column in columns)
    return f"{_some(columns)} (counted from 0)"


def _some(items: Sequence[object], limit: int = 5) -> str:
    """As `list_some`, without quotes."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return f"{', '.join(map(str, items[:limit]))}{more}"
