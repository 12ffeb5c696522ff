"""Several models in one process: TensorFlow does not take their functions for one that is traced again and again."""

import logging

import keras
import numpy as np
import pytest

from seqconv.models import build_model
from seqconv.prediction.compiled import runner_for
from seqconv.training.step.train_step import CompiledStep, step_seconds

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a warning of TensorFlow")
COUNT = 7


@pytest.fixture
def warnings_of_tensorflow():
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("tensorflow")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def inputs(rows=1, width=4):
    slots = np.zeros((rows, width), np.int32)
    return {
        "features": np.ones((rows, width, 2), np.float32),
        "segments": slots,
        "lengths": np.full((rows, 1), width, np.int32),
    }


def test_forward_passes_and_steps_of_many_models_give_no_warning(warnings_of_tensorflow):
    for number in range(COUNT):
        model = build_model({"blocks": [{"filters": 1, "kernel_size": 1}]}, num_features=2, num_outputs=1)
        runner_for(model)(inputs())
        model.compile("sgd", "mse")
        step = CompiledStep(model)
        batch = (inputs(width=4 + number), np.zeros((1, 1, 1), np.float32), np.ones((1, 1), np.float32))
        assert len(list(step_seconds(model, [batch]))) == 1
        assert step.traces == 1
    assert [record.getMessage() for record in warnings_of_tensorflow] == []
