"""What happens before the first step: the data are looked at once, their labels are encoded once."""

from collections import Counter

import numpy as np
import pytest
from support.training_data import classified, framed, quick

from seqconv import sources
from seqconv.config import load_config
from seqconv.data.datasets import Datasets, load_datasets
from seqconv.data.sequences import Sequences
from seqconv.sources import ArraySource
from seqconv.tasks.target import Target
from seqconv.training.output.report import make_console, print_start
from seqconv.training.run.identity import RunIdentity
from seqconv.training.run.setup import prepare

FRAMES = {"blocks": [{"filters": 4, "kernel_size": 3}], "pooling": "frames"}


def started(*parts, **sections):
    """All that is done before the first step."""
    config = load_config(quick(features={"kind": "precomputed"}, **sections))
    setup = prepare(config, load_datasets(config.data_spec, *parts))
    print_start(setup, "CPU:0", make_console())
    return setup, RunIdentity.of(setup.config, setup.data)


@pytest.mark.parametrize("method", ["encode", "frame_labels"])
@pytest.mark.parametrize("is_set_aside", [False, True])
def test_labels_of_each_split_are_encoded_once(monkeypatch, method, is_set_aside):
    calls = Counter()
    original = getattr(Target, method)

    def spy(self, raw_labels, **options):
        calls[len(raw_labels)] += len(raw_labels) > 0
        return original(self, raw_labels, **options)

    make, sections = (classified, {}) if method == "encode" else (framed, {"model": FRAMES})
    monkeypatch.setattr(Target, method, spy)
    test = make(21, seed=2)
    setup, _ = started(make(40), None if is_set_aside else make(20, seed=1), test, **sections)
    expected = Counter(len(part) for part in setup.data.parts().values())
    if method == "encode":
        assert calls == expected
    else:
        # Labels of frames that were encoded come back as they are.
        assert set(calls) == set(expected)


@pytest.mark.parametrize("sections", [{}, {"training": {"sampling": "balanced"}}])
def test_sequences_in_memory_are_read_once(monkeypatch, sections):
    reads = Counter()
    original = ArraySource.__getitem__

    def spy(self, index):
        reads[id(self), index] += 1
        return original(self, index)

    train, valid = classified(40), classified(20, seed=1)
    monkeypatch.setattr(ArraySource, "__getitem__", spy)
    started(train, valid, **sections)
    expected = {(id(part.features), index) for part in (train, valid) for index in range(len(part))}
    assert reads.keys() == expected
    # The first says how many features there are.
    assert {count for (_, index), count in reads.items() if index} == {1}


def identity(arrays, labels, **options):
    data = Sequences(arrays, labels, **options)
    known = Datasets(data, data.subset([0]), None, None)
    return RunIdentity.of(load_config(quick()), known).to_dict()["data"]


def test_equal_data_have_one_identity_and_any_change_another(monkeypatch):
    rng = np.random.default_rng(0)
    arrays, labels = rng.normal(size=(9, 4, 2)).astype("float32"), [*"abcabcabc"]
    same = identity(arrays, labels)
    monkeypatch.setattr(sources, "_BLOCK_VALUES", 20)
    assert identity(list(arrays), np.array(labels)) == same
    assert identity(arrays.astype("float64"), labels, weights=np.ones(9), ids=[str(i) for i in range(9)]) == same

    def edited(place):
        changed = arrays.copy()
        changed[place] = np.nextafter(changed[place], np.float32(9))
        return changed

    ragged = [*arrays[:7], arrays[7][:3], np.concatenate([arrays[7][3:], arrays[8]])]
    others = [
        *(identity(edited((index, rng.integers(4), rng.integers(2))), labels) for index in range(9)),
        identity(arrays[[0, 1, 2, 3, 5, 4, 6, 7, 8]], [*"abcabcabc"]),
        identity(arrays, [*"abcabcacb"]),
        identity(arrays, ["a", "b", "C"] * 3),
        identity(arrays, labels, weights=[1] * 8 + [2]),
        identity(arrays, labels, ids=[*"01234567x"]),
        identity(arrays, labels, ids=[*"1023456", "7", "8"]),
        identity(ragged, labels),
        identity(arrays[:8], labels[:8]),
    ]
    assert all(other["digest"] != same["digest"] for other in others)
    assert len({other["digest"] for other in others}) == len(others)


def test_ids_that_make_one_text_are_told_apart():
    arrays = np.arange(8.0).reshape(4, 2, 1)
    assert identity(arrays, [*"abab"], ids=["1", "23", "4", "5"]) != identity(
        arrays, [*"abab"], ids=["12", "3", "4", "5"]
    )


def test_contents_that_a_run_looked_at_are_those_of_its_identity():
    setup, seen = started(classified(40), None)
    bare = Datasets(setup.data.train, setup.data.valid, None, setup.data.target)
    assert setup.data.contents.keys() == {"train", "valid"}
    assert RunIdentity.of(setup.config, bare).to_dict() == seen.to_dict()
