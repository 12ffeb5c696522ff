"""The loss of CTC: what alignments one by one say, and torch, and Keras; and the same in every layout."""

import functools
import itertools
import operator

import keras
import numpy as np
import pytest
from keras import ops
from support.contract_checks import check_training
from support.double_precision import double_precision
from support.extras import require
from support.random_models import NUM_OUTPUTS
from support.recorder import Recorder

from seqconv.batching import TokenTargets
from seqconv.models import build_model
from seqconv.tasks.ctc import ctc_losses
from seqconv.tasks.ctc_arrays import label_losses
from seqconv.testing.layouts import plans_in_one_step


@pytest.fixture(autouse=True)
def precise(request):
    """On every backend, float64 stays what it is."""
    with double_precision():
        yield


LABELS = [[], [1], [2, 2], [1, 2, 1], [3, 3, 3], [1, 2, 3, 1], [2, 2, 1, 1]]


def states(tokens, blank=0):
    """Blank, token, blank, ..., blank."""
    return [blank, *itertools.chain.from_iterable((token, blank) for token in tokens)]


def encoded(labels, blank=0):
    """Rows of the number of states, and the states."""
    rows = np.zeros((len(labels), 2 + 2 * max(map(len, labels))), np.int32)
    for row, tokens in zip(rows, labels, strict=True):
        found = states(tokens, blank)
        row[: 1 + len(found)] = [len(found), *found]
    return rows


def placed_alone(labels, frames, blank=0):
    """Labels of rows with one sequence each, which begins with the row."""
    rows = encoded(labels, blank)
    return np.concatenate([np.zeros((len(rows), 1), int), np.asarray(frames)[:, None], rows], axis=1)[:, None]


def widened(logits, width):
    """Rows of one width, NaN after the end: on JAX, each width costs seconds."""
    rows = np.full((len(logits), width, logits[0].shape[1]), np.nan)
    for row, values in zip(rows, logits, strict=True):
        row[: len(values)] = values
    return ops.convert_to_tensor(rows, "float64")


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def sum_of_paths(logits, tokens, blank):
    """The loss by its definition: the sum over every way to choose one output in each frame."""
    logs, total = log_softmax(logits), -np.inf
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        if [k for k, _ in itertools.groupby(path) if k != blank] == list(tokens):
            total = np.logaddexp(total, sum(logs[t, k] for t, k in enumerate(path)))
    return -total


class Learned(keras.Model):
    """Logits that are weights, so that a step of training tells their gradient."""

    def __init__(self, logits, loss):
        super().__init__(dtype="float64")
        self.loss_of = loss
        self.logits = self.add_weight(shape=logits.shape, name="logits")
        self.logits.assign(logits)

    def call(self, inputs):
        return self.loss_of(self.logits + 0.0) + 0 * inputs


def gradient(loss, logits):
    """Of a function of the logits."""
    model = Learned(logits, loss)
    model.compile(optimizer=Recorder(), loss=lambda _, total: ops.sum(total), run_eagerly=True)
    model(np.zeros(1))
    model.train_on_batch(np.zeros(1), np.zeros(1))
    return ops.convert_to_numpy(model.optimizer.recorded[0].value)


@pytest.mark.parametrize("blank", [0, 2])
def test_the_loss_is_that_of_all_alignments(blank):
    rng = np.random.default_rng(blank)
    seen = set()
    for _ in range(40):
        frames = int(rng.integers(1, 7))
        tokens = rng.choice([token for token in range(3) if token != blank], size=rng.integers(0, 4)).tolist()
        logits = 3 * rng.normal(size=(frames, 3))
        expected = sum_of_paths(logits, tokens, blank)
        seen.add(bool(np.isfinite(expected)))
        found = ctc_losses(placed_alone([tokens, [0] * 4], [frames, 0], blank)[:1], widened([logits], 6))
        assert float(found[0, 0]) == pytest.approx(expected, rel=1e-12)
    assert seen == {True, False}


def test_a_row_of_several_sequences_says_what_each_alone_says():
    rng = np.random.default_rng(1)
    lengths = [len(tokens) * 2 + 3 for tokens in LABELS]
    each = [rng.normal(size=(length, 4)) for length in lengths]
    alone = ops.convert_to_numpy(ctc_losses(placed_alone(LABELS, lengths), widened(each, 15)))[:, 0]
    # In slots out of order, an unused one among them, and with values between them that nothing may read.
    starts = np.cumsum([3, *[length + 2 for length in lengths[:-1]]])
    row = np.full((1, starts[-1] + lengths[-1] + 4, 4), np.nan)
    for start, values in zip(starts, each, strict=True):
        row[0, start : start + len(values)] = values
    slots = [6, 2, 0, 1, 4, 7, 5]
    placed = np.zeros((1, 9, 2 + encoded(LABELS).shape[1]), np.int32)
    placed[0, slots] = np.concatenate([np.stack([starts, lengths], axis=1), encoded(LABELS)], axis=1)
    found = ops.convert_to_numpy(ctc_losses(placed, ops.convert_to_tensor(row, "float64")))
    np.testing.assert_allclose(found[0, slots], alone, rtol=1e-12)
    assert not found[0, [3, 8]].any()


def test_loss_and_gradient_are_those_of_torch():
    require("torch")
    import torch

    rng = np.random.default_rng(2)
    frames, labels = rng.integers(9, 30, size=7), [*LABELS[1:], [1]]
    logits = 2 * rng.normal(size=(7, 30, 4))
    weights = rng.uniform(0.5, 2, size=7)
    theirs = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    losses = torch.nn.functional.ctc_loss(
        theirs.log_softmax(-1).transpose(0, 1),
        torch.tensor(functools.reduce(operator.iadd, labels, [])),
        torch.tensor(frames),
        torch.tensor([len(tokens) for tokens in labels]),
        reduction="none",
    )
    (losses * torch.tensor(weights)).sum().backward()
    placed = placed_alone(labels, frames)
    found = ctc_losses(placed, ops.convert_to_tensor(logits, "float64"))
    np.testing.assert_allclose(ops.convert_to_numpy(found)[:, 0], losses.detach().numpy(), rtol=1e-11)
    factors = ops.convert_to_tensor(weights, "float64")
    ours = gradient(lambda values: ops.sum(ctc_losses(placed, values)[:, 0] * factors), logits)
    np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-9, atol=1e-13)


def test_the_loss_in_32_bits_is_that_of_keras():
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(6, 40, 4)).astype("float32")
    labels, frames = LABELS[1:], np.array([40, 31, 22, 40, 12, 9])
    padded = np.array([tokens + [0] * (4 - len(tokens)) for tokens in labels], np.int32)
    sizes = np.array([len(tokens) for tokens in labels], np.int32)
    theirs = ops.nn.ctc_loss(padded, logits, sizes, frames.astype(np.int32), mask_index=0)
    found = ctc_losses(placed_alone(labels, frames), logits)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(found)[:, 0], ops.convert_to_numpy(theirs), rtol=1e-5)


def test_a_label_that_cannot_be_said_costs_infinitely_much_and_pulls_nowhere():
    logits = np.random.default_rng(4).normal(size=(3, 3, 4))
    placed = placed_alone([[1, 1], [1, 1, 1], [1]], [3, 3, 0])
    found = ops.convert_to_numpy(ctc_losses(placed, logits))[:, 0]
    assert np.isfinite(found).tolist() == [True, False, False]
    slope = gradient(lambda values: ops.sum(ctc_losses(placed, values)[:1]), logits)
    assert np.isfinite(slope).all()
    assert slope[0].any()
    assert not slope[1:].any()


def test_long_and_sure_sequences_stay_exact_in_32_bits():
    # A model that is all but sure, and one that is all but surely wrong, over thousands of frames.
    path = np.repeat([[0, 1, 0, 2]], 500, axis=0).ravel()
    tokens = [token for token in path.tolist() if token]
    for height in (30.0, -30.0):
        logits = height * np.eye(3)[path][None]
        placed = placed_alone([tokens], [len(path)])
        exact = float(ctc_losses(placed, ops.convert_to_tensor(logits, "float64"))[0, 0])
        found = float(ctc_losses(placed, ops.convert_to_tensor(logits, "float32"))[0, 0])
        assert np.isfinite(exact)
        assert found == pytest.approx(exact, rel=1e-5, abs=1e-3)


def test_half_precision_is_computed_in_32_bits():
    logits = np.random.default_rng(5).normal(size=(1, 300, 4)).astype("float32")
    placed = placed_alone([[1, 2]], [300])
    half = ops.cast(logits, "bfloat16")
    found, expected = ctc_losses(placed, half), ctc_losses(placed, ops.cast(half, "float32"))
    assert float(found[0, 0]) == float(expected[0, 0])


@pytest.mark.parametrize("stride", [1, 2])
def test_loss_and_gradients_of_a_model_are_the_same_in_every_layout(stride):
    rng = np.random.default_rng(6)
    lengths = [31, 8, 54, 17, 40]
    arrays = [rng.normal(size=(length, 3)).astype("float32") for length in lengths]
    blocks = [{"filters": 6, "kernel_size": 5, "strides": stride}, {"filters": 5, "kernel_size": 3}]
    with double_precision():
        model = build_model({"blocks": blocks, "pooling": "frames"}, num_features=3, num_outputs=NUM_OUTPUTS)
        targets = TokenTargets(encoded([[1, 2, 2], [2], [1, 1, 2, 1], [2], [2, 1]]), model.time_geometry)
        plans = plans_in_one_step(lengths, model.time_geometry, packable=True)
        check_training(model, arrays, plans, (1e-9, 1e-9), rng, targets)


def test_no_output_number_is_rounded_where_products_are(monkeypatch):
    # Graphics processors multiply float32 in 11 bits by default: 2049 would become 2048. A CPU has to be made to.
    exact = ops.matmul

    def coarse(values):
        return ops.cast(ops.cast(values, "float16"), "float32")

    monkeypatch.setattr(ops, "matmul", lambda one, other: exact(coarse(one), coarse(other)))
    logits = np.random.default_rng(7).normal(size=(1, 7, 2100)).astype("float32")
    found = ctc_losses(placed_alone([[2049, 2051, 2049]], [7]), logits)
    expected = label_losses([log_softmax(logits[0].astype("float64"))], [np.array([2049, 2051, 2049])])
    assert float(found[0, 0]) == pytest.approx(expected[0], rel=1e-5)
