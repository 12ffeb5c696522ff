"""Sampling and focal loss in runs: what reaches the steps, in every layout, in every epoch, stopped or not."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from support.double_precision import double_precision
from support.prompt_files import FEATURES, write_prompts
from support.resuming import Stopping, assert_same_run
from support.training_data import classified, framed, quick
from support.weighting import MODEL, STRATEGIES, SummingOptimizer, prepared

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.tasks import find_task
from seqconv.training import resume, train
from seqconv.training.run.loop import run_steps
from seqconv.training.state.interrupts import RunStopped
from seqconv.training.step.train_step import CompiledStep

DATA = Path(__file__).parents[2] / "data"


def epoch_gradients(strategy, epoch, **training):
    keras.utils.set_random_seed(1)
    experiment = prepared(
        classified(weights=np.linspace(0.2, 3, 40)),
        model=MODEL,
        training={"epochs": 3, **training},
        batching={"strategy": strategy},
    )
    settings = ("classification", training.get("label_smoothing", 0.0), experiment.config.training.focusing)
    model, optimizer = experiment.model, SummingOptimizer(learning_rate=1.0)
    model.compile(
        optimizer,
        find_task(settings[0]).make_loss(*settings[1:]),
        weighted_metrics=find_task(settings[0]).make_metrics(*settings[1:]),
    )
    experiment = replace(experiment, step=CompiledStep(model, experiment.plan.shapes))
    run_steps(experiment, list(experiment.plan.epoch(epoch)))
    return [keras.ops.convert_to_numpy(variable) for variable in optimizer.sums]


@pytest.mark.parametrize(
    "training",
    [
        {"sampling": "balanced"},
        {"loss": "focal", "focal_gamma": 1.5, "label_smoothing": 0.1, "class_weight": "balanced"},
    ],
    ids=["sampling", "focal"],
)
def test_the_gradient_of_an_epoch_is_the_same_in_every_layout(training):
    with double_precision():
        found = {strategy: epoch_gradients(strategy, 2, **training) for strategy in STRATEGIES}
        plain = epoch_gradients("padded", 2)
    expected = found.pop("padded")
    assert all(np.abs(gradient).max() > 1e-4 for gradient in expected)
    assert not np.allclose(expected[0], plain[0], rtol=1e-2)
    for strategy, gradients in found.items():
        for ours, theirs in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9 * np.abs(theirs).max(), err_msg=strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_steps_scale_and_throughput_are_those_of_what_is_drawn(strategy):
    experiment = prepared(training={"epochs": 3, "sampling": "balanced"}, batching={"strategy": strategy})
    plan = experiment.plan
    assert experiment.steps == [plan.num_steps(epoch) for epoch in range(3)]
    assert experiment.loss_scale == 8
    lengths, labels = experiment.data.train.lengths, np.array(experiment.data.train.labels)
    for epoch in range(3):
        drawn = np.concatenate([layout.indices for layout in plan.epoch(epoch)])
        assert Counter(labels[drawn].tolist()) == {"low": 14, "mid": 13, "top": 13}
        assert plan.num_frames_of(epoch) == lengths[drawn].sum()
    assert any("an epoch draws, of those there are: low 14 of 20" in note for note in experiment.notes)


def test_a_stopped_run_that_draws_goes_on_bit_for_bit(tmp_path):
    config = quick(
        model={"blocks": [{"filters": 6, "norm": "batch", "dropout": 0.3}]},
        training={"epochs": 3, "sampling": "sqrt", "loss": "focal", "checkpoint": {"steps": 2, "minutes": None}},
    )
    parts = {"train_data": classified(44), "valid_data": classified(20, seed=1)}
    whole = train(config, tmp_path / "whole", **parts)
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "run", callbacks=[Stopping(1, 3)], **parts)
    assert_same_run(resume(tmp_path / "run", **parts), whole)
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "other", callbacks=[Stopping(1, 3)], **parts)
    with pytest.raises(ConfigError, match=r"training\.sampling: 'sqrt' then, 'balanced' now"):
        resume(tmp_path / "other", ["training.sampling=balanced"], **parts)


def test_frames_are_drawn_and_focused(tmp_path):
    config = quick(
        model={"blocks": [{"filters": 6}], "pooling": "frames"},
        training={"epochs": 6, "sampling": "balanced", "loss": "focal"},
    )
    run = train(config, tmp_path / "run", train_data=framed(40), valid_data=framed(20, 1))
    assert run.metrics["valid"]["accuracy"] > 0.6


@pytest.fixture(scope="module")
def vowels():
    """Two of the nine speakers of JapaneseVowels, one of them with a tenth of his sequences."""

    def two(part, share):
        data = Sequences.from_ts(DATA / "japanese_vowels" / f"JapaneseVowels_{part}.ts")
        labels = np.array(data.labels)
        many, few = (np.flatnonzero(labels == name) for name in ("6", "8"))
        return data.subset(np.concatenate([many, few[: max(3, round(share * len(few)))]]))

    return {"train_data": two("TRAIN", 0.1), "valid_data": two("TEST", 1.0)}


@pytest.mark.parametrize(
    "training",
    [{"sampling": "balanced"}, {"sampling": "sqrt"}, {"loss": "focal"}, {"class_weight": "balanced"}],
    ids=str,
)
def test_real_voices_of_which_one_is_rare_are_told_apart(vowels, tmp_path, training):
    config = quick(
        model={
            "defaults": {"norm": "batch", "dropout": 0.1},
            "blocks": [{"filters": 16, "kernel_size": 3}],
            "pooling": ["mean", "max"],
        },
        training={"epochs": 15, "learning_rate": 5e-3, **training},
    )
    run = train(config, tmp_path / "run", **vowels)
    assert run.metrics["valid"]["balanced_accuracy"] > 0.9


def test_what_is_drawn_again_is_varied_anew(tmp_path):
    config = quick(
        training={"epochs": 2, "sampling": "balanced"},
        augment={"noise": {}, "time_stretch": {}},
        features={"kind": "precomputed"},
    )
    parts = {"train_data": classified(40), "valid_data": classified(20, seed=1)}
    experiment = prepared(parts["train_data"], training=config["training"], augment=config["augment"])
    plan, labels = experiment.plan, np.array(parts["train_data"].labels)
    for epoch in range(2):
        layouts = list(plan.epoch(epoch))
        drawn = np.concatenate([layout.indices for layout in layouts])
        lengths = np.concatenate([layout.length for layout in layouts])
        assert Counter(labels[drawn].tolist()) == {"low": 14, "mid": 13, "top": 13}
        often = np.flatnonzero(np.bincount(drawn) > 1)
        assert any(len(set(lengths[drawn == index].tolist())) > 1 for index in often)
        batches = [data.inputs for data in experiment.training_set.steps(epoch, layouts, loss_scale=1.0)]
        assert sum(int(batch["lengths"].sum()) for batch in batches) == plan.num_frames_of(epoch) == lengths.sum()
    assert np.isfinite(train(config, tmp_path / "run", **parts).history["loss"]).all()


def test_prompts_of_which_one_language_is_rare(tmp_path):
    table = write_prompts(tmp_path)
    is_left = (
        (table["label"] == "en") | (table["split"] != "train") | (table.groupby(["label", "split"]).cumcount() < 4)
    )
    table[is_left].to_csv(tmp_path / "m.csv", index=False)
    config = quick(
        data={"manifest": str(tmp_path / "m.csv"), "num_workers": 0},
        features=FEATURES,
        model={"blocks": [{"filters": 16, "kernel_size": 5}], "pooling": ["mean", "max"]},
        training={"epochs": 12, "learning_rate": 5e-3, "sampling": "balanced", "loss": "focal"},
        evaluation={"thresholds": "f1", "positive": "fr", "calibration": "temperature", "slices": ["label"]},
    )
    run = train(config, tmp_path / "run")
    assert run.metrics["test"]["balanced_accuracy"] >= 0.75
    # The recall of a class is the accuracy on the sequences of that class.
    for name, row in run.metrics["test"]["slices"]["label"].items():
        assert row["accuracy"] == pytest.approx(run.metrics["test"]["per_class"][name]["recall"])
    assert list(run.metrics["test"]["decisions"]["thresholds"]) == ["fr"]
