"""scripts/compare_padding.py, shortly trained: padding moves the stock answers and leaves ours alone."""

import importlib.util
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_padding.py"
pytestmark = pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning")  # what the script is about


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compare_padding", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["compare_padding"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["compare_padding"]


@pytest.fixture(scope="module")
def splits(script):
    return script.read_data()


def logits_after(script, splits, name):
    train, test = splits
    return script.answer(script.train_model(name, train, seed=0, epochs=2), test)


def test_padding_moves_the_stock_logits(script, splits):
    logits = logits_after(script, splits, "stock")
    changes = np.abs(logits[1:] - logits[0]).max(axis=(1, 2))
    assert (changes > 0.1).all()
    # The more frames, the more of the mean is padding.
    assert (np.diff(changes) > 0).all()


def test_padding_leaves_the_logits_of_seqconv_alone(script, splits):
    logits = logits_after(script, splits, "seqconv")
    assert np.ptp(logits[0], axis=0).min() > 0.1
    for padded in logits[1:]:
        np.testing.assert_allclose(padded, logits[0], rtol=1e-4, atol=1e-5)


def test_both_stacks_start_from_the_same_weights(script):
    weights = []
    for build in (script.build_stock, script.build_seqconv):
        keras.utils.set_random_seed(3)
        weights.append(build(12, 9).get_weights())
    for stock, ours in zip(*weights, strict=True):
        np.testing.assert_array_equal(stock, ours)


def test_answers_come_in_the_order_of_the_sequences(script, splits):
    test = splits[1]
    model = script.build_seqconv(12, 9)
    logits = script.answer(model, test)
    for index in (0, 17, len(test.arrays) - 1):
        array = test.arrays[index]
        alone = model.predict_on_batch([array[None], np.ones((1, len(array)), bool)])[0]
        np.testing.assert_allclose(logits[0, index], alone, rtol=1e-4, atol=1e-5)


def test_batches_of_equal_length_need_no_padding(script, rng):
    lengths = rng.integers(1, 5, size=100)
    batches = script.cut_batches(lengths, rng, equal_length=True)
    assert sorted(np.concatenate(batches)) == list(range(100))
    assert all(len(set(lengths[batch])) == 1 for batch in batches)


def test_the_table_holds_accuracy_and_change(script):
    classes = np.array([0, 1])
    alone = np.array([[1.0, 0.0], [0.0, 1.0]])
    widths = len(script.WIDTHS)
    moved = np.array([alone] + [alone[:, ::-1] * 20] * (widths - 1))
    lines = script.table({"moving": moved[None], "still": np.array([[alone] * widths])}, classes).splitlines()
    assert lines[3].split() == ["alone", "100.0%", "100.0%"]
    assert lines[-1].split() == ["256", "0.0%", "20", "100.0%", "0"]
