"""`batching.frames_per_batch: auto`: what is tried, where it ends, and that trying changes nothing."""

import keras
import numpy as np
import pytest
from support.training_data import classified, quick

from seqconv.cli.commands import plan as plan_command
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.training import train
from seqconv.training.run import batches
from seqconv.training.run.batches import Trial, choose_trial
from seqconv.training.run.setup import prepare
from seqconv.training.step.memory import CLEAR, StepMemory, available_bytes, is_out_of_memory

AUTO = {"batch_size": None, "frames_per_batch": "auto"}
NOISY = {"blocks": [{"filters": 6, "kernel_size": 3, "norm": "batch", "dropout": 0.3}]}
needs_proc = pytest.mark.skipif(not CLEAR.exists(), reason="the system does not tell the memory of a process")


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch):
    """So that several sizes leave the sequences at hand ten steps or more."""
    monkeypatch.setattr(batches, "SMALLEST", 32)


def data():
    return classified(200)


def prepared(told=None, **sections):
    config = load_config(quick(features={"kind": "precomputed"}, model=NOISY, **sections))
    datasets = load_datasets(config.data_spec, data(), classified(20, seed=1))
    return prepare(config, datasets, None if told is None else told.append)


def tried(told):
    """Frames of each size in the table."""
    return [int(line.split()[0].replace(",", "")) for line in told[2:-1]]


def test_powers_of_two_are_tried_until_an_epoch_would_have_few_steps():
    told = []
    experiment = prepared(told, batching=AUTO)
    sizes = tried(told)
    assert sizes == [32 << i for i in range(len(sizes))]
    assert len(sizes) >= 3
    last, beyond = (
        len(prepared(batching={"batch_size": None, "frames_per_batch": frames}).plan)
        for frames in (sizes[-1], 2 * sizes[-1])
    )
    assert beyond < 10 <= last
    assert told[-1].startswith("chosen ")
    assert f"; {2 * sizes[-1]} would leave {beyond} steps in an epoch" in told[-1]
    assert all(float(line.split()[1].replace(",", "")) > 0 for line in told[2:-1])
    assert experiment.config.batching.frames_per_batch in sizes


def test_the_run_is_that_of_the_number_it_found(tmp_path):
    runs = {}
    for name, batching in {"auto": AUTO, "given": None}.items():
        if batching is None:
            resolved = load_config(tmp_path / "auto" / "config.yaml").batching.frames_per_batch
            batching = {"batch_size": None, "frames_per_batch": resolved}
        config = quick(model=NOISY, batching=batching, training={"epochs": 1})
        runs[name] = train(config, tmp_path / name, train_data=data(), valid_data=classified(20))
        card = runs[name].model.card
        assert (card.batch_size, card.frames_per_batch) == (None, resolved_in(tmp_path / name))
    for ours, theirs in zip(runs["auto"].model.get_weights(), runs["given"].model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert runs["auto"].history["loss"].equals(runs["given"].history["loss"])


def resolved_in(path):
    frames = load_config(path / "config.yaml").batching.frames_per_batch
    assert isinstance(frames, int)
    return frames


def test_the_largest_of_those_that_are_nearly_the_fastest_is_chosen():
    speeds = {1024: 50.0, 2048: 100.0, 4096: 95.1, 8192: 94.9}
    trials = [Trial(frames, speed, None) for frames, speed in speeds.items()]
    assert choose_trial(trials).frames == 4096
    assert choose_trial(trials[:1]).frames == 1024


def memory_error():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    return RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 17179869184 bytes.")


def test_it_ends_where_memory_ran_out(monkeypatch):
    original = batches.time_step

    def time_step(model, batches):
        if batches[0].inputs["segments"].size > 80:
            raise memory_error()
        return original(model, batches)

    monkeypatch.setattr(batches, "time_step", time_step)
    told = []
    experiment = prepared(told, batching=AUTO)
    assert tried(told) == [32, 64]
    assert "; 128 does not fit the memory" in told[-1]
    assert experiment.config.batching.frames_per_batch in (32, 64)


@pytest.mark.parametrize("error", [ValueError("no matter of memory"), memory_error()])
def test_other_errors_and_a_smallest_size_that_does_not_fit_are_errors(monkeypatch, error):
    def time_step(model, batches):
        raise error

    monkeypatch.setattr(batches, "time_step", time_step)
    with pytest.raises(type(error), match=r"no matter|OOM|RESOURCE_EXHAUSTED"):
        prepared(batching=AUTO)


@needs_proc
def test_it_ends_before_memory_runs_out(monkeypatch):
    monkeypatch.setattr("seqconv.training.step.memory.available_bytes", lambda: 0)
    monkeypatch.setattr(StepMemory, "peak_bytes", lambda memory: 10**6)
    told = []
    prepared(told, batching=AUTO)
    assert tried(told) == [32]
    assert "64 may not fit the 0.0 GB of memory that are free" in told[-1]


@needs_proc
def test_the_peak_is_that_of_the_steps_and_starts_anew():
    assert available_bytes() > 10**6
    memory = StepMemory(None)
    size = 2**26
    assert np.ones(size // 8).sum() == size // 8
    peak = memory.peak_bytes()
    assert size * 0.9 < peak < size * 3
    memory.restart()
    assert memory.peak_bytes() < peak - size * 0.8


def test_what_is_out_of_memory():
    assert is_out_of_memory(memory_error())
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("shapes do not fit"))


def test_the_plan_command_says_that_it_is_measured_in_training(tmp_path, capsys):
    lengths = tmp_path / "lengths.txt"
    lengths.write_text("30\n40\n50\n")
    assert plan_command.main(["--lengths", str(lengths), "--set", "batching.frames_per_batch=auto"]) == 2
    assert "'auto': training measures it, with the model and on the device" in capsys.readouterr().err
    assert plan_command.main(["--lengths", str(lengths), "--frames-per-batch", "100"]) == 0
