"""Models that predict frames: one answer, one loss and one gradient in every layout, NaN wherever nothing may look."""

import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss
from support.training_data import PLAIN_FRAMES, STRIDED_FRAMES, framed

from seqconv.batching import FrameTargets, make_batch, make_plan, unpack_frames
from seqconv.models import build_model, load_model
from seqconv.prediction.forward import STRATEGIES, forward
from seqconv.tasks import find_task
from seqconv.tasks.target import fit_target


def alone(model, sequence):
    """Logits of the frames of one sequence by itself."""
    return keras.ops.convert_to_numpy(model(sequence[None], training=False))[0]


def targets_of(data, target, stride, **options):
    return FrameTargets(target.encode_frames(data.labels), target.num_outputs, stride, **options)


class RecordingOptimizer(keras.optimizers.SGD):
    """Keeps the gradients that training applies, and changes nothing."""

    def apply(self, grads, trainable_variables=None):
        self.recorded = [keras.ops.convert_to_numpy(grad) for grad in grads]


def one_step(model, strategy, data, targets, weights):
    """Reported and summed loss, gradients and moved statistics of a step over all sequences, NaN in the padding."""
    before, optimizer = model.get_weights(), RecordingOptimizer()
    model.compile(
        optimizer,
        find_task("classification").make_loss(),
        weighted_metrics=find_task("classification").make_metrics(),
        run_eagerly=True,
    )
    plan = make_plan(strategy, data.lengths, batch_size=len(data), time_geometry=model.time_geometry)
    (layout,) = plan.epoch(0)
    batch = make_batch(layout, data, labels=targets, weights=weights, fill=np.nan)
    logs = model.train_on_batch(batch.as_inputs(), batch.labels, sample_weight=batch.weights / 8, return_dict=True)
    after = model.get_weights()
    model.set_weights(before)
    return logs, optimizer.recorded, after


@pytest.mark.parametrize("config", [PLAIN_FRAMES, STRIDED_FRAMES], ids=["plain", "strided"])
@pytest.mark.parametrize("frame_weight", [None, 0.1])
def test_loss_gradients_and_statistics_are_the_same_in_every_layout(config, frame_weight):
    data = framed(8)
    target = fit_target("classification", data.labels, kind="frame")
    keras.utils.set_random_seed(0)
    model = build_model(config, num_features=3, num_outputs=3)
    targets = targets_of(data, target, model.total_stride, frame_weight=frame_weight)
    weights = np.linspace(0.5, 2, len(data))
    (logs, gradients, after), *others = (
        one_step(model, strategy, data, targets, weights) for strategy in ("padded", "packed")
    )
    assert np.isfinite([*logs.values()]).all()
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
    for other_logs, other_gradients, other_after in others:
        assert other_logs == pytest.approx(logs, rel=1e-5)
        for ours, theirs in zip(other_gradients, gradients, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
        for ours, theirs in zip(other_after, after, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_loss_is_what_each_sequence_alone_says():
    data = framed(6)
    target = fit_target("classification", data.labels, kind="frame")
    model = build_model(STRIDED_FRAMES, num_features=3, num_outputs=3)
    model(data[0][None])
    labels = target.encode_frames(data.labels)
    expected, probabilities = [], []
    for index in range(len(data)):
        logits = alone(model, data[index]).astype(np.float64)
        truth = labels[index][::2]
        chosen = truth >= 0
        power = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities.append(power / power.sum(axis=1, keepdims=True))
        expected.append(log_loss(truth[chosen], probabilities[-1][chosen], labels=[0, 1, 2]))
    (layout,) = make_plan("packed", data.lengths, batch_size=6, time_geometry=model.time_geometry).epoch(0)
    batch = make_batch(layout, data, labels=targets_of(data, target, 2), fill=np.nan)
    task = find_task("classification")
    model.compile("sgd", task.make_loss())
    total = model.test_on_batch(batch.as_inputs(), batch.labels, sample_weight=batch.weights / 6)
    assert total == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("config", [PLAIN_FRAMES, STRIDED_FRAMES], ids=["plain", "strided"])
def test_forward_gives_each_sequence_its_frames_in_every_layout(config, tmp_path):
    data = framed(20)
    model = build_model(config, num_features=3, num_outputs=3)
    expected = [alone(model, data[index]) for index in range(len(data))]
    assert [len(frames) for frames in expected] == [-(-length // model.total_stride) for length in data.lengths]
    for strategy in STRATEGIES:
        found = forward(model, data, strategy=strategy)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "m.keras")
    for ours, theirs in zip(forward(load_model(tmp_path / "m.keras"), data), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_unpacked_frames_of_a_batch_are_those_of_the_model():
    data = framed(5)
    model = build_model(STRIDED_FRAMES, num_features=3, num_outputs=3)
    (layout,) = make_plan("packed", data.lengths, batch_size=5, time_geometry=model.time_geometry).epoch(0)
    logits = model.predict_on_batch(make_batch(layout, data, fill=np.nan).as_inputs())
    for index, frames in zip(layout.indices, unpack_frames(logits, layout, model.time_geometry), strict=True):
        np.testing.assert_allclose(frames, alone(model, data[index]), rtol=1e-4, atol=1e-5)
