"""The model of every config, trained for a short while on its own data: one sequence, one answer."""

from pathlib import Path

import numpy as np
import pytest
from support.composed import compose, compose_digits

import seqconv
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.prediction.forward import STRATEGIES, forward
from seqconv.training import train

CONFIGS = sorted(path.name for path in (Path(seqconv.__file__).parents[1] / "configs").glob("*.yaml"))
# Their recordings are fetched.
WITHOUT_DATA = {"plaid.yaml", "prompts.yaml", "watch.yaml"}
# Enough for statistics and weights that are no longer the initial ones, for which train and valid may be the same.
SHORT = [
    "training.epochs=1",
    "training.warmup_epochs=0",
    "evaluation.bootstrap=0",
    "evaluation.report=false",
    "data.on_leak=warn",
]


def test_there_are_configs():
    families = {"attentive", "conv_lstm", "convnext", "frames", "inception", "matchboxnet", "resnet", "rocket", "tcn"}
    families |= {"conv2d", "crnn"}
    tasks = {"audio", "ctc", "events", "japanese_vowels", "pickup_gesture", "pickup_rocket", "vibration"}
    assert {f"{name}.yaml" for name in families | tasks} | WITHOUT_DATA == set(CONFIGS)


def test_the_whole_corpus_is_learned_by_the_model_of_the_subset():
    """Its recordings are not here, so it is not among the models below."""
    whole, subset = load_config("prompts.yaml"), load_config("audio.yaml")
    assert whole.model == subset.model
    assert whole.features == subset.features


def test_currents_are_learned_by_the_model_of_gestures():
    assert load_config("plaid.yaml").model == load_config("pickup_gesture.yaml").model


def test_data_that_is_not_there_yet_comes_by_a_command():
    for name in WITHOUT_DATA:
        assert "python scripts/" in (load_config(name).data.made_by or ""), name


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in WITHOUT_DATA])
def test_all_test_sequences_get_the_same_answer_in_every_layout(name, tmp_path):
    here = []
    if name == "events.yaml":
        made = compose(tmp_path / "composed", num_recordings=18)
        here = [f"data.manifest={made / 'manifest.csv'}", f"data.events={made / 'events.csv'}"]
    if name == "ctc.yaml":
        here = [f"data.manifest={compose_digits(tmp_path / 'digits', num_strings=300) / 'manifest.csv'}"]
    config = load_config(name, [*SHORT, *here])
    data = load_datasets(config.data_spec)
    # A few steps are enough, and there are many configs.
    part = data.train if len(data.train) < 1000 else data.valid
    scored = {"test_data": data.test} if data.valid is None else {"valid_data": data.valid}
    parts = {} if config.data.windows or config.data.events else {"train_data": part, **scored}
    model = train(config, tmp_path / "run", **parts).model
    test = data.test
    layouts = [name for name in STRATEGIES if name != "auto" and (name != "packed" or model.packable)]
    logits = {layout: forward(model, test, strategy=layout) for layout in layouts}
    assert {len(found) for found in logits.values()} == {len(test)}
    if model.predicts_frames:
        logits = {layout: np.concatenate(frames) for layout, frames in logits.items()}
    alone = logits.pop("single")
    assert len(test) >= 42
    assert len(logits) >= 2
    # A ridge adds up thousands of products as large as its logits, which may cancel.
    atol = 1e-5 * max(1.0, np.abs(alone).max()) if config.training.is_closed_form else 1e-5
    for layout, found in logits.items():
        np.testing.assert_allclose(found, alone, rtol=1e-4, atol=atol, err_msg=layout)
    if config.target.task == "regression":
        return
    top_two = np.sort(alone, axis=1)[:, -2:]
    # Two classes closer than the tolerance may change places.
    is_clear = top_two[:, 1] - top_two[:, 0] > 1e-4
    assert is_clear.mean() > 0.99
    for layout, found in logits.items():
        np.testing.assert_array_equal(found[is_clear].argmax(axis=1), alone[is_clear].argmax(axis=1), err_msg=layout)
