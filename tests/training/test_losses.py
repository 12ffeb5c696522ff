"""Focal loss and labels that are missing: against Keras where it is right, and in every layout."""

import keras
import numpy as np
import pytest
from keras import ops

from seqconv.tasks import find_task
from seqconv.tasks.losses import FocalCrossentropy, LabelCrossentropy, focal_crossentropy, label_crossentropy

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (5, 3, 4)).astype("float32")
CLASSES = np.eye(4, dtype="float32")[RNG.integers(4, size=(5, 3))]
TAGS = RNG.integers(2, size=(5, 3, 4)).astype("float32")


def values(losses):
    return ops.convert_to_numpy(losses)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_that_of_keras_where_probabilities_are_moderate(gamma, label_smoothing):
    theirs = keras.losses.CategoricalFocalCrossentropy(
        alpha=1.0, gamma=gamma, from_logits=True, label_smoothing=label_smoothing, reduction=None
    )
    ours = focal_crossentropy(CLASSES, LOGITS, gamma, label_smoothing)
    np.testing.assert_allclose(values(ours), values(theirs(CLASSES, LOGITS)), rtol=1e-4, atol=1e-6)
    if not label_smoothing:
        theirs = keras.losses.BinaryFocalCrossentropy(gamma=gamma, from_logits=True, reduction=None)
        ours = label_crossentropy(TAGS, LOGITS, gamma)
        np.testing.assert_allclose(values(ours), values(theirs(TAGS, LOGITS)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_without_focus_it_is_the_cross_entropy(label_smoothing):
    options = {"from_logits": True, "label_smoothing": label_smoothing}
    plain = keras.losses.categorical_crossentropy(CLASSES, LOGITS, **options)
    np.testing.assert_allclose(
        values(focal_crossentropy(CLASSES, LOGITS, 0.0, label_smoothing)), values(plain), rtol=1e-5
    )
    plain = keras.losses.binary_crossentropy(TAGS, LOGITS, **options)
    np.testing.assert_allclose(values(label_crossentropy(TAGS, LOGITS, 0.0, label_smoothing)), values(plain), rtol=1e-5)


def gradient(loss, targets, logits):
    """By TensorFlow, JAX or PyTorch, whichever runs: as the weights of a model that returns them."""
    variable = keras.Variable(logits)

    class Constant(keras.Model):
        def __init__(self):
            super().__init__()
            self.logits = variable

        def call(self, inputs):
            return self.logits + 0 * inputs

    model = Constant()
    model.compile(keras.optimizers.SGD(1.0), loss=loss)
    model.fit(np.zeros_like(logits), targets, batch_size=len(logits), shuffle=False, verbose=0)
    return logits - ops.convert_to_numpy(variable)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("size", [60.0, 1e4])
def test_a_model_that_is_sure_of_the_wrong_class_still_learns(gamma, size):
    logits = np.array([[size, -size], [size, -size]], "float32")
    found = gradient(FocalCrossentropy(gamma, reduction="sum"), np.array([[0, 1], [1, 0]], "float32"), logits)
    np.testing.assert_allclose(found[0], [1, -1], rtol=1e-3)
    np.testing.assert_allclose(found[1], 0, atol=1e-3)
    found = gradient(LabelCrossentropy(gamma, reduction="sum"), np.array([[0, 1], [1, 0]], "float32"), logits)
    np.testing.assert_allclose(found[0], [0.5, -0.5], rtol=1e-3)
    np.testing.assert_allclose(found[1], 0, atol=1e-3)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_a_missing_label_has_neither_loss_nor_gradient(gamma, label_smoothing):
    is_missing = RNG.random(TAGS.shape) < 0.4
    is_missing[0, 0] = True
    with_missing = np.where(is_missing, -1, TAGS).astype("float32")
    found = values(label_crossentropy(with_missing, LOGITS, gamma, label_smoothing))
    for place in np.ndindex(found.shape):
        known = ~is_missing[place]
        if not known.any():
            assert found[place] == 0
            continue
        alone = label_crossentropy(TAGS[place][known][None], LOGITS[place][known][None], gamma, label_smoothing)
        assert found[place] == pytest.approx(values(alone)[0], rel=1e-5)
    slopes = gradient(LabelCrossentropy(gamma, label_smoothing, reduction="sum"), with_missing, LOGITS)
    assert np.all(slopes[is_missing] == 0)
    assert np.all(slopes[~is_missing] != 0)


@pytest.mark.parametrize(("task", "targets"), [("classification", CLASSES), ("multilabel", TAGS)])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_the_metric_is_the_weighted_mean_of_the_loss(task, targets, gamma):
    weights = RNG.random((5, 3)).astype("float32")
    weights[0, 1] = 0
    total = find_task(task).make_loss(0.1, gamma)(targets, LOGITS, sample_weight=weights)
    metric = find_task(task).make_metrics(0.1, gamma)[0]
    metric.update_state(targets, LOGITS, sample_weight=weights)
    assert float(metric.result()) == pytest.approx(float(total) / weights.sum(), rel=1e-5)


def test_losses_are_saved_with_a_model_and_come_back():
    for loss in (FocalCrossentropy(1.5, 0.1, reduction="sum"), LabelCrossentropy(1.5, 0.1, reduction="sum")):
        again = keras.losses.deserialize(keras.losses.serialize(loss))
        assert type(again) is type(loss)
        assert again.get_config() == loss.get_config()
