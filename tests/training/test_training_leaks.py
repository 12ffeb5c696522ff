"""Leaks stop training before its first step, or are told; splits that are cut here have none."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.prompt_files import FEATURES, planted, write_prompts
from support.training_data import classified, framed, quick

from seqconv.cli.main import main
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.leakage import find_leaks
from seqconv.data.sequences import Sequences
from seqconv.errors import ManifestError
from seqconv.training import train


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    return write_prompts(tmp_path_factory.mktemp("prompts"))


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
    with pytest.raises(ManifestError, match=f"{told}.*To train anyway, set data.on_leak to 'warn'"):
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


@pytest.mark.parametrize("seed", range(5))
def test_what_is_set_aside_is_not_also_learned_from(seed):
    rng = np.random.default_rng(seed)
    data = classified(60)
    chosen = [*range(60), *rng.integers(60, size=30)]
    groups = [f"g{rng.integers(40)}" for _ in chosen] if seed % 2 else None
    doubled = Sequences([data[i] for i in chosen], [data.labels[i] for i in chosen], groups=groups)
    config = load_config({**quick(), "seed": seed, "features": {"kind": "precomputed"}})
    datasets = load_datasets(config.data_spec, doubled)
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
    assert load_datasets(config.data_spec, data).valid.ids == data.split(test=0.15, seed=3)[1].ids
    grouped = classified(60, groups=[f"g{index // 3}" for index in range(60)])
    assert load_datasets(config.data_spec, grouped).valid.ids == grouped.split(test=0.15, seed=3)[1].ids


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
    data = load_datasets(config.data_spec)
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


def refusal(**parts):
    with pytest.raises(ManifestError, match=r"or set data\.on_leak to 'warn' to train anyway") as caught:
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
