"""Attention in packed rows: real frames a second of one layer, forward and backward; and what it compares."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.lengths import choose_lengths, read_lengths
from benchmarks.networks import FRAMES_PER_BATCH
from benchmarks.results import Comparison
from benchmarks.rounds import run_rounds
from benchmarks.settings import Settings
from benchmarks.stock_training import SPEED
from seqconv.batching import make_batch, plan_packed
from seqconv.config.backends import start_keras

# What arrives after blocks of these strides.
STRIDE = 4
CHANNELS, HEADS = 64, 4
NUM_LOGNORMAL, STEPS, QUICK_STEPS = 2780, 16, 2
BLOCKS, SQUARE = "relative positions, in blocks of the longest sequence", "no positions, the square of the row"


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison for each distribution of lengths."""
    names = choose_lengths(settings, ("prompts-clipped",))
    start_keras()
    from seqconv.layers import MaskedRelativeSelfAttention, MaskedSelfAttention

    for name in names:
        lengths = -(-read_lengths(name, settings, num_lognormal=NUM_LOGNORMAL) // STRIDE)
        plan = plan_packed(lengths, frames_per_batch=FRAMES_PER_BATCH // STRIDE)
        layouts: list[Any] = plan.epoch(0)[: QUICK_STEPS if settings.is_quick else STEPS]
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal((length, CHANNELS), dtype=np.float32) for length in lengths.tolist()]
        batches = [make_batch(layout, arrays) for layout in layouts]
        contestants = [
            AttentionSteps(BLOCKS, name, MaskedRelativeSelfAttention(HEADS), batches, takes_slots=True),
            AttentionSteps(SQUARE, name, MaskedSelfAttention(HEADS), batches, takes_slots=False),
        ]
        series = run_rounds([each for each in contestants if settings.takes(each.name)], settings)
        shapes = ", ".join(f"{layout.rows} x {layout.width}" for layout in layouts[:1])
        title = f"attention: {name}, every {STRIDE}th frame, rows of {shapes}, {CHANNELS} channels, {HEADS} heads"
        yield Comparison("attention", title, series, compared=SPEED, ratios=[(BLOCKS, SQUARE)])


class AttentionSteps:
    """Forward and backward passes of one layer over the same batches."""

    note = ""

    def __init__(self, name: str, lengths: str, layer: Any, batches: list[Any], *, takes_slots: bool) -> None:
        import tensorflow as tf

        self.name, self.lengths, self._batches = name, lengths, batches
        layer.build((None, None, CHANNELS))

        def step(features: Any, segments: Any, slots: int) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(features)
                options = {"num_slots": slots} if takes_slots else {}
                total = tf.reduce_sum(tf.square(layer(features, segments, **options)))
            return tape.gradient(total, [features, *(weight.value for weight in layer.trainable_weights)])

        self._step = tf.function(step)

    def measure(self, round_number: int) -> Mapping[str, float]:
        """All batches once."""
        started, real = time.perf_counter(), 0
        for batch in self._batches:
            found = self._step(batch.features, batch.segments, batch.layout.num_slots)
            real += int((batch.segments >= 0).sum())
        found[0].numpy()
        return {SPEED: real / (time.perf_counter() - started)}
