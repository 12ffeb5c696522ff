"""Inference: sequences answered in a second, by the same network in seqconv and in plain Keras."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.data import Data, make_noise
from benchmarks.lengths import Lengths, choose_lengths, read_lengths
from benchmarks.networks import BATCH_SIZE, MODEL_CONFIG, NUM_CLASSES, NUM_FEATURES, as_users_do, stock_network
from benchmarks.results import Comparison
from benchmarks.rounds import run_rounds
from benchmarks.settings import Settings
from benchmarks.stock_training import seconds_of
from seqconv.config.backends import start_keras

SPEED = "sequences/s"
OURS = "seqconv"
NUM_LOGNORMAL = 2780
# What takes milliseconds a sequence is measured on as many, drawn anew each round.
NUM_ALONE = 150
NUM_PADDED = 12 * BATCH_SIZE


@dataclass(frozen=True)
class Answering:
    """Answers `num_sequences` drawn for each round, or all of them."""

    name: str
    data: Data
    answer: Callable[[Lengths], object]
    note: str
    num_sequences: int | None = None

    @property
    def lengths(self) -> str:
        return self.data.name

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Answer them once."""
        order = np.random.default_rng(round_number).permutation(len(self.data.lengths))[: self.num_sequences]
        with as_users_do():
            return {SPEED: len(order) / seconds_of(lambda: self.answer(order))}


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison for each distribution of lengths."""
    names = choose_lengths(settings, ("prompts",))
    start_keras()
    for name in names:
        data = make_noise(name, read_lengths(name, settings, num_lognormal=NUM_LOGNORMAL))
        series = run_rounds([entry for entry in _contestants(data) if settings.takes(entry.name)], settings)
        yield Comparison(
            "inference",
            f"inference: {name}, {len(data.lengths):,} sequences, {data.lengths.sum():,} frames",
            series,
            compared=SPEED,
            ratios=[(OURS, entry.contestant) for entry in series if entry.contestant != OURS],
        )


def _contestants(data: Data) -> list[Answering]:
    from seqconv.models import build_model

    ours = build_model(MODEL_CONFIG, num_features=NUM_FEATURES, num_outputs=NUM_CLASSES)
    stock, masking = stock_network(), None
    with as_users_do():
        masking = stock_network(masking=True)
    alone = f"plain Keras; {NUM_ALONE} sequences drawn each round"
    padded = f"plain Keras, tf.data; {NUM_PADDED} sequences drawn each round; padding changes the answers"
    return [
        Answering(OURS, data, partial(_answer_ours, ours, data), "forward(strategy='auto'), as evaluation and predict"),
        Answering("model.predict, one at a time", data, partial(_predict_alone, stock, data), alone, NUM_ALONE),
        Answering("model(x), one at a time", data, partial(_call_alone, stock, data), alone, NUM_ALONE),
        Answering(
            f"padded to longest, batches of {BATCH_SIZE}",
            data,
            partial(_predict_padded, masking, data),
            padded,
            NUM_PADDED,
        ),
    ]


def _answer_ours(model: Any, data: Data, order: Lengths) -> object:
    from seqconv.prediction.forward import forward
    from seqconv.sources import ArraySource

    return forward(model, ArraySource([data.arrays[index] for index in order]))


def _predict_alone(model: Any, data: Data, order: Lengths) -> object:
    return [model.predict(data.arrays[index][None], verbose=0) for index in order]


def _call_alone(model: Any, data: Data, order: Lengths) -> object:
    return [model(data.arrays[index][None], training=False).numpy() for index in order]


def _predict_padded(model: Any, data: Data, order: Lengths) -> object:
    return model.predict(data.as_dataset(order).padded_batch(BATCH_SIZE), verbose=0)
