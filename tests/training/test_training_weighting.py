"""Every sequence weighs the same in every layout, shown on the steps that runs take."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from support.double_precision import double_precision
from support.training_data import classified, quick
from support.weighting import MODEL, STRATEGIES, SummingOptimizer, prepared

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.models import load_model
from seqconv.tasks import find_task
from seqconv.training import train
from seqconv.training.run.loop import run_steps
from seqconv.training.run.setup import prepare
from seqconv.training.step.train_step import CompiledStep


def epoch_gradients(strategy, **sections):
    """Gradients of the weights, summed over the steps of an epoch."""
    keras.utils.set_random_seed(1)
    data = classified(weights=np.linspace(0.2, 3, 40))
    training = {"epochs": 1, "class_weight": {"low": 0.5, "top": 4.0}, **sections.pop("training", {})}
    experiment = prepared(data, model=MODEL, training=training, batching={"strategy": strategy}, **sections)
    model, optimizer = experiment.model, SummingOptimizer(learning_rate=1.0)
    metrics = find_task("classification").make_metrics()
    model.compile(
        optimizer, find_task("classification").make_loss(), weighted_metrics=metrics, jit_compile=model.jit_compile
    )
    experiment = replace(experiment, step=CompiledStep(model, experiment.plan.shapes))
    run_steps(experiment, list(experiment.plan.epoch(0)))
    return len(experiment.plan), [keras.ops.convert_to_numpy(variable) for variable in optimizer.sums]


@pytest.fixture(scope="module")
def gradients_of():
    """Steps and gradients of an epoch, by strategy."""
    with double_precision():
        return {strategy: epoch_gradients(strategy) for strategy in STRATEGIES}


def test_the_gradient_of_an_epoch_is_the_same_in_every_layout(gradients_of):
    found = dict(gradients_of)
    steps = {strategy: count for strategy, (count, _) in found.items()}
    assert steps["single"] == 40
    assert len(set(steps.values())) > 1
    _, expected = found.pop("padded")
    assert all(np.abs(gradient).max() > 1e-4 for gradient in expected)
    for strategy, (_, gradients) in found.items():
        for ours, theirs in zip(gradients, expected, strict=True):
            atol = 1e-9 * np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=atol, err_msg=strategy)


def test_the_scale_is_the_users_where_there_is_one(gradients_of):
    _, expected = gradients_of["packed"]
    with double_precision():
        _, halved = epoch_gradients("packed", training={"loss_scale": 16})
    for ours, theirs in zip(halved, expected, strict=True):
        np.testing.assert_allclose(ours * 2, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_scale_of_a_batch_size_hangs_on_no_layout(strategy):
    assert prepared(batching={"strategy": strategy}).loss_scale == 8
    assert prepared(batching={"strategy": strategy, "batch_size": None}).loss_scale == 32
    assert prepared(batching={"strategy": strategy, "batch_size": 100}).loss_scale == 40


def test_the_scale_of_a_frame_budget_is_the_mean_of_its_plan():
    experiment = prepared(batching={"batch_size": None, "frames_per_batch": 64})
    assert experiment.loss_scale == 40 / len(experiment.plan)


def test_the_config_of_a_run_holds_the_scale_for_the_next_run(tmp_path):
    train(quick(batching={"batch_size": None, "frames_per_batch": 64}), tmp_path / "run", train_data=classified())
    resolved = load_config(tmp_path / "run" / "config.yaml").training.loss_scale
    assert resolved > 1
    again = load_config(tmp_path / "run" / "config.yaml", ["training.epochs=1"])
    assert prepare(again, load_datasets(again.data_spec, classified(20), classified())).loss_scale == resolved
    assert load_model(tmp_path / "run" / "model.keras").card.frames_per_batch == 64
