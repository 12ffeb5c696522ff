"""Attention in packed rows: real frames a second of one layer, forward and backward, in blocks and over the square."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.lengths import choose_lengths, read_lengths
from benchmarks.results import Comparison
from benchmarks.rounds import run_rounds
from benchmarks.settings import Settings
from benchmarks.stock_training import SPEED
from seqconv.batching import Batch, pack_sequences
from seqconv.config.backends import start_keras

# What arrives after blocks of these strides, in rows of this width.
STRIDE, WIDTH, ROWS = 4, 2048, 8
CHANNELS, HEADS = 64, 4
NUM_LOGNORMAL, QUICK_ROWS = 2780, 1
BLOCKS, SQUARE = "in blocks of the longest sequence", "the square of the row"


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison for each distribution of lengths."""
    names = choose_lengths(settings, ("prompts-clipped",))
    start_keras()
    from seqconv.layers import MaskedRelativeSelfAttention

    for name in names:
        lengths = -(-read_lengths(name, settings, num_lognormal=NUM_LOGNORMAL) // STRIDE)
        rng = np.random.default_rng(0)
        rows = _cut_into_rows(lengths)[: QUICK_ROWS if settings.is_quick else ROWS]
        batches = [
            pack_sequences([rng.standard_normal((length, CHANNELS), dtype=np.float32) for length in row], width=WIDTH)
            for row in rows
        ]
        layer = MaskedRelativeSelfAttention(HEADS)
        contestants = [AttentionSteps(each, name, layer, batches) for each in (BLOCKS, SQUARE)]
        series = run_rounds([each for each in contestants if settings.takes(each.name)], settings)
        title = (
            f"attention: {name}, every {STRIDE}th frame, rows of 1 x {WIDTH}, the longest sequence {lengths.max()}, "
            f"{CHANNELS} channels, {HEADS} heads"
        )
        yield Comparison("attention", title, series, compared=SPEED, ratios=[(BLOCKS, SQUARE)])


def _cut_into_rows(lengths: Any) -> list[list[int]]:
    """Divide sequences into rows, in their order."""
    rows: list[list[int]] = [[]]
    for length in lengths[lengths <= WIDTH].tolist():
        if sum(rows[-1]) + length > WIDTH:
            rows.append([])
        rows[-1].append(length)
    return rows


class AttentionSteps:
    """Forward and backward passes of one layer over the same batches."""

    note = ""

    def __init__(self, name: str, lengths: str, layer: Any, batches: list[Batch]) -> None:
        import tensorflow as tf

        self.name, self.lengths, self._batches = name, lengths, batches
        if not layer.built:
            layer.build((None, None, CHANNELS))

        def step(features: Any, segments: Any, slots: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(features)
                # Without the number of slots, the layer takes each row for one sequence.
                outputs = layer(features, segments, num_slots=slots if name == BLOCKS else None)
                total = tf.reduce_sum(tf.square(outputs))
            return tape.gradient(total, [features, *(weight.value for weight in layer.trainable_weights)])

        self._step = tf.function(step, reduce_retracing=True)

    def measure(self, round_number: int) -> Mapping[str, float]:
        """All batches once."""
        import tensorflow as tf

        started, real = time.perf_counter(), 0
        for batch in self._batches:
            gradients = self._step(
                tf.constant(batch.features), tf.constant(batch.segments), tf.constant(batch.layout.num_slots)
            )
            real += int((batch.segments >= 0).sum())
        gradients[0].numpy()
        return {SPEED: real / (time.perf_counter() - started)}
