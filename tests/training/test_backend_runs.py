"""Properties on every backend: this file runs on the one that Keras runs on, `test_backends.py` on all of them."""

import contextlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from support.extras import require
from support.resuming import RICH, Stopping, assert_same_run, data
from support.training_data import classified, quick

from seqconv.batching import make_batch, plan_padded
from seqconv.config import load_config
from seqconv.config.backends import TITLES, choose_backend, running_backend
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.evaluation import evaluate
from seqconv.models import SequenceModel, build_model, load_model
from seqconv.prediction import compiled
from seqconv.prediction.forward import forward
from seqconv.tasks import find_task
from seqconv.training import resume, train
from seqconv.training.run.runtime import device_name, list_devices, machine_for, uses_xla
from seqconv.training.state.interrupts import RunStopped

BACKEND = keras.backend.backend()
OTHER = next(name for name in ("tensorflow", "jax", "torch") if name != BACKEND)
NOISY = {"defaults": {"norm": "batch", "dropout": 0.3}, "blocks": [{"filters": 6, "kernel_size": 3}]}


def test_the_same_seed_gives_the_same_run(tmp_path, capsys):
    config = quick(model=NOISY, backend=BACKEND)
    runs = [train(config, tmp_path / name, train_data=classified()) for name in ("first", "second")]
    other = train({**config, "seed": 1}, tmp_path / "other", train_data=classified())
    first, second = (run.model.get_weights() for run in runs)
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert runs[0].metrics == runs[1].metrics
    assert any((ours != theirs).any() for ours, theirs in zip(first, other.model.get_weights(), strict=True))
    assert f"on {list_devices()[0]}" in capsys.readouterr().out


# JAX compiles each run anew, for most of a minute.
@pytest.mark.parametrize("place", [(1, 1)] if BACKEND == "jax" else [(1, 1), (2, "end")], ids=str)
def test_a_stopped_run_goes_on_at_its_step(tmp_path, place):
    config = quick(**{**RICH, "backend": BACKEND})
    whole = train(config, tmp_path / "whole", **data())
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "run", callbacks=[Stopping(*place)], **data())
    assert_same_run(resume(tmp_path / "run", **data()), whole)


@pytest.mark.parametrize("strategy", ["packed", "bucketed", "padded", "single"])
def test_a_run_in_every_layout_is_scored_alike(tmp_path, strategy):
    batching = {"strategy": strategy, "max_shapes": 17 if strategy == "single" else 4}
    run = train(quick(batching=batching), tmp_path / "run", train_data=classified())
    again = evaluate(load_model(tmp_path / "run" / "model.keras"), classified(20, seed=1), bootstrap=0)
    here = evaluate(run.model, classified(20, seed=1), strategy=strategy, bootstrap=0)
    assert again.metrics["loss"] == pytest.approx(here.metrics["loss"], rel=1e-5)


def test_many_lengths_are_few_shapes_where_each_is_compiled():
    data = Sequences([np.full((n, 2), n / 41, "float32") for n in range(1, 42)])
    model = build_model({"blocks": [{"filters": 3}], "pooling": ["mean", "max"]}, num_features=2, num_outputs=2)
    widths, original = set(), model.predict_on_batch
    model.predict_on_batch = lambda inputs: (widths.add(inputs["features"].shape[1]), original(inputs))[1]
    single = forward(model, data, strategy="single")
    assert len(widths) == {"tensorflow": 0, "jax": 18, "torch": 41}[BACKEND]
    np.testing.assert_allclose(single, forward(model, data, strategy="packed"), rtol=1e-4, atol=1e-5)


def test_nothing_runs_uncompiled_beside_the_compiled_model():
    """Keras on JAX runs a model with an unbuilt layer once more before each batch, one operation at a time."""
    blocks = [{"filters": 4, "norm": "instance"}, {"type": "squeeze_excite"}, {"type": "attention", "num_heads": 2}]
    poolings = ["mean", "max", {"type": "attentive_statistics", "units": 3, "context": True}]
    model = build_model({"blocks": blocks, "pooling": poolings}, num_features=4, num_outputs=2)
    assert [layer.name for layer in model._flatten_layers() if not layer.built] == []


def test_a_model_may_die_that_was_run():
    model = build_model({"blocks": [{"filters": 3}]}, num_features=2, num_outputs=2)
    forward(model, Sequences([np.ones((4, 2))]))
    reference = compiled._runners[model]
    assert all(cell.cell_contents is not model for cell in reference.__closure__)


def test_another_backend_is_refused_with_both_names_and_the_remedy(tmp_path):
    require(OTHER)
    with pytest.raises(ConfigError, match=rf"backend is '{OTHER}', but Keras runs on '{BACKEND}'.*KERAS_BACKEND="):
        train(quick(backend=OTHER), tmp_path / "run", train_data=classified())
    assert not (tmp_path / "run").exists()
    with machine_for(load_config({"backend": BACKEND})) as device:
        assert TITLES[BACKEND] in device


def test_an_unknown_backend_is_refused_by_its_key():
    with pytest.raises(ConfigError, match="backend: expected 'tensorflow', 'jax' or 'torch', got 'mxnet'"):
        load_config({"backend": "mxnet"})


def test_a_backend_that_is_not_installed_is_refused_with_the_pip_command(monkeypatch):
    monkeypatch.setattr("seqconv.config.backends.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"{TITLES[OTHER]} is not installed.*pip install {OTHER}"):
        choose_backend(OTHER)
    assert running_backend() == BACKEND


def test_a_command_says_what_is_wrong_with_the_environment(tmp_path):
    model, array = tmp_path / "model.keras", tmp_path / "x.npy"
    card = {"features": {"kind": "precomputed"}}
    build_model({"blocks": [{"filters": 2}]}, num_features=2, num_outputs=2, card=card).save(model)
    np.save(array, np.zeros((9, 2)))
    environment = {**os.environ, "KERAS_BACKEND": "mxnet"}
    command = [sys.executable, "-m", "seqconv", "predict", "--model", model, array]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Keras does not start: Unable to import backend : mxnet. Set KERAS_BACKEND")


def test_a_device_can_be_named_and_computes_the_same(tmp_path):
    assert list_devices()[-1] == "CPU:0"
    assert device_name("cpu") == "CPU:0"
    with pytest.raises(ConfigError, match=rf"'GPU:7', but {TITLES[BACKEND]} sees {list_devices()[0]}"):
        train(quick(training={"device": "GPU:7"}), tmp_path / "run", train_data=classified())
    named, chosen = (
        train(quick(training={"device": device}), tmp_path / str(device), train_data=classified())
        for device in ("cpu", None)
    )
    assert named.metrics == chosen.metrics


def test_what_is_compiled_by_itself():
    # None: measured.
    by_itself = {"tensorflow": None if list_devices()[0].startswith("GPU") else False, "jax": True, "torch": False}
    assert uses_xla(load_config({})) is by_itself[BACKEND]
    free = {"tensorflow": None, "jax": True, "torch": False}
    assert uses_xla(load_config({"training": {"deterministic": False}})) is free[BACKEND]
    assert uses_xla(load_config({"training": {"jit_compile": True}}))


def test_what_is_compiled_is_counted(tmp_path, caplog):
    """On JAX, against what JAX says itself."""
    with caplog.at_level("WARNING"), jax_logs_compilations():
        run = train(
            quick(batching={"strategy": "bucketed", "max_shapes": 2}), tmp_path / "run", train_data=classified()
        )
    count = json.loads((run.path / "model.json").read_text())["compilations"]
    assert count == {"tensorflow": None, "jax": 2, "torch": None}[BACKEND]
    if BACKEND == "jax":
        told = [record.getMessage() for record in caplog.records]
        assert sum(text.startswith("Finished XLA compilation of jit(train_step)") for text in told) == count


def jax_logs_compilations():
    if BACKEND != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.log_compiles()


def test_neither_an_epoch_nor_its_validation_traces_the_model_anew(tmp_path, monkeypatch):
    if BACKEND == "torch":
        pytest.skip("PyTorch runs the model itself, it traces nothing")
    original, counts = SequenceModel.call, []

    def call(self, inputs, training=None):
        counts[-1] += 1
        return original(self, inputs, training)

    monkeypatch.setattr(SequenceModel, "call", call)
    for epochs in (1, 4):
        counts.append(0)
        config = quick(training={"epochs": epochs, "schedule": "cosine"}, batching={"max_shapes": 1})
        train(config, tmp_path / str(epochs), train_data=classified())
    assert 0 < counts[0] == counts[1]


def test_training_learns_statistics_and_drops_out():
    """Keras on JAX trains through `call`, which must pass on that this is training."""
    data = make_batch(plan_padded([5] * 4, batch_size=4).epoch(0)[0], [np.ones((5, 2))] * 4, labels=np.eye(4))
    losses = {}
    for rate in (0.0, 0.5):
        config = {"defaults": {"norm": "none", "dropout": rate}, "blocks": [{"filters": 6}], "dense_dropout": rate}
        model = build_model(config, num_features=2, num_outputs=4)
        model.compile(keras.optimizers.SGD(0.0), loss=find_task("classification").make_loss())
        steps = [model.train_on_batch(data.as_inputs(), data.labels, data.weights) for _ in range(3)]
        losses[rate] = {float(loss) for loss in steps}
    assert len(losses[0.0]) == 1
    assert len(losses[0.5]) > 1
    model = build_model({"blocks": [{"filters": 6, "norm": "batch"}]}, num_features=2, num_outputs=4)
    model.compile(keras.optimizers.SGD(0.0), loss=find_task("classification").make_loss())
    before = {v.path: keras.ops.convert_to_numpy(v) for v in model.non_trainable_variables}
    model.train_on_batch(data.as_inputs(), data.labels, data.weights)
    after = {v.path: keras.ops.convert_to_numpy(v) for v in model.non_trainable_variables}
    moved = [path for path, value in after.items() if np.abs(value - before[path]).max() > 1e-3]
    assert moved == ["block0_norm/moving_mean", "block0_norm/moving_variance"]
