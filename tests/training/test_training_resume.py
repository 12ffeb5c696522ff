"""A run that was stopped goes on at its step, and comes out equal bit for bit to one that was not."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from support.resuming import EPOCHS, RICH, Stopping, assert_same_run, data
from support.training_data import classified, framed, quick

from seqconv.config import load_config
from seqconv.data.datasets import Datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.files import hold_lock
from seqconv.models.blocks.convolution import ConvBlock
from seqconv.training import resume, train
from seqconv.training.run.identity import RunIdentity
from seqconv.training.state.checkpoints import list_checkpoints, read_checkpoint
from seqconv.training.state.interrupts import RunStopped


class Interrupting(Sequences):
    """Sequences whose reading sends a signal, in a chosen reading of the first of them."""

    countdown = -1

    def __getitem__(self, index):
        self.countdown -= index == 0
        if self.countdown == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().__getitem__(index)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that is never stopped."""
    return train(quick(**RICH), tmp_path_factory.mktemp("whole") / "run", **data())


def stopped(path, *where, config=None, error=RunStopped, **parts):
    with pytest.raises(error) as caught:
        train(quick(**(config or RICH)), path, callbacks=[Stopping(*where)], **(parts or data()))
    return caught.value


@pytest.mark.parametrize("place", [(0, 0), (0, 5), (1, 0), (1, 2), (2, 4), (2, "end"), (EPOCHS - 1, "end")], ids=str)
def test_a_stopped_run_goes_on_at_its_step(tmp_path, whole, place):
    stop = stopped(tmp_path / "run", *place)
    assert stop.signal == signal.SIGTERM
    checkpoint = read_checkpoint(list_checkpoints(tmp_path / "run" / "checkpoints")[0])
    epoch, step = place
    assert checkpoint.position == ((epoch + 1, 0) if step == "end" else (epoch, step + 1))
    text = (tmp_path / "run" / "unfinished.txt").read_text()
    assert text.startswith(f"This run did not finish: SIGTERM stopped the run in epoch {checkpoint.position[0] + 1}")
    assert text.count(f"train --resume {tmp_path / 'run'}\n") == 1
    assert_same_run(resume(tmp_path / "run", **data()), whole)
    assert not (tmp_path / "run" / "unfinished.txt").exists()
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("strategy", ["bucketed", "padded", "single"])
def test_so_it_does_in_every_layout_stopped_again_and_again(tmp_path, strategy):
    config = {**RICH, "batching": {"strategy": strategy, "batch_size": None if strategy == "single" else 8}}
    if strategy == "single":
        config["batching"] = {"strategy": strategy}
    uninterrupted = train(quick(**config), tmp_path / "whole", **data())
    stopped(tmp_path / "run", 0, 3, config=config)
    for place in [(0, 4), (1, 1), (1, 2), (2, "end"), (3, 0)]:
        with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
            resume(tmp_path / "run", callbacks=[Stopping(*place)], **data())
    assert_same_run(resume(tmp_path / "run", **data()), uninterrupted)


def test_so_it_does_over_bands_and_with_a_conformer(tmp_path):
    blocks = [
        {"type": "to_bands"},
        {"type": "conv2d", "filters": 4, "strides": [2, 1], "spatial_dropout": 0.3},
        {"type": "residual2d", "filters": 4, "dropout": 0.2, "stochastic_depth": 0.2},
        {"type": "from_bands", "bands": "flatten"},
        {"type": "conformer", "num_heads": 2, "kernel_size": 3, "dropout": 0.2},
    ]
    config = {**RICH, "model": {"blocks": blocks}}
    uninterrupted = train(quick(**config), tmp_path / "whole", **data())
    stopped(tmp_path / "run", 1, 2, config=config)
    assert_same_run(resume(tmp_path / "run", **data()), uninterrupted)


def test_so_it_does_with_labels_of_frames(tmp_path):
    config = quick(model={"blocks": [{"filters": 6, "kernel_size": 3, "dropout": 0.3}], "pooling": "frames"})
    parts = {"train_data": framed(24), "valid_data": framed(8, seed=1)}
    uninterrupted = train(config, tmp_path / "whole", **parts)
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "run", callbacks=[Stopping(1, 1)], **parts)
    assert_same_run(resume(tmp_path / "run", **parts), uninterrupted)


@pytest.mark.parametrize("reading", [1, 2])
def test_validation_ends_at_once_and_is_done_again(tmp_path, whole, reading):
    valid = Interrupting(classified(20, seed=1).features, classified(20, seed=1).labels)

    class Arming(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            valid.countdown = reading if epoch == 1 else -1

    with pytest.raises(RunStopped, match=r"SIGINT stopped the run in epoch 2 of 4, after step (\d+) of \1;"):
        train(quick(**RICH), tmp_path / "run", callbacks=[Arming()], **data(valid_data=valid))
    assert len(pd.read_csv(tmp_path / "run" / "history.csv")) == 1
    assert_same_run(resume(tmp_path / "run", **data()), whole)


def test_a_run_that_was_killed_while_it_was_scored_is_only_scored(tmp_path, whole, capsys):
    valid = Interrupting(classified(20, seed=1).features, classified(20, seed=1).labels)

    class Arming(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            valid.countdown = 1

    with pytest.raises(RunStopped, match=r"stopped by SIGINT\. Go on with: "):
        train(quick(**RICH), tmp_path / "run", callbacks=[Arming()], **data(valid_data=valid))
    # The best model is in the checkpoint, too.
    (tmp_path / "run" / "model.keras").write_bytes(b"cut")
    steps = CountSteps()
    assert_same_run(resume(tmp_path / "run", callbacks=[steps], **data()), whole)
    assert steps.count == 0
    assert "resumed  after its last epoch\n" in capsys.readouterr().out
    # Once more, now that it has finished.
    assert_same_run(resume(tmp_path / "run", callbacks=[steps], **data()), whole)
    assert "resumed  the run has finished: it is scored again" in capsys.readouterr().out
    assert steps.count == 0


class CountSteps(keras.callbacks.Callback):
    """Numbers of the steps; its count belongs to the run."""

    def __init__(self):
        super().__init__()
        self.count, self.seen = 0, []

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1
        self.seen.append(batch)

    def state(self):
        return {"count": self.count}

    def restore(self, state):
        self.count = state["count"]


def test_callbacks_hear_each_step_once_and_may_keep_a_state(tmp_path, capsys):
    first, second = CountSteps(), CountSteps()
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(quick(**RICH), tmp_path / "run", callbacks=[first, Stopping(1, 2)], **data())
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    finished = resume(tmp_path / "run", callbacks=[second], **data())
    steps = len(second.seen) + len(first.seen)
    assert second.count == steps
    assert first.seen[-1] + 1 == second.seen[0] == 3
    assert len(finished.history) == EPOCHS
    assert "resumed  in epoch 2 of 4, after step 3 of" in capsys.readouterr().out
    resume(tmp_path / "copy", **data())
    assert "callback CountSteps had a state, and was not given again" in capsys.readouterr().out


def test_checkpoints_come_every_so_many_steps_and_the_newest_stay(tmp_path):
    config = {**RICH, "training": {**RICH["training"], "checkpoint": {"steps": 2, "minutes": None, "keep": 3}}}
    stopped(tmp_path / "run", 1, 4, config=config)
    positions = [read_checkpoint(path).position for path in list_checkpoints(tmp_path / "run" / "checkpoints")]
    assert positions[0] == (1, 5)
    assert len(positions) == 3
    total = [epoch * 6 + step for epoch, step in positions]
    assert total[1] % 2 == total[2] % 2 == 0
    assert total[1] - total[2] == 2


def test_a_checkpoint_that_was_cut_off_gives_way_to_the_one_before(tmp_path, whole, capsys):
    stopped(tmp_path / "run", 2, 2)
    newest, before = list_checkpoints(tmp_path / "run" / "checkpoints")
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    assert_same_run(resume(tmp_path / "run", **data()), whole)
    out = capsys.readouterr().out
    assert f"checkpoint {newest} is damaged" in out.replace("\n", "")
    # With none that is whole, it begins anew.
    for path in (newest, before):
        flipped = bytearray(content)
        flipped[len(content) // 3] ^= 1
        (tmp_path / "other" / "checkpoints" / path.name).write_bytes(flipped)
    assert_same_run(resume(tmp_path / "other", **data()), whole)
    assert "resumed" not in capsys.readouterr().out


def test_a_run_that_was_killed_before_anything_was_saved_begins_anew(tmp_path, whole):
    stopped(tmp_path / "run", 0, 0)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "versions.json").unlink()
    (tmp_path / "run" / ".model-0123abcd.keras").write_bytes(b"half")
    finished = resume(tmp_path / "run", **data())
    assert_same_run(finished, whole)
    assert {path.name for path in finished.path.iterdir()} == {
        "config.yaml", "history.csv", "metrics.json", "model.json", "model.keras", "predictions.csv", "versions.json",
    }  # fmt: skip


def test_another_config_is_refused_with_what_differs(tmp_path):
    stopped(tmp_path / "run", 1, 1)
    with pytest.raises(
        ConfigError, match=r"other data\. Put these back.*\n  training\.learning_rate: 0\.01 then, 0\.5"
    ):
        resume(tmp_path / "run", ["training.learning_rate=0.5"], **data())
    # What only says where things lie, or when states are saved, may change.
    resume(tmp_path / "run", ["data.num_workers=0", "training.checkpoint.steps=1", "training.device=CPU:0"], **data())


def relabeled():
    labels = list(classified(44).labels)
    labels[3], labels[4] = labels[4], labels[3]
    return Sequences(classified(44).features, labels)


def changed():
    arrays = [np.array(classified(44)[index]) for index in range(44)]
    arrays[5][0, 0] += 1e-3
    return Sequences(arrays, classified(44).labels)


def test_a_part_of_another_version_is_refused(tmp_path, monkeypatch):
    stopped(tmp_path / "run", 1, 1)
    monkeypatch.setattr(ConvBlock, "version", 2)
    with pytest.raises(ConfigError, match=r"block conv: None then, \{'name': 'conv', 'version': 2\} now"):
        resume(tmp_path / "run", **data())


@pytest.mark.parametrize(
    ("other", "match"),
    [
        ({"train_data": relabeled()}, r"data: 2 sequences are otherwise labeled or weighted: 'train \d+', 'train"),
        ({"train_data": changed()}, r"data: 1 sequences are of other content: 'train 5'"),
        ({"valid_data": classified(21, seed=1)}, r"data: "),
        (
            {"test_data": classified(8, seed=2, ids=[f"new {i}" for i in range(8)])},
            r"8 sequences are new: 'test new 0'",
        ),
    ],
)
def test_other_data_are_refused_with_their_ids(tmp_path, other, match):
    stopped(tmp_path / "run", 1, 1)
    with pytest.raises(ConfigError, match=match):
        resume(tmp_path / "run", **data(**other))
    (tmp_path / "run" / "checkpoints" / "data.csv").unlink()
    with pytest.raises(ConfigError, match=r"data: train 44, valid 20, test 0 sequences then, train"):
        resume(tmp_path / "run", **data(**other))


def test_one_process_at_a_time(tmp_path):
    stopped(tmp_path / "run", 1, 1)
    with (
        hold_lock(tmp_path / "run" / ".lock", when_busy=lambda: pytest.fail("nobody works there")),
        pytest.raises(ConfigError, match=r"run' is in use by another process"),
    ):
        resume(tmp_path / "run", **data())
    (tmp_path / "new").mkdir()
    with (
        hold_lock(tmp_path / "new" / ".lock", when_busy=lambda: pytest.fail("nobody works there")),
        pytest.raises(ConfigError, match=r"new' is in use by another process"),
    ):
        train(quick(), tmp_path / "new", **data())


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere: it is no folder \(config\.yaml is missing\)\. Start one"):
        resume(tmp_path / "nowhere", **data())
    with pytest.raises(ConfigError, match=r"holds no run that has begun"):
        resume(tmp_path, **data())
    stopped(tmp_path / "run", 0, 1)
    with pytest.raises(ConfigError, match=r"go on with the run that it holds: --resume .*run$"):
        train(quick(**RICH), tmp_path / "run", **data())


@pytest.mark.parametrize("culprit", [7, 30])
def test_a_loss_that_is_no_number_names_step_and_sequences(tmp_path, culprit):
    arrays = [np.array(classified(44)[index]) for index in range(44)]
    arrays[culprit][0] = 3e38
    ids = [f"recording {index}" for index in range(44)]
    parts = data(train_data=Sequences(arrays, classified(44).labels, ids=ids))
    config = {**RICH, "features": {"kind": "precomputed", "normalize": "none"}}
    config["training"] = {**RICH["training"], "checkpoint": {"steps": 1, "minutes": None}}
    with pytest.raises(ConfigError, match=r"diverged in epoch 1, step \d of 6: .*largest feature is 3e\+38") as caught:
        train(quick(**config), tmp_path / "run", **parts)
    if (tmp_path / "run").exists():
        text = (tmp_path / "run" / "unfinished.txt").read_text()
        named = text.partition("held: ")[2].partition("\n")[0]
        # The last good state is kept, from before that step.
        assert all(np.isfinite(array).all() for path in list_checkpoints(tmp_path / "run" / "checkpoints")
                   for array in read_checkpoint(path).variables)  # fmt: skip
    else:
        named = caught.value.details
    assert f"recording {culprit}" in named.replace("\n", ", ").split(", ") or f"recording {culprit}," in named


def test_a_full_disk_is_said_and_takes_nothing_away(tmp_path):
    """In a process of its own, whose files may be as large as the model's, but not as a checkpoint's."""
    stopped(tmp_path / "run", 1, 1)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    code = (
        "import resource, sys; sys.path.insert(0, 'tests')\n"
        "from support.resuming import data; from seqconv.training import resume\n"
        "from seqconv.cli.terminal import report_errors\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        f"sys.exit(report_errors(lambda argv: resume({str(tmp_path / 'run')!r}, **data()))())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written: File too large. Nothing was replaced" in done.stderr
    left = {path for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert all(path.read_bytes() == content for path, content in before.items() if path.name.startswith("epoch-"))
    assert left >= set(before)


class Streamed:
    """A source of a user's own, which counts what is read."""

    def __init__(self, arrays):
        self.arrays, self.num_read = arrays, 0
        self.lengths = np.array([len(array) for array in arrays])
        self.ids = [f"own {index}" for index in range(len(arrays))]

    def __getitem__(self, index):
        self.num_read += 1
        return self.arrays[index]


def test_of_a_source_of_ones_own_some_contents_are_compared():
    source = Streamed([np.full((3, 2), index, "float32") for index in range(2500)])
    labels = ["a", "b"] * 1250
    config = load_config(quick())

    def identity():
        part = Sequences(source, labels)
        return RunIdentity.of(config, Datasets(part, part.subset([0]), None, None))

    before = identity().to_dict()
    assert source.num_read <= 1001
    source.arrays[3] = source.arrays[3] + 1
    assert identity().differences(before, Path("nowhere.csv")) == [
        "data: train 2,500, valid 1, test 0 sequences then, train 2,500, valid 1, test 0 now, with other content, "
        "labels or order"
    ]
