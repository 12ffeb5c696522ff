"""Leaks: what lies in two splits is always found, and nothing else is."""

import shutil
from collections import defaultdict
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.prompt_files import DATA, FEATURES, planted, write_prompts
from support.training_data import classified

from seqconv.data.diagnostics import survey
from seqconv.data.leakage import Leak, describe_leaks, find_leaks
from seqconv.data.sequences import Sequences
from seqconv.sources import SourceSpan

SPLITS = ("train", "valid", "test")


@st.composite
def small_splits(draw):
    """Three splits of short sequences of few values, so that many are equal; with groups or without."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = np.array(draw(st.sampled_from([[0.0, 1.0], [0.0, -0.0, 1.0, 2.0]])), np.float32)
    width, longest, number = draw(st.integers(1, 2)), draw(st.integers(1, 6)), 0
    parts = {}
    for split in SPLITS[: draw(st.integers(2, 3))]:
        count = int(rng.integers(1, 12))
        arrays = [rng.choice(values, (rng.integers(1, longest + 1), width)) for _ in range(count)]
        groups = [f"g{rng.integers(20)}" for _ in range(count)] if draw(st.booleans()) else None
        parts[split] = Sequences(arrays, ids=[f"s{number + index}" for index in range(count)], groups=groups)
        number += count
    return parts


@settings(max_examples=150, deadline=None)
@given(small_splits())
def test_exactly_what_lies_in_two_splits_is_found(parts):
    equal, groups = set(), set()
    for first, second in combinations(parts, 2):
        one, other = parts[first], parts[second]
        for index in range(len(other)):
            if any(np.array_equal(one[k], other[index]) for k in range(len(one))):
                equal.add(((first, second), other.ids[index]))
        groups |= {((first, second), group) for group in set(one.groups or ()) & set(other.groups or ())}
    leaks = find_leaks(parts)
    looked_at = {split: survey(part).contents for split, part in parts.items()}
    assert find_leaks(parts, looked_at) == leaks
    assert find_leaks(parts, {"train": looked_at["train"]}) == leaks
    assert sorted((leak.splits, leak.ids[1]) for leak in leaks if leak.kind == "content") == sorted(equal)
    assert sorted((leak.splits, leak.shared) for leak in leaks if leak.kind == "group") == sorted(groups)
    for leak in leaks:
        pair = [parts[split] for split in leak.splits]
        places = [part.ids.index(name) for part, name in zip(pair, leak.ids, strict=True)]
        if leak.kind == "content":
            np.testing.assert_array_equal(*(part[place] for part, place in zip(pair, places, strict=True)))
        else:
            assert [part.groups[place] for part, place in zip(pair, places, strict=True)] == [leak.shared] * 2


class WindowedSource:
    """A source whose sequences, all different, are parts of recordings."""

    def __init__(self, places, first):
        self.places = places
        self.ids = [f"s{first + index}" for index in range(len(places))]
        self.lengths = np.full(len(places), 3)
        self.first = first

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        return np.full((3, 1), self.first + index, np.float32)

    def excerpt(self, index):
        return SourceSpan(*self.places[index])


PLACE = st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.sampled_from([1, 2, 7, np.inf]))


@settings(max_examples=200, deadline=None)
@given(st.tuples(*(st.lists(PLACE, min_size=1, max_size=12) for _ in SPLITS)))
def test_exactly_the_overlapping_parts_are_found(places):
    # Tenths that were summed up: 0.1 + 0.2 ends behind where 0.3 begins, and only touches it.
    places = [[(name, start * 0.1, start * 0.1 + size * 0.1) for name, start, size in part] for part in places]
    starts = np.cumsum([0, *map(len, places)])
    parts = {
        split: Sequences(WindowedSource(part, first))
        for split, part, first in zip(SPLITS, places, starts, strict=False)
    }
    expected = {
        ((one, other), f"s{starts[SPLITS.index(other)] + index}")
        for one, other in combinations(SPLITS, 2)
        for index, (name, start, end) in enumerate(places[SPLITS.index(other)])
        for its_name, its_start, its_end in places[SPLITS.index(one)]
        if name == its_name and min(end, its_end) - max(start, its_start) > 0.05
    }
    leaks = find_leaks(parts)
    assert {leak.kind for leak in leaks} <= {"overlap"}
    assert sorted((leak.splits, leak.ids[1]) for leak in leaks) == sorted(expected)


@pytest.mark.parametrize("seed", range(5))
def test_one_changed_value_anywhere_is_other_content(seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(length, 2)).astype("float32") for length in rng.integers(1, 300, 20)]
    changed = [array.copy() for array in arrays]
    for array in changed:
        array[rng.integers(len(array)), rng.integers(2)] += 1
    assert find_leaks({"train": Sequences(arrays), "test": Sequences(changed)}) == []
    planted = int(rng.integers(20))
    changed[3] = arrays[planted].copy()
    found = find_leaks({"train": Sequences(arrays), "test": Sequences(changed)})
    assert found == [Leak("content", ("train", "test"), (str(planted), "3"))]


def test_long_sequences_are_compared_to_their_end(rng):
    sound = rng.normal(size=(200_000, 1)).astype("float32")
    other = sound.copy()
    other[-1] += 1
    train, test = Sequences([sound]), Sequences([other, sound])
    assert [leak.ids for leak in find_leaks({"train": train, "test": test})] == [("0", "1")]


def test_only_sequences_of_a_length_in_two_splits_are_read(rng):
    read = []

    class Watched(Sequences):
        def __getitem__(self, index):
            read.append(self.ids[index])
            return super().__getitem__(index)

    train = Watched([rng.normal(size=(length, 2)) for length in (5, 6, 7)], ids=["a", "b", "c"])
    test = Watched([rng.normal(size=(length, 2)) for length in (8, 7, 9)], ids=["d", "e", "f"])
    assert find_leaks({"train": train, "test": test}) == []
    assert sorted(read) == ["c", "e"]


def test_a_row_without_group_is_in_no_group(tmp_path):
    for name in ("a", "b", "c"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(ord(name)).normal(size=(4, 2)))
    # The id of the row without a group is the name of a group.
    table = {
        "id": ["g", "b", "c"],
        "path": [str(tmp_path / f"{name}.npy") for name in "abc"],
        "group": [None, "g", "h"],
    }
    data = Sequences.from_manifest(
        pd.DataFrame({**table, "split": ["train", "test", "test"]}), {"kind": "precomputed"}, label=None, num_workers=0
    )
    assert find_leaks({split: data.where("split", split) for split in ("train", "test")}) == []


def test_japanese_vowels_do_not_leak_and_one_that_is_planted_is_found():
    folder = DATA / "japanese_vowels"
    train, test = (Sequences.from_ts(folder / f"JapaneseVowels_{name}.ts") for name in ("TRAIN", "TEST"))
    assert find_leaks({"train": train, "test": test}) == []
    for index in np.random.default_rng(0).integers(len(train), size=5):
        more = Sequences([*test, train[index]])
        found = find_leaks({"train": train, "test": more})
        assert found == [Leak("content", ("train", "test"), (str(index), str(len(test))))]


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    return write_prompts(tmp_path_factory.mktemp("prompts"))


def leaks_of(frame, tmp_path):
    data = Sequences.from_manifest(frame, FEATURES, num_workers=0, cache_dir=tmp_path / "cache", on_leak="warn")
    return find_leaks({split: data.where("split", split) for split in SPLITS})


def test_prompts_do_not_leak(prompts, tmp_path):
    assert leaks_of(prompts, tmp_path) == []


@pytest.mark.parametrize("name", ["copy.wav", "copy.flac", "copy.aiff", "24 bits.wav", "float.wav"])
def test_a_lossless_copy_in_another_split_is_found(prompts, tmp_path, name):
    samples, rate = soundfile.read(prompts["path"][3], dtype="int16")
    if name == "copy.wav":
        shutil.copy(prompts["path"][3], tmp_path / name)
    elif name == "float.wav":
        soundfile.write(tmp_path / name, samples / 32768, rate, subtype="FLOAT")
    else:
        soundfile.write(tmp_path / name, samples, rate, subtype="PCM_24" if name == "24 bits.wav" else "PCM_16")
    frame = planted(prompts, {"id": "copied", "path": str(tmp_path / name), "label": "en", "split": "test"})
    assert leaks_of(frame, tmp_path) == [Leak("content", ("train", "test"), ("en03", "copied"))]


@pytest.mark.parametrize(("start", "is_leak"), [(0.25, True), (0.499, True), (0.5, False), (0.7, False)])
def test_parts_leak_where_they_overlap_also_those_of_copies(prompts, tmp_path, start, is_leak):
    shutil.copy(prompts["path"][0], tmp_path / "copy.wav")
    copied = {"id": "late", "path": str(tmp_path / "copy.wav"), "label": "en", "split": "test", "start": start}
    frame = planted(prompts.iloc[1:], {**prompts.iloc[0].to_dict(), "id": "early", "start": 0.1, "end": 0.5}, copied)
    times = f"{start:g} s to the end and 0.1 to 0.5 s"
    expected = [Leak("overlap", ("train", "test"), ("early", "late"), times)] if is_leak else []
    assert leaks_of(frame, tmp_path) == expected


def test_all_leaks_are_counted_and_some_are_named():
    data, valid = classified(20, groups=list("ab" * 10)), classified(10, seed=1, groups=["a"] * 10)
    parts = {"train": data, "valid": valid, "test": data.subset(range(6, 16))}
    told = describe_leaks(find_leaks(parts), parts)
    assert [line.split(":")[0] for line in told] == [
        "1 group has sequences in train and in valid",
        "2 groups have sequences in train and in test",
        "1 group has sequences in valid and in test",
        "all 10 sequences of test have the content of sequences of train",
    ]
    assert told[-1].endswith("'10' (test) that of '10' (train) and 5 more")
    counts = defaultdict(int)
    for leak in find_leaks(parts):
        counts[leak.kind] += 1
    assert counts == {"group": 4, "content": 10}
