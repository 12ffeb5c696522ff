"""Leaks: what lies in two splits is always found, nothing else is, and training stops before its first step."""

import re
import shutil
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from training_data import classified, framed, quick

from seqconv.audio import decode_audio
from seqconv.commands.main import main
from seqconv.config import load_config
from seqconv.errors import ManifestError
from seqconv.leakage import Leak, describe_leaks, find_leaks
from seqconv.manifest import load_manifest
from seqconv.sequences import Sequences
from seqconv.sources import Excerpt
from seqconv.training import train
from seqconv.training.datasets import load_datasets

DATA = Path(__file__).parents[1] / "data"
RATE = 8000
FEATURES = {"kind": "log_mel", "sample_rate": RATE, "n_fft": 256, "hop_length": 80, "n_mels": 16}
SPLITS = ("train", "valid", "test")


# What is found.


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
    assert sorted((leak.splits, leak.ids[1]) for leak in leaks if leak.kind == "content") == sorted(equal)
    assert sorted((leak.splits, leak.shared) for leak in leaks if leak.kind == "group") == sorted(groups)
    for leak in leaks:
        pair = [parts[split] for split in leak.splits]
        places = [part.ids.index(name) for part, name in zip(pair, leak.ids, strict=True)]
        if leak.kind == "content":
            np.testing.assert_array_equal(*(part[place] for part, place in zip(pair, places, strict=True)))
        else:
            assert [part.groups[place] for part, place in zip(pair, places, strict=True)] == [leak.shared] * 2


class Excerpts:
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
        return Excerpt(*self.places[index])


PLACE = st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.sampled_from([1, 2, 7, np.inf]))


@settings(max_examples=200, deadline=None)
@given(st.tuples(*(st.lists(PLACE, min_size=1, max_size=12) for _ in SPLITS)))
def test_exactly_the_overlapping_parts_are_found(places):
    # Tenths that were summed up: 0.1 + 0.2 ends behind where 0.3 begins, and only touches it.
    places = [[(name, start * 0.1, start * 0.1 + size * 0.1) for name, start, size in part] for part in places]
    starts = np.cumsum([0, *map(len, places)])
    parts = {
        split: Sequences(Excerpts(part, first)) for split, part, first in zip(SPLITS, places, starts, strict=False)
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
    for planted in np.random.default_rng(0).integers(len(train), size=5):
        more = Sequences([*(test[index] for index in range(len(test))), train[planted]])
        found = find_leaks({"train": train, "test": more})
        assert found == [Leak("content", ("train", "test"), (str(planted), str(len(test))))]


# Recordings.


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    """Forty telephone prompts as WAV files with a table of two languages in three splits."""
    folder = tmp_path_factory.mktemp("prompts")
    frame = load_manifest(DATA / "prompts" / "manifest.csv")
    frame["seconds"] = frame["seconds"].astype(float)
    rows = []
    for label in ("en", "fr"):
        chosen = frame[(frame["label"] == label) & frame["seconds"].between(1.0, 1.6)].iloc[:20]
        for index, path in enumerate(chosen["path"]):
            samples, _ = decode_audio(path, sample_rate=RATE)
            name = f"{label}{index:02d}"
            soundfile.write(folder / f"{name}.wav", samples, RATE, subtype="PCM_16")
            split = "train" if index < 12 else "valid" if index < 16 else "test"
            rows.append({"id": name, "path": str(folder / f"{name}.wav"), "label": label, "split": split})
    return pd.DataFrame(rows)


def planted(prompts, *rows):
    return pd.concat([prompts, pd.DataFrame(rows)], ignore_index=True)


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


def config_for(prompts, folder, **data):
    prompts.to_csv(folder / "manifest.csv", index=False)
    place = {"manifest": str(folder / "manifest.csv"), "cache_dir": str(folder / "cache"), "num_workers": 0}
    return {**quick(training={"epochs": 1}), "data": {**place, **data}, "features": FEATURES}


def test_the_command_stops_before_training_and_leaves_no_run(prompts, tmp_path, capsys):
    shutil.copy(prompts["path"][3], tmp_path / "copy.wav")
    frame = planted(prompts, {"id": "copied", "path": str(tmp_path / "copy.wav"), "label": "en", "split": "valid"})
    (tmp_path / "run.yaml").write_text(load_config(config_for(frame, tmp_path)).to_yaml())
    command = ["train", "--config", str(tmp_path / "run.yaml"), "--run-dir", str(tmp_path / "run")]
    assert main(command) == 2
    printed = capsys.readouterr()
    assert (
        "1 of 9 sequences of valid have the content of sequences of train: 'copied' (valid) that of 'en03' (train)"
        in (printed.err)
    )
    assert "or set data.on_leak to 'warn'" in printed.err
    assert "epoch" not in printed.out
    assert not (tmp_path / "run").exists()
    assert main([*command, "--set", "data.on_leak=warn"]) == 0
    printed = capsys.readouterr()
    assert "note     leak: 1 of 9 sequences of valid have the content" in printed.out
    assert "epoch 1/1" in printed.out


@pytest.mark.parametrize("kind", ["group", "file"])
def test_groups_and_files_in_two_splits_stop_or_are_told(prompts, tmp_path, capsys, kind):
    if kind == "group":
        groups = ["same" if index in (3, 39) else f"g{index}" for index in range(len(prompts))]
        frame, told = (
            prompts.assign(group=groups),
            r"1 groups are in more than one split: 'same'; 2 ids: 'en03', 'fr19'",
        )
    else:
        frame = planted(prompts, {**prompts.iloc[3].to_dict(), "id": "again", "split": "test", "start": 0.2})
        told = r"1 files are in more than one split: '.*en03\.wav'; 2 ids: 'en03', 'again'"
    with pytest.raises(ManifestError, match=f"{told}.*data.on_leak 'warn' trains all the same"):
        train(config_for(frame, tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run = train(config_for(frame, tmp_path, on_leak="warn"), tmp_path / "run")
    printed = capsys.readouterr().out
    assert printed.count("more than one split") == 1
    assert ("overlap with parts of the same recording in train: 'again' (test) and 'en03'" in printed) == (
        kind == "file"
    )
    # The command that training prints for evaluation reads the same manifest.
    assert main(["evaluate", "--model", str(run.path / "model.keras"), "--split", "test"]) == 0


# Splits that are cut here.


@pytest.mark.parametrize("seed", range(5))
def test_what_is_set_aside_is_not_also_learned_from(seed):
    rng = np.random.default_rng(seed)
    data = classified(60)
    chosen = [*range(60), *rng.integers(60, size=30)]
    groups = [f"g{rng.integers(40)}" for _ in chosen] if seed % 2 else None
    doubled = Sequences([data[i] for i in chosen], [data.labels[i] for i in chosen], groups=groups)
    config = load_config({**quick(), "seed": seed, "features": {"kind": "precomputed"}})
    datasets = load_datasets(config, doubled)
    assert len(datasets.train) + len(datasets.valid) == 90
    assert len(datasets.valid) >= 4
    assert find_leaks(datasets.parts()) == []


def test_nothing_but_equal_sequences_is_refused_as_a_leak(tmp_path):
    arrays = [np.arange(6).reshape(3, 2)] * 12
    with pytest.raises(ManifestError, match=r"all 2 sequences of valid have the content of sequences of train"):
        train(quick(), tmp_path / "run", train_data=Sequences(arrays, list("ab" * 6)))
    for index, array in enumerate(arrays):
        np.save(tmp_path / f"{index}.npy", array)
    table = pd.DataFrame({"path": [f"{index}.npy" for index in range(12)], "label": list("ab" * 6)})
    config = {**config_for(table, tmp_path), "features": {"kind": "precomputed"}}
    with pytest.raises(ManifestError, match=r"all \d sequences of valid have the content of sequences of train"):
        train(config, tmp_path / "run")


def test_without_equal_sequences_the_cut_is_that_of_sequences():
    data, config = classified(60), load_config({**quick(), "seed": 3, "features": {"kind": "precomputed"}})
    assert load_datasets(config, data).valid.ids == data.split(test=0.15, seed=3)[1].ids
    grouped = classified(60, groups=[f"g{index // 3}" for index in range(60)])
    assert load_datasets(config, grouped).valid.ids == grouped.split(test=0.15, seed=3)[1].ids


@pytest.mark.parametrize("seed", range(3))
def test_equal_recordings_are_cut_into_one_split(prompts, tmp_path, seed):
    rng = np.random.default_rng(seed)
    copies = []
    for index in rng.choice(len(prompts), size=12, replace=False):
        path = tmp_path / f"copy {index}.flac"
        samples, rate = soundfile.read(prompts["path"][index], dtype="int16")
        soundfile.write(path, samples, rate)
        copies.append({"id": f"copy {index}", "path": str(path), "label": prompts["label"][index]})
    frame = planted(prompts, *copies).drop(columns="split")
    frame["group"] = [f"g{rng.integers(25)}" for _ in range(len(frame))]
    config = load_config({**config_for(frame, tmp_path), "seed": seed})
    data = load_datasets(config)
    assert len(data.splits) == 52
    assert find_leaks(data.parts()) == []
    for part in data.parts().values():
        assert set(part.metadata["split"]) == {data.splits.set_index("id")["split"][part.ids[0]]}
    counts = ", ".join(f"{split} {len(part)}" for split, part in data.parts().items())
    equal, made = data.notes
    assert equal.startswith("equal to others, and cut as one group with them: '")
    assert re.fullmatch(rf"no splits: made .*, by group \(\d+ groups\), .*; now {counts}", made)
    assert set(data.train.metadata["group"]) <= set(frame["group"])


def test_copies_in_splits_that_were_given_stay_there(prompts, tmp_path):
    shutil.copy(prompts["path"][3], tmp_path / "copy.wav")
    frame = planted(prompts, {"id": "copied", "path": str(tmp_path / "copy.wav"), "label": "en", "split": "test"})
    frame = frame.assign(split=frame["split"].replace("valid", "train"))
    with pytest.raises(
        ManifestError, match=r"1 of 9 sequences of test .*: 'copied' \(test\) that of 'en03' \((train|valid)\)"
    ):
        train(config_for(frame, tmp_path), tmp_path / "run")


# Arrays in memory.


def refusal(**parts):
    with pytest.raises(ManifestError, match=r"or set data\.on_leak to 'warn' to train all the same") as caught:
        train(quick(), **parts)
    return str(caught.value)


def test_the_same_sequences_for_training_and_validation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = classified(20)
    message = refusal(train_data=data, valid_data=data)
    assert message.startswith(
        "all 20 sequences of valid have the content of sequences of train: '0' (valid) that of '0'"
    )
    assert "and 15 more. Pass other sequences as valid_data, or none: a part of train_data is then set aside" in message
    assert list(tmp_path.iterdir()) == []
    train(quick(data={"on_leak": "warn"}), train_data=data, valid_data=data)
    assert "note     leak: all 20 sequences of valid have the content of sequences of train" in capsys.readouterr().out


def test_valid_and_test_must_differ_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = classified(20, seed=1)
    message = refusal(train_data=classified(), valid_data=other, test_data=other)
    assert message.startswith("all 20 sequences of test have the content of sequences of valid")
    assert "Pass other sequences as test_data, or none, or set" in message


def test_groups_of_arrays_in_two_splits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = {
        "train_data": classified(groups=[f"g{index // 4}" for index in range(40)]),
        "valid_data": classified(20, seed=1, groups=[f"g{index // 4 + 9}" for index in range(20)]),
    }
    message = refusal(**parts)
    assert message.startswith(
        "1 group has sequences in train and in valid: 'g9' ('36' in train, '0' in valid). Leave one"
    )


def test_frames_with_labels_leak_as_well(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = framed(12)
    with pytest.raises(ManifestError, match="all 3 sequences of valid have the content"):
        train(
            quick(model={"blocks": [{"filters": 4, "kernel_size": 3}], "pooling": "frames"}),
            train_data=data,
            valid_data=data.subset([1, 2, 3]),
        )


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
