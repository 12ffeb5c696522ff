"""Oddities of data are reported before training, with names: features that never change, silence, rare classes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.training_data import CLASSES, classified, framed, quick, toned

from seqconv import predict, sources
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.diagnostics import describe_classes, describe_survey, survey
from seqconv.data.sequences import Sequences
from seqconv.errors import ManifestError, ShapeError
from seqconv.sources import ArraySource, content_digest
from seqconv.tasks.target import Target, fit_target
from seqconv.training import train
from seqconv.training.run.setup import prepare

DATA = Path(__file__).parents[2] / "data"
FRAMES = {"blocks": [{"filters": 4, "kernel_size": 3}], "pooling": "frames"}


def notes(*parts, **sections):
    """Return the notes before the first step."""
    defaults = {"features": {"kind": "precomputed"}, "batching": {"strategy": "packed"}}
    config = load_config(quick(**{**defaults, **sections}))
    return prepare(config, load_datasets(config.data_spec, *parts)).notes


def dulled(data, *, columns=(), sequences=()):
    """The same data with columns, or whole sequences, that never change."""
    arrays = [data[index].copy() for index in range(len(data))]
    for array in arrays:
        array[:, list(columns)] = 0.5
    for index in sequences:
        arrays[index][:] = arrays[index][0]
    return Sequences(arrays, data.labels, ids=data.ids)


class OnDisk:
    """A source that does not lie in memory."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.lengths = np.array([len(array) for array in arrays])
        self.ids = [str(index) for index in range(len(arrays))]

    def __getitem__(self, index):
        return self.arrays[index]


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 10),
    st.sampled_from([2, 3, 50]),
    st.sampled_from([1, 9, 1 << 18]),
)
def test_a_survey_finds_exactly_what_never_changes(seed, width, count, num_values, block):
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(num_values, size=(rng.integers(1, 8), width)).astype("float32") for _ in range(count)]
    for array in arrays:
        if rng.random() < 0.3:
            array[:] = array[0]
    if rng.random() < 0.5:
        for array in arrays:
            array[:, 0] = 1
    frames = np.concatenate(arrays)
    still = [str(i) for i, array in enumerate(arrays) if len(array) > 1 and not np.ptp(array, axis=0).any()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_BLOCK_VALUES", block)
        looks = [survey(Sequences(each), with_moments=asked) for each in (arrays, OnDisk(arrays)) for asked in (0, 1)]
    for found, asked in zip(looks, (0, 1, 0, 1), strict=True):
        assert found.num_frames == len(frames)
        assert found.still_features == [column for column in range(width) if np.ptp(frames[:, column]) == 0]
        assert found.still_ids == still
        assert found.misshapen == {}
        assert (found.moments is not None) == asked
        if found.moments is not None:
            mean, variance = found.moments.statistics()
            np.testing.assert_allclose(mean, frames.mean(axis=0, dtype=np.float64), atol=1e-9)
            np.testing.assert_allclose(variance, frames.var(axis=0, dtype=np.float64), atol=1e-9)
    in_memory, on_disk = looks[0].contents, looks[2].contents
    assert on_disk is None
    assert [f"{key:016x}" for key in in_memory] == [content_digest(ArraySource(arrays), i) for i in range(count)]


def test_nothing_is_told_of_real_data_in_order(tmp_path):
    folder = DATA / "japanese_vowels"
    vowels = Sequences.from_ts(folder / "JapaneseVowels_TRAIN.ts")
    train_part, valid = vowels.split(test=0.3)
    assert notes(train_part, valid, Sequences.from_ts(folder / "JapaneseVowels_TEST.ts")) == []


def test_features_that_never_change_are_told_by_number():
    told = notes(dulled(classified(), columns=[1]), classified(20, seed=1))
    assert told == ["1 of 3 features never changes in the 475 training frames: 1 (counted from 0)"]


def test_features_that_never_change_are_told_by_name(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for index in range(24):
        table = pd.DataFrame({"speed": rng.normal(size=6), "gear": 3.0, "brake": 0.0})
        table.to_csv(tmp_path / f"{index}.csv", index=False)
        split = ("train", "train", "valid", "test")[index % 4]
        rows.append({"path": f"{index}.csv", "label": "ab"[index // 4 % 2], "split": split})
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    features = {"kind": "precomputed", "columns": ["speed", "gear", "brake"]}
    data = {"manifest": str(tmp_path / "manifest.csv"), "cache_dir": str(tmp_path / "cache"), "num_workers": 0}
    assert notes(data=data, features=features) == [
        "2 of 3 features never change in the 72 training frames: 'gear', 'brake'"
    ]


def clocked_tables(folder):
    """Write a manifest of tables with a row number, a clock that jitters, words, and two measurements."""
    rng = np.random.default_rng(0)
    rows = []
    for index in range(24):
        columns = {"Time (s)": np.cumsum(rng.uniform(0.01, 0.02, 6)), "x": rng.normal(size=6), "y": rng.normal(size=6)}
        pd.DataFrame({**columns, "who": "ann"}).to_csv(folder / f"{index}.csv")
        split = ("train", "train", "valid", "test")[index % 4]
        rows.append({"path": f"{index}.csv", "label": "ab"[index // 4 % 2], "split": split})
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return {"manifest": str(folder / "manifest.csv"), "cache_dir": str(folder / "cache"), "num_workers": 0}


def test_clocks_and_words_in_tables_are_told_by_name(tmp_path):
    data = clocked_tables(tmp_path)
    assert notes(data=data) == [
        "columns of words in the tables were left out: 'who'",
        "'Unnamed: 0', 'Time (s)' never fall within a sequence, as a clock or a row number does, and are learned as a "
        "feature. Without: features.columns: [x, y]",
    ]
    assert notes(data=data, features={"kind": "precomputed", "columns": ["x", "y"]}) == []


def test_a_model_reads_tables_by_the_names_of_their_columns(tmp_path):
    data = clocked_tables(tmp_path)
    run = train({**quick(), "data": data, "features": {"kind": "precomputed"}}, tmp_path / "run")
    table = pd.read_csv(tmp_path / "3.csv")
    (tmp_path / "new").mkdir()
    table[["y", "who", "x", "Time (s)", "Unnamed: 0"]].to_csv(tmp_path / "new" / "3.csv", index=False)
    same, moved = (predict(run.model, tmp_path / name) for name in ("3.csv", "new/3.csv"))
    np.testing.assert_allclose(same["p_a"], moved["p_a"], atol=1e-6)
    table.rename(columns={"x": "z"}).to_csv(tmp_path / "new" / "3.csv", index=False)
    with pytest.raises(ManifestError, match=r"lacks 'x' of features\.columns"):
        predict(run.model, tmp_path / "new" / "3.csv")


def test_still_sequences_of_all_splits_are_told_by_id():
    told = notes(dulled(classified(), sequences=[3, 7]), dulled(classified(20, seed=1), sequences=[5]))
    assert told == [
        "2 of 40 sequences of train have one value in each feature, all frames long, as digital silence has: '3', '7'",
        "1 of 20 sequences of valid has one value in each feature, all frames long, as digital silence has: '5'",
    ]


def test_digital_silence_is_told_when_training_begins(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for index in range(30):
        folder = tmp_path / "sounds" / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{index}.wav", 0.1 * rng.normal(size=1000 + 10 * index), 8000)
    soundfile.write(tmp_path / "sounds" / "a" / "silent.wav", np.zeros(2000), 8000)
    config = {
        **quick(training={"epochs": 1}),
        "data": {"manifest": str(tmp_path / "sounds"), "cache_dir": str(tmp_path / "cache"), "num_workers": 0},
        "features": {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 8},
    }
    train(config, tmp_path / "run")
    printed = capsys.readouterr().out
    told = printed.index("as digital silence has: 'a/silent'")
    assert told < printed.index("epoch 1/1")


def test_nothing_but_constants_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="all 3 features have one value in all 475 training frames: there is noth"):
        train(
            quick(),
            tmp_path / "run",
            train_data=dulled(classified(), columns=[0, 1, 2]),
            valid_data=classified(20, seed=1),
        )
    assert not (tmp_path / "run").exists()


def test_classes_with_a_single_training_sequence_are_told_with_its_id():
    few = Sequences([*toned([0] * 10, seed=3), *toned([1, 2], seed=4)], ["low"] * 10 + ["mid", "top"])
    assert notes(few, classified(20, seed=1)) == [
        "2 of 3 classes have a single training sequence: 'mid' (of '10'), 'top' (of '11')"
    ]


def test_splits_without_some_class_are_told():
    one_sided = Sequences(toned([0, 0, 1], seed=5), ["low", "low", "mid"])
    assert notes(classified(), one_sided, classified(20, seed=1).subset([0, 1, 4])) == [
        "valid has no sequence of 1 of 3 classes: 'top'",
        "test has no sequence of 2 of 3 classes: 'mid', 'top'",
    ]


def test_classes_of_multilabel_sequences_and_columns_without_any():
    labels = pd.DataFrame({"a": [1, 0, 1, 1], "b": [0, 1, 0, 0], "c": [0, 0, 0, 0]})
    parts = {
        "train": Sequences(toned([0, 1, 0, 2]), labels, ids=list("wxyz")),
        "valid": Sequences(toned([0, 1], seed=1), labels.iloc[:2]),
    }
    target = fit_target("multilabel", labels)
    encoded = {split: target.encode(part.labels) for split, part in parts.items()}
    assert list(describe_classes(parts, target, encoded)) == [
        "1 of 3 classes has a single training sequence: 'b' (of 'x')",
        "train has no sequence of 1 of 3 classes: 'c'",
        "valid has no sequence of 1 of 3 classes: 'c'",
    ]


def test_classes_of_frames():
    data, valid = framed(20), framed(6, seed=1)
    only_low = [np.where(labels == "top", "low", labels) for labels in (valid.labels[i] for i in range(6))]
    once = [np.where(labels == "mid", "low", labels) for labels in (data.labels[i] for i in range(20))]
    once[4][:] = "mid"
    assert notes(data.with_labels(once), valid.with_labels(only_low), model=FRAMES) == [
        "1 of 3 classes has a single training sequence: 'mid' (of '4')",
        "valid has no frame of 1 of 3 classes: 'top'",
    ]
    assert notes(data, valid, model=FRAMES) == []
    assert set(CLASSES) == {"low", "mid", "top"}


def test_a_regression_has_no_classes():
    values = np.linspace(0, 1, 12)
    told = notes(
        Sequences(toned([0] * 12), values), Sequences(toned([0] * 12, seed=1), values), target={"task": "regression"}
    )
    assert told == []


def test_arrays_of_another_width_are_named_by_id():
    arrays = [np.zeros((4, 3)), np.zeros((5, 3)), np.zeros((6, 2))]
    with pytest.raises(ShapeError, match=r"most have 3, but got \(6, 2\) at 'z'"):
        Sequences(arrays, ids=list("xyz"))
    with pytest.raises(ShapeError, match=r"most have 3, but got \(6, 2\) at index 2"):
        Sequences(arrays)


def test_files_of_another_width_are_named_before_training(tmp_path):
    rows = []
    for index in range(12):
        np.save(tmp_path / f"{index}.npy", np.random.default_rng(index).normal(size=(5, 2 if index == 7 else 3)))
        rows.append({"id": f"s{index}", "path": f"{index}.npy", "label": "ab"[index % 2]})
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    data = {"manifest": str(tmp_path / "manifest.csv"), "cache_dir": str(tmp_path / "cache"), "num_workers": 0}
    with pytest.raises(ManifestError, match=r"differ in their number of features: 2 in 's7'; 3 in 's0', .* and 6 more"):
        train({**quick(), "data": data, "features": {"kind": "precomputed"}}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_source_that_does_not_keep_its_word_is_named_before_training(tmp_path):
    class Wrong(Sequences):
        def __getitem__(self, index):
            array = super().__getitem__(index)
            changed = {"s4": array[:, :2], "s6": array[:1], "s9": array[:, 0]}
            return changed.get(self.ids[index], array)

    good = classified()
    wrong = Wrong([good[i] for i in range(40)], good.labels, ids=[f"s{i}" for i in range(40)])
    shapes = rf"'s4 \({len(good[4])}, 2\)', 's6 \(1, 3\)', 's9 \({len(good[9])},\)'"
    with pytest.raises(ManifestError, match=f"train: 3 sequences have not the shape .*: {shapes}"):
        train(quick(), tmp_path / "run", train_data=wrong, valid_data=classified(20, seed=1))
    assert not (tmp_path / "run").exists()


def test_classes_that_differ_only_in_how_they_are_written():
    names = ["dog", "dog ", "Dog", "cafe\u0301", "caf\u00e9", "cat"]
    parts = {"train": Sequences([[[0.0]]] * 12, names * 2)}
    target = Target("classification", tuple(names))
    said = list(describe_classes(parts, target, {"train": target.encode(names * 2)}))
    assert [line.split(": ")[0] for line in said] == [
        "classes that differ only in case, spaces or the form of their letters"
    ] * 2
    assert all(repr(name) in said[0] for name in ("dog", "dog ", "Dog"))
    assert "cat" not in "".join(said)


@pytest.mark.parametrize(("shape", "is_odd"), [((9, 6, 100), True), ((9, 100, 6), False), ((9, 1, 6), False)])
def test_arrays_of_channels_by_time_are_noticed(shape, is_odd, rng):
    part = Sequences(rng.normal(size=shape))
    said = [line for line in describe_survey("train", part, survey(part)) if "pass x.transpose(0, 2, 1)" in line]
    assert len(said) == is_odd
