"""Runs with augmentation: the same in every layout, resumable bit for bit, and only on the training sequences."""

import io
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile
from rich.console import Console
from support.double_precision import double_precision
from support.resuming import Stopping, assert_same_run
from support.training_data import STRIDED_FRAMES, classified, framed, quick
from support.weighting import MODEL, SummingOptimizer

from seqconv.batching import make_plan
from seqconv.config import load_config
from seqconv.data.augmentation.sounds import list_sounds
from seqconv.data.datasets import load_datasets
from seqconv.errors import ConfigError, ManifestError
from seqconv.evaluation import evaluate
from seqconv.reports.folder import read_run
from seqconv.reports.report_inputs import plan_again
from seqconv.tasks import find_task
from seqconv.training import resume, train
from seqconv.training.output.report import print_start
from seqconv.training.run.identity import RunIdentity
from seqconv.training.run.loop import run_steps
from seqconv.training.run.setup import prepare
from seqconv.training.run.training_set import TrainingSet, augment_training, with_variants
from seqconv.training.state.interrupts import RunStopped
from seqconv.training.step.train_step import CompiledStep

STRATEGIES = ("padded", "bucketed", "packed")
PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
EVERYTHING = {
    "time_stretch": {"rate": [0.6, 1.6]},
    "time_shift": {"fraction": 0.2},
    "gain": {},
    "noise": {},
    "mixup": {"alpha": 1.0},
    "spec_mask": {"time_width": 0.3, "feature_width": 0.4},
}
FRAMEWISE = {name: values for name, values in EVERYTHING.items() if name != "mixup"}
RECORDED = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 160, "n_mels": 12}


def prepared(train_data, valid_data, **sections):
    config = load_config(quick(**{"features": {"kind": "precomputed"}, **sections}))
    return prepare(config, load_datasets(config.data_spec, train_data, valid_data))


def epoch_gradients(strategy, data, valid, **sections):
    """Gradients of the weights, summed over the steps of the first epoch."""
    keras.utils.set_random_seed(1)
    experiment = prepared(data, valid, batching={"strategy": strategy}, **sections)
    model, optimizer = experiment.model, SummingOptimizer(learning_rate=1.0)
    metrics = find_task("classification").make_metrics()
    model.compile(
        optimizer, find_task("classification").make_loss(), weighted_metrics=metrics, jit_compile=model.jit_compile
    )
    experiment = replace(experiment, step=CompiledStep(model, experiment.plan.shapes))
    run_steps(experiment, list(experiment.plan.epoch(0)))
    return [keras.ops.convert_to_numpy(variable) for variable in optimizer.sums]


@pytest.mark.parametrize("kind", ["sequences", "frames"])
def test_the_gradient_of_an_epoch_is_the_same_in_every_layout(kind):
    if kind == "sequences":
        data = classified(24, weights=np.linspace(0.2, 3, 24)), classified(20, seed=1)
        sections = {"model": MODEL, "augment": EVERYTHING, "training": {"class_weight": {"low": 0.5, "top": 4.0}}}
    else:
        data = framed(16), framed(8, seed=1)
        sections = {"model": {**STRIDED_FRAMES, "defaults": {"norm": "instance"}}, "augment": FRAMEWISE}
    with double_precision():
        found = {strategy: epoch_gradients(strategy, *data, **sections) for strategy in STRATEGIES}
        plain = epoch_gradients("packed", *data, **{**sections, "augment": {}})
    expected = found.pop("padded")
    assert any(np.abs(ours - theirs).max() > 1e-3 for ours, theirs in zip(plain, expected, strict=True))
    for strategy, gradients in found.items():
        for ours, theirs in zip(gradients, expected, strict=True):
            atol = 1e-9 * np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=atol, err_msg=strategy)


def data():
    return {"train_data": classified(44), "valid_data": classified(20, seed=1)}


AUGMENTED = {"augment": EVERYTHING, "training": {"epochs": 3, "learning_rate": 1e-2, "schedule": "cosine"}}


def test_a_resumed_run_is_the_run_that_was_not_stopped(tmp_path):
    whole = train(quick(**AUGMENTED), tmp_path / "whole", **data())
    for place in ((0, 1), (1, 2)):
        path = tmp_path / f"{place}"
        with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
            train(quick(**AUGMENTED), path, callbacks=[Stopping(*place, number=signal.SIGTERM)], **data())
        assert_same_run(resume(path, **data()), whole)


def test_other_settings_are_another_run(tmp_path):
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(quick(**AUGMENTED), tmp_path / "run", callbacks=[Stopping(1, 1)], **data())
    with pytest.raises(ConfigError, match=r"augment\.mixup\.alpha: 1\.0 then, 0\.5 now"):
        resume(tmp_path / "run", ["augment.mixup.alpha=0.5"], **data())


def test_every_epoch_is_another_and_fits_the_shapes_of_the_run():
    experiment = prepared(classified(60), classified(20, seed=1), augment=EVERYTHING)
    plan, lengths = experiment.plan, []
    for epoch in range(6):
        layouts = list(plan.epoch(epoch))
        assert {layout.shape for layout in layouts} <= set(plan.shapes)
        planned = {int(i): int(n) for layout in layouts for i, n in zip(layout.indices, layout.length, strict=True)}
        assert sorted(planned) == list(range(60))
        lengths.append(planned)
        steps = list(experiment.training_set.steps(epoch, layouts, loss_scale=1.0))
        assert [step.inputs["features"].shape[:2] for step in steps] == [layout.shape[:2] for layout in layouts]
        total = sum(step.labels.sum(axis=-1)[step.weights > 0].sum() for step in steps)
        assert total == pytest.approx(60)
    assert len({tuple(sorted(each.items())) for each in lengths}) == 6


class Twice:
    """Every third sequence twice, the others once."""

    def __init__(self, data):
        self.drawn = np.concatenate([np.arange(len(data)), np.arange(0, len(data), 3)])
        self.of = data.lengths

    def indices(self, epoch):
        return np.random.default_rng(epoch).permutation(self.drawn)

    def lengths(self, epoch):
        return self.of[self.indices(epoch)]

    def bounds(self):
        return int(self.of.min()), int(self.of.max())


@pytest.mark.parametrize("augment", [{"gain": {}}, EVERYTHING], ids=["lengths stay", "lengths change"])
def test_what_an_epoch_draws_twice_is_varied_twice_and_alike_in_every_layout(augment):
    config = load_config(quick(features={"kind": "precomputed"}, augment=augment))
    datasets = load_datasets(config.data_spec, classified(30), classified(20, seed=1))
    sampling = Twice(datasets.train)
    labels, weights = np.eye(30, dtype="float32"), np.ones(30, "float32")
    augmented = augment_training(config, datasets, shortest=3, sampling=sampling)
    training_set = TrainingSet(datasets.train, labels, weights, augmented, sampling)
    held = {}
    for strategy in STRATEGIES:
        plan = make_plan(strategy, datasets.train.lengths, draw=training_set.draw, batch_size=8)
        layouts = list(plan.epoch(1))
        steps = list(training_set.steps(1, layouts, loss_scale=1.0))
        entries = {}
        for layout, step in zip(layouts, steps, strict=True):
            columns = (layout.indices, layout.repeat, layout.row, layout.slot, layout.start, layout.length)
            for index, repeat, row, slot, start, length in zip(*(column.tolist() for column in columns), strict=True):
                values = step.inputs["features"][row, start : start + length].tobytes()
                entries[index, repeat] = values, step.labels[row, slot].tobytes()
        held[strategy] = entries
    assert held["padded"] == held["bucketed"] == held["packed"]
    assert len(held["padded"]) == 40
    assert all(held["padded"][index, 0][0] != held["padded"][index, 1][0] for index in range(0, 30, 3))


def test_validation_and_test_are_as_they_are(tmp_path):
    run = train(quick(**AUGMENTED), tmp_path / "run", **data(), test_data=classified(20, seed=2))
    assert evaluate(run.model, classified(20, seed=2), bootstrap=0).metrics["loss"] == run.metrics["test"]["loss"]
    assert evaluate(run.model, classified(20, seed=1), bootstrap=0).metrics["loss"] == run.metrics["valid"]["loss"]
    assert (run.history["loss"] > 0).all()
    notes = []
    plan = plan_again(read_run(run.path), classified(44).lengths, notes)
    assert plan.num_frames == classified(44).lengths.sum()
    assert [note for note in notes if "the batches shown are those of the sequences as they are" in note] == notes != []


def test_a_sequence_keeps_the_frames_that_the_model_needs():
    model = {"blocks": [{"filters": 4, "kernel_size": 4, "padding": "valid"}]}
    augment = {"time_stretch": {"rate": [4, 4]}}
    experiment = prepared(classified(), classified(20, seed=1), model=model, augment=augment)
    lengths = np.concatenate([layout.length for layout in experiment.plan.epoch(0)])
    assert (lengths.min(), lengths.max()) == (4, 5)


def test_a_budget_is_found_with_augmentation(capsys):
    experiment = prepared(
        classified(),
        classified(20, seed=1),
        augment=EVERYTHING,
        batching={"batch_size": None, "frames_per_batch": "auto"},
    )
    assert isinstance(experiment.config.batching.frames_per_batch, int)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Forty prompts of two languages."""
    frame = pd.read_csv(PROMPTS / "manifest.csv", dtype=str, keep_default_na=False)
    frame = frame[frame["label"].isin(["en", "ru"])].groupby("label").head(20)
    path = tmp_path_factory.mktemp("manifest") / "manifest.csv"
    frame = frame.assign(path=[str(PROMPTS / name) for name in frame["path"]], split="")
    frame[["id", "path", "label", "group", "split"]].to_csv(path, index=False)
    return path


@pytest.fixture
def noises(tmp_path):
    folder = tmp_path / "noises"
    folder.mkdir()
    soundfile.write(folder / "white.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 8000)
    list_sounds.cache_clear()
    return folder


def recorded(manifest, noises, **sections):
    background = {"folder": str(noises), "probability": 1.0, "snr": [0, 0]}
    return quick(
        data={"manifest": str(manifest), "num_workers": 0},
        features=RECORDED,
        audio_augment={"variants": 2, "speed": {"rate": [0.8, 1.25]}, "background": background},
        **sections,
    )


def test_epochs_choose_among_variants_of_the_recordings(manifest, noises):
    config = load_config(recorded(manifest, noises, augment={"time_stretch": {}}))
    experiment = prepare(config, load_datasets(config.data_spec))
    train_data, variants = experiment.data.train, experiment.data.variants
    assert [store.ids for store in variants] == [train_data.ids] * 2
    held = experiment.training_set.augmented.epoch(0)
    assert set(held.variant.tolist()) == {0, 1, 2}
    assert held.variant.tolist() != experiment.training_set.augmented.epoch(1).variant.tolist()
    steps = list(experiment.training_set.steps(0, experiment.plan.epoch(0), loss_scale=1.0))
    assert sum(int((step.weights > 0).sum()) for step in steps) == len(train_data)
    assert any("2 variants of each of" in note for note in experiment.notes)
    again = prepare(config, load_datasets(config.data_spec))
    assert [store.num_extracted for store in again.data.variants] == [0, 0]


@pytest.mark.parametrize("seconds", [0.3, 0.02])
def test_windows_are_varied_each_by_itself(manifest, seconds):
    config = load_config(
        quick(
            data={"manifest": str(manifest), "num_workers": 0, "windows": {"seconds": seconds}},
            features=RECORDED,
            audio_augment={"variants": 1, "speed": {"rate": [0.5, 0.5]}},
        )
    )
    datasets = load_datasets(config.data_spec)
    datasets = replace(datasets, train=datasets.train.subset(np.arange(0, len(datasets.train), 7)))
    train_data, (variant,) = datasets.train, with_variants(config, datasets).variants
    assert variant.ids == train_data.ids
    # Half as fast is twice as long, but for what the end of a recording cuts off.
    assert np.abs(variant.lengths - 2 * train_data.lengths).max() <= 1


@pytest.mark.parametrize(
    "features",
    [
        RECORDED,
        {**RECORDED, "sample_rate": 11025, "hop_length": 55},
        {**RECORDED, "kind": "mfcc", "n_fft": 400, "n_mfcc": 6},
        {"kind": "waveform", "sample_rate": 8000, "n_fft": 256, "hop_length": 80},
    ],
)
def test_variants_have_the_frames_of_their_windows_in_the_same_places(manifest, features):
    config = load_config(
        quick(
            data={"manifest": str(manifest), "num_workers": 0, "windows": {"seconds": 0.3}},
            features=features,
            audio_augment={"variants": 1, "background": {"snr": [90, 90], "probability": 1}},
        )
    )
    datasets = load_datasets(config.data_spec)
    datasets = replace(datasets, train=datasets.train.subset(np.arange(0, len(datasets.train), 7)))
    train_data, (variant,) = datasets.train, with_variants(config, datasets).variants
    assert variant.lengths.tolist() == train_data.lengths.tolist()
    distance = {-1: 0.0, 0: 0.0, 1: 0.0}
    for index in range(len(train_data)):
        frames, varied = train_data[index], variant[index]
        for shift in distance:
            distance[shift] += float(np.abs(frames[4:-4] - varied[4 + shift : len(varied) - 4 + shift]).sum())
    assert distance[0] < 0.5 * min(distance[-1], distance[1]), distance


def test_a_run_with_variants_is_resumed_and_knows_its_noise(manifest, noises, tmp_path):
    config = recorded(manifest, noises, training={"epochs": 2})
    whole = train(config, tmp_path / "whole")
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "run", callbacks=[Stopping(0, 1)])
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    moved = noises.rename(tmp_path / "moved")
    list_sounds.cache_clear()
    assert_same_run(resume(tmp_path / "run", [f"audio_augment.background.folder={moved}"]), whole)
    soundfile.write(moved / "white.wav", np.random.default_rng(9).uniform(-0.5, 0.5, 8000), 8000)
    list_sounds.cache_clear()
    with pytest.raises(ConfigError, match=r"audio_augment in use: '\w+' then, '\w+' now"):
        resume(tmp_path / "other", [f"audio_augment.background.folder={moved}"])


def test_arrays_have_no_variants():
    config = load_config(quick(audio_augment={"speed": {}}, features={**RECORDED, "n_mels": 3}))
    with pytest.raises(ConfigError, match=r"audio_augment \(speed\) varies recordings, but the training sequences are"):
        prepare(config, load_datasets(config.data_spec, classified(), classified(20, seed=1)))


def test_the_identity_of_a_run_without_augmentation_is_what_it_was():
    experiment = prepared(classified(), classified(20, seed=1))
    settings = RunIdentity.of(experiment.config, experiment.data).settings
    assert "audio_augment in use" not in settings
    assert settings["augment.mixup"] is None


@pytest.mark.parametrize(("too_long", "fate"), [("drop", "dropped"), ("crop", "cropped"), ("own_batch", "in wider")])
def test_stretched_sequences_that_fit_no_row_are_told_for_every_epoch(too_long, fate):
    stretch = {"rate": [0.8, 1.2], "probability": 0.15}
    sections = {
        "augment": {"time_stretch": stretch},
        "batching": {"strategy": "padded", "batch_size": None, "frames_per_batch": 21, "too_long": too_long},
        "training": {"epochs": 12},
    }
    experiment = prepared(classified(), classified(20, seed=1), **sections)
    held = experiment.training_set.augmented
    counts = [int((held.lengths(epoch) > 21).sum()) for epoch in range(12)]
    assert counts[0] == 0 < max(counts), "an epoch 0 that drops nothing must not hide what others drop"
    console = Console(file=io.StringIO(), soft_wrap=True)
    print_start(experiment, "CPU", console)
    assert f"; longer than 21 frames: by epoch 0 to {max(counts)} {fate}" in console.file.getvalue()
    placed = [sum(len(layout.indices) for layout in experiment.plan.epoch(epoch)) for epoch in range(12)]
    expected = np.subtract(40, counts) if too_long == "drop" else np.full(12, 40)
    assert placed == expected.tolist()


def test_a_stretched_sequence_that_fits_no_row_is_an_error_where_that_is_asked_for():
    sections = {
        "augment": {"time_stretch": {"rate": [0.5, 1]}},
        "batching": {"strategy": "padded", "batch_size": None, "frames_per_batch": 21, "too_long": "error"},
    }
    with pytest.raises(ManifestError, match=r"an epoch may hold a sequence of \d+ frames, but a batch holds 21\. "):
        prepared(classified(), classified(20, seed=1), **sections)
