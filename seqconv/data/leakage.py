"""Leakage: data that two splits share, so that a score would measure how well a model remembers."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seqconv.data.sequences import Sequences
from seqconv.data.windows import WindowedSource
from seqconv.sources import (
    ContentKeys,
    FloatArray,
    IntArray,
    Selection,
    SourceSpan,
    content_keys,
    excerpt_of,
    join_arrays,
)

Place = tuple[int, SourceSpan]
Contents = Mapping[str, ContentKeys | None]

_SHOWN = 5
_KEY_VALUES = 64
# Below the distance of two samples at any rate, above what sums of decimal seconds are off by.
_TOLERANCE = 1e-6


class Leak(NamedTuple):
    """Two sequences of two splits that should be in the same one.

    `kind`: "group": both are of the group `shared`; "content": their features are equal; "overlap": they are parts of
    one recording that overlap, from when to when is in `shared`. `splits` and `ids`: of the one and of the other.
    """

    kind: str
    splits: tuple[str, str]
    ids: tuple[str, str]
    shared: str = ""


def find_leaks(parts: Mapping[str, Sequences], contents: Contents | None = None) -> list[Leak]:
    """Find groups, equal sequences and overlapping regions of one recording that are in two splits.

    Equal are sequences with the same features, which is all that a model sees: copies of a recording under another name
    or in another lossless format, and the same arrays. Only sequences whose length occurs in several splits are read:
    a few frames of each, and all of those where these are equal too; one sequence is in memory at a time. Of windows
    and events the recordings are compared that they are cut from: the same second of silence in two is no leak.

    Args:
        parts: the splits by name, in order.
        contents: `content_keys` of the sequences of a split, where they are at hand.

    Returns:
        For each group in two splits one leak, with its first sequence in each; for each sequence that an earlier split
        has too, or overlaps with, one leak.

    >>> one, other = [[0.0], [1.0]], [[2.0], [3.0]]
    >>> find_leaks({"train": Sequences([one, other], ids=["a", "b"]), "test": Sequences([one], ids=["c"])})
    [Leak(kind='content', splits=('train', 'test'), ids=('a', 'c'), shared='')]
    """
    parts = {split: recordings_of(part) for split, part in parts.items()}
    equal = list(_find_equal(parts, contents or {}))
    known = {(leak.splits, leak.ids[1]) for leak in equal}
    overlaps = [leak for leak in _find_overlaps(parts) if (leak.splits, leak.ids[1]) not in known]
    return [*_find_groups(parts), *equal, *overlaps]


def join_equal(data: Sequences) -> list[str]:
    """Return sets that splits must not separate: sequences with the same name here are equal or of one group.

    >>> join_equal(Sequences([[[0.0]], [[1.0]], [[0.0]]], ids=["a", "b", "c"], groups=["x", "x", "y"]))
    ['x', 'x', 'x']
    """
    from seqconv.data.manifest.units import join_rows

    rows, keys = _equal_rows([data], np.arange(len(data)))
    content = np.full(len(data), None, object)
    content[rows] = keys
    names = np.array(data.ids if data.groups is None else data.groups, object)
    for unit in join_rows(_groups(data), content):
        if len(unit) > 1:
            names[unit] = names[unit[0]]
    return list(names)


def describe_leaks(leaks: Sequence[Leak], parts: Mapping[str, Sequences]) -> list[str]:
    """Write a sentence for each kind of leak and pair of splits: how many there are, and the first few by id.

    >>> parts = {"train": Sequences([[[0.0]], [[1.0]]]), "test": Sequences([[[1.0]]], ids=["c"])}
    >>> describe_leaks(find_leaks(parts), parts)
    ["all 1 sequences of test have the content of sequences of train: 'c' (test) that of '1' (train)"]
    """
    by_place = defaultdict(list)
    for leak in leaks:
        by_place[leak.kind, leak.splits].append(leak)
    sizes = {split: len(recordings_of(part)) for split, part in parts.items()}
    return [_describe(kind, splits, found, sizes[splits[1]]) for (kind, splits), found in by_place.items()]


def recordings_of(data: Sequences) -> Sequences:
    """Return the recordings that windows or events are cut from; other sequences as they are.

    >>> from seqconv.data.segmentation import cut_windows
    >>> tape = Sequences([np.zeros((250, 4))], ids=["tape"])
    >>> recordings_of(cut_windows(tape, 1.0, frame_rate=100)).ids
    ['tape']
    """
    features = data.features
    excerpts = features.source if isinstance(features, Selection) else features
    if not isinstance(excerpts, WindowedSource):
        return data
    selected = features.indices if isinstance(features, Selection) else slice(None)
    owners, first = np.unique(excerpts.recording_index[selected], return_index=True)
    groups = None if data.groups is None else [data.groups[index] for index in first]
    whole = Selection(excerpts.source, owners)
    ids = whole.ids if data.metadata is None else data.metadata["recording"].iloc[first].tolist()
    return Sequences(whole, ids=ids, groups=groups)


def _describe(kind: str, splits: tuple[str, str], leaks: Sequence[Leak], size: int) -> str:
    first, second = splits
    if kind == "group":
        pairs = [f"'{leak.shared}' ('{leak.ids[0]}' in {first}, '{leak.ids[1]}' in {second})" for leak in leaks]
        what = f"{len(leaks)} {'group has' if len(leaks) == 1 else 'groups have'} sequences in {first} and in {second}"
    elif kind == "content":
        pairs = [f"'{leak.ids[1]}' ({second}) that of '{leak.ids[0]}' ({first})" for leak in leaks]
        count = f"all {size}" if len(leaks) == size else f"{len(leaks)} of {size}"
        what = f"{count} sequences of {second} have the content of sequences of {first}"
    else:
        pairs = [f"'{leak.ids[1]}' ({second}) and '{leak.ids[0]}' ({first}), {leak.shared}" for leak in leaks]
        what = f"{len(leaks)} of {size} sequences of {second} overlap with parts of the same recording in {first}"
    more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    return f"{what}: {'; '.join(pairs[:_SHOWN])}{more}"


def _find_groups(parts: Mapping[str, Sequences]) -> Iterator[Leak]:
    members = {split: _first_members(part) for split, part in parts.items()}
    for first, second in combinations(parts, 2):
        for group, name in members[second].items():
            if group in members[first]:
                yield Leak("group", (first, second), (members[first][group], name), group)


def _first_members(part: Sequences) -> dict[str, str]:
    """Return the first sequence of each group."""
    found: dict[str, str] = {}
    for group, name in zip(_groups(part), part.ids, strict=True):
        if group is not None:
            found.setdefault(group, name)
    return found


def _groups(part: Sequences) -> Sequence[str | None]:
    """Return the group of each sequence; a manifest row without a group has its id there, which is no group."""
    if part.groups is None:
        return [None] * len(part)
    if part.metadata is None or "group" not in part.metadata:
        return part.groups
    is_missing = part.metadata["group"].isna().tolist()
    return [None if missing else group for group, missing in zip(part.groups, is_missing, strict=True)]


def _find_equal(parts: Mapping[str, Sequences], contents: Contents) -> Iterator[Leak]:
    splits, sequences = list(parts), list(parts.values())
    part_of, index_of = _places(sequences)
    rows, keys = _equal_rows(sequences, part_of, [contents.get(split) for split in splits])
    firsts: dict[int, dict[int, str]] = defaultdict(dict)
    for row, key in zip(rows.tolist(), keys.tolist(), strict=True):
        split, name = int(part_of[row]), sequences[part_of[row]].ids[index_of[row]]
        for earlier, first in firsts[key].items():
            if earlier < split:
                yield Leak("content", (splits[earlier], splits[split]), (first, name))
        firsts[key].setdefault(split, name)


def _places(sequences: Sequence[Sequences]) -> tuple[IntArray, IntArray]:
    """Return the part of each sequence, and its index in it, for all parts in a row."""
    sizes = [len(part) for part in sequences]
    return np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.arange(size) for size in sizes])


def _equal_rows(
    sequences: Sequence[Sequences], owners: IntArray, contents: Sequence[ContentKeys | None] = (None,)
) -> tuple[IntArray, ContentKeys]:
    """Return which sequences of the parts in a row equal one of another owner, and a key that equal ones share.

    A sieve: by length, then, where nobody has looked at their content, by a few frames, then by all of them.
    """
    part_of, index_of = _places(sequences)
    lengths = np.concatenate([part.lengths for part in sequences])
    rows, keys = np.flatnonzero(_in_several(lengths, owners)), np.zeros(0, np.uint64)
    are_known = all(known is not None for known in contents)
    for takes in (None,) if are_known else (_middle, None):
        of_parts = [index_of[rows[part_of[rows] == number]] for number in range(len(sequences))]
        read = zip(sequences, contents, of_parts, strict=True)
        keys = np.concatenate([_read_keys(part, known, indices, takes) for part, known, indices in read])
        are_shared = _in_several(keys, owners[rows])
        rows, keys = rows[are_shared], keys[are_shared]
    return rows, keys


def _in_several(keys: IntArray | ContentKeys, owners: IntArray) -> npt.NDArray[np.bool_]:
    """Return which keys have more than one owner."""
    order = np.lexsort((owners, keys))
    ordered, owner = keys[order], owners[order]
    return np.isin(keys, ordered[1:][(ordered[1:] == ordered[:-1]) & (owner[1:] != owner[:-1])])


def _read_keys(
    part: Sequences, known: ContentKeys | None, indices: IntArray, takes: Callable[[FloatArray], FloatArray] | None
) -> ContentKeys:
    """Compute keys of the content of some sequences, or of a part of each."""
    if known is not None and takes is None:
        return known[indices]
    arrays = (part[index] for index in indices.tolist())
    blocks = join_arrays(arrays if takes is None else map(takes, arrays))
    return np.concatenate([np.zeros(0, np.uint64), *map(content_keys, blocks)])


def _middle(features: FloatArray) -> FloatArray:
    """Take a few frames from the middle: many recordings begin with the same silence."""
    num_frames, width = features.shape
    taken = -(-_KEY_VALUES // width)
    start = max(0, (num_frames - taken) // 2)
    return features[start : start + taken]


def _find_overlaps(parts: Mapping[str, Sequences]) -> Iterator[Leak]:
    """Yield, for each region of a recording, one that overlaps with it in an earlier split."""
    regions = {split: _by_recording(part) for split, part in parts.items()}
    for first, second in combinations(parts, 2):
        for content in regions[second].keys() & regions[first].keys():
            found = _overlapping(regions[second][content], regions[first][content])
            for (index, excerpt), (other, its_excerpt) in found:
                ids = parts[first].ids[other], parts[second].ids[index]
                yield Leak("overlap", (first, second), ids, f"{_times(excerpt)} and {_times(its_excerpt)}")


def _overlapping(parts: Sequence[Place], others: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    """Yield the regions that overlap with some other region, and one such."""
    others = sorted(others, key=lambda place: place[1].start)
    starts = np.array([excerpt.start for _, excerpt in others])
    ends = np.array([excerpt.end for _, excerpt in others])
    # Of those that start before some moment, the one that ends last.
    latest = np.maximum.accumulate(ends)
    holders = np.maximum.accumulate(np.where(ends == latest, np.arange(len(ends)), 0))
    for place in parts:
        before = int(np.searchsorted(starts, place[1].end - _TOLERANCE))
        if before and latest[before - 1] > place[1].start + _TOLERANCE:
            yield place, others[holders[before - 1]]


def _by_recording(part: Sequences) -> dict[str, list[Place]]:
    """Return the source region of each sequence, where it is known, by the content of its recording."""
    found: dict[str, list[Place]] = defaultdict(list)
    for index in range(len(part)):
        excerpt = excerpt_of(part.features, index)
        if excerpt is not None:
            found[excerpt.content].append((index, excerpt))
    return found


def _times(excerpt: SourceSpan) -> str:
    start, end = excerpt.start, excerpt.end
    return f"{start:g} s to the end" if np.isinf(end) else f"{start:g} to {end:g} s"
