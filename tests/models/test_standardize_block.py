"""The block `standardize` does for one model what `features.normalize: recording` does for a run."""

from pathlib import Path

import numpy as np
import pytest

from seqconv.features.kinds import Precomputed
from seqconv.features.statistics import finish_features
from seqconv.features.ts import read_ts
from seqconv.models import build_model
from seqconv.prediction.forward import forward
from seqconv.prediction.streaming.whole import ChunkRunner
from seqconv.sources import ArraySource

GESTURES = Path(__file__).parents[2] / "data" / "pickup_gesture" / "PickupGestureWiimoteZ_TEST.ts"
RECORDING = Precomputed(normalize="recording")


BLOCKS = [{"filters": 6, "kernel_size": 5, "strides": 2}, {"filters": 5, "kernel_size": 3, "norm": "none"}]


@pytest.fixture(scope="module")
def gestures():
    """Real ones, of very different level; one holds still for a while, and one all the time."""
    sequences = [np.array(x, np.float32) for x in read_ts(GESTURES)[0][:12]]
    sequences[3][: len(sequences[3]) // 2] = 0.7
    sequences[4][:] = 0.1
    return [np.float32(x * 10.0 ** (number % 4 - 2)) for number, x in enumerate(sequences)]


def models(*, keep_inputs, **model):
    """A model that standardizes, and the same without that block."""
    first = {"type": "standardize", "keep_inputs": keep_inputs}
    whole = build_model({"blocks": [first, *BLOCKS], **model}, num_features=1, num_outputs=3)
    rest = build_model({"blocks": BLOCKS, **model}, num_features=1 + keep_inputs, num_outputs=3)
    # Both begin with a normalization, here that of features.normalize: none.
    rng = np.random.default_rng(0)
    weights = [w + 0.3 * rng.normal(size=w.shape) ** 2 for w in rest.get_weights()[2:]]
    for model_ in (whole, rest):
        model_.set_weights([*model_.get_weights()[:2], *weights])
    return whole, rest


@pytest.mark.parametrize("model", [{"pooling": ["mean", "max"]}, {"pooling": "frames"}])
@pytest.mark.parametrize("keep_inputs", [False, True])
@pytest.mark.parametrize("strategy", ["single", "padded", "packed"])
def test_the_block_answers_as_features_that_were_normalized(gestures, keep_inputs, model, strategy):
    whole, rest = models(keep_inputs=keep_inputs, **model)
    normalized = [finish_features(x, RECORDING) for x in gestures]
    if keep_inputs:
        normalized = [np.concatenate(pair, axis=1) for pair in zip(gestures, normalized, strict=True)]
    ids = [str(index) for index in range(len(gestures))]
    found = forward(whole, ArraySource(gestures, ids), strategy=strategy)
    for ours, expected in zip(found, forward(rest, ArraySource(normalized, ids), strategy="single"), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=2e-4, atol=2e-5)


def test_the_block_takes_a_pass_of_its_own_in_chunks(gestures):
    whole, _ = models(keep_inputs=True)
    runner = ChunkRunner(whole, 32, fill=np.nan)
    for x in gestures:
        answer = runner.answer(np.split(x, [7, 30])).logits
        np.testing.assert_allclose(answer, np.asarray(whole(x[None]))[0], rtol=1e-3, atol=1e-4)


def test_level_and_scale_are_lost_unless_they_are_kept(gestures):
    for keeps in (False, True):
        whole, _ = models(keep_inputs=keeps)
        one, other = (np.asarray(whole(x[None])) for x in (gestures[0], 3 * gestures[0] + 1))
        assert np.allclose(one, other, rtol=1e-3, atol=1e-4) != keeps
