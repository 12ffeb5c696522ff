"""Planning: how much padding a way of batching leaves, and how many sequences it plans in a second."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from benchmarks.buckets import bucket_by_length, group_by_length, hand_set_boundaries
from benchmarks.lengths import Lengths, choose_lengths, read_lengths
from benchmarks.networks import BATCH_SIZE, FRAMES_PER_BATCH, MODEL_CONFIG
from benchmarks.peers import import_speechbrain_sampler, lhotse_sampler, make_cuts, why_missing
from benchmarks.results import Comparison
from benchmarks.rounds import Contestant, Missing, run_rounds
from benchmarks.settings import Settings
from seqconv.batching import Plan, make_plan
from seqconv.config.backends import start_keras
from seqconv.models.settings import ModelConfig

SPEED = "sequences/s"
METRICS = ("padding per real frame", "padding ratio", "steps", SPEED)
NUM_LOGNORMAL = 1_000_000
# What takes many seconds for a million is measured on this many of them.
NUM_SLOW = 100_000
LHOTSE_BUCKETS = (10, 30)
# 30 to compare with lhotse, and 200 as in SpeechBrain's LibriSpeech recipes.
SPEECHBRAIN_BUCKETS = (30, 200)


class Cost(NamedTuple):
    """The content and cost of an epoch's batches."""

    real_frames: int
    total_frames: int
    steps: int


Finish = Callable[[], Cost]


@dataclass(frozen=True)
class Planner:
    """Plans an epoch and walks over all its batches; counting the padding is not timed.

    `plan(lengths, seed)` does the work, and returns what counts.
    """

    name: str
    lengths: str
    values: Lengths
    plan: Callable[[Lengths, int], Finish]
    note: str = ""

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Plan with a seed of its own."""
        started = time.perf_counter()
        finish = self.plan(self.values, round_number)
        seconds = time.perf_counter() - started
        cost = finish()
        padding = cost.total_frames / cost.real_frames - 1
        values = (padding, 1 - cost.real_frames / cost.total_frames, cost.steps, len(self.values) / seconds)
        return dict(zip(METRICS, values, strict=True))


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison for each distribution of lengths."""
    for name in choose_lengths(settings, ("prompts-clipped", "prompts", "lognormal")):
        lengths = read_lengths(name, settings, num_lognormal=NUM_LOGNORMAL)
        series = run_rounds([entry for entry in _contestants(name, lengths) if settings.takes(entry.name)], settings)
        yield Comparison(
            "planning",
            f"planning: {name}, {len(lengths):,} sequences, {FRAMES_PER_BATCH:,} frames a batch",
            series,
            compared=SPEED,
            ratios=[("seqconv packed", entry.contestant) for entry in series if "seqconv" not in entry.contestant],
        )


def _contestants(name: str, lengths: Lengths) -> Iterator[Contestant | Missing]:
    few = lengths[:NUM_SLOW]
    few_name = name if len(few) == len(lengths) else f"{name}, first {len(few):,}"
    few_note = "" if few_name == name else f"the first {len(few):,}: too slow for all"
    for strategy in ("packed", "bucketed", "padded"):
        yield Planner(f"seqconv {strategy}", name, lengths, partial(_plan_seqconv, strategy))
    # PyTorch is imported before TensorFlow: the other way round, it crashes.
    peers: list[tuple[str, str, tuple[int, ...], Callable[[int], Any]]] = [
        ("lhotse", "lhotse DynamicBucketingSampler", LHOTSE_BUCKETS, partial(_plan_lhotse, few)),
        ("speechbrain", "SpeechBrain DynamicBatchSampler", SPEECHBRAIN_BUCKETS, _plan_speechbrain),
    ]
    for package, sampler, numbers, make in peers:
        absent = why_missing("torch", package)
        for buckets in numbers:
            title = f"{sampler}, {buckets} buckets"
            if absent:
                yield Missing(title, few_name, absent, METRICS)
            else:
                yield Planner(title, few_name, few, make(buckets), few_note)
    note = f"{BATCH_SIZE} sequences a batch; it knows no frame budget"
    yield Planner("length-grouped mega-batches (Hugging Face)", name, lengths, _plan_grouped, note)
    note = f"{len(hand_set_boundaries(few))} buckets" + (f"; {few_note}" if few_note else "")
    yield Planner("tf.data bucket_by_sequence_length", few_name, few, _plan_tf_data(), note)


def _plan_seqconv(strategy: str, lengths: Lengths, seed: int) -> Finish:
    geometry = ModelConfig.model_validate(MODEL_CONFIG).time_geometry
    plan: Plan = make_plan(strategy, lengths, frames_per_batch=FRAMES_PER_BATCH, seed=seed, time_geometry=geometry)
    layouts = list(plan.epoch(0))

    def count() -> Cost:
        real = sum(int(layout.length.sum()) for layout in layouts)
        return Cost(real, sum(layout.rows * layout.width for layout in layouts), len(layouts))

    return count


def _plan_lhotse(lengths: Lengths, num_buckets: int) -> Callable[[Lengths, int], Finish]:
    cuts = make_cuts(lengths)

    def plan(lengths: Lengths, seed: int) -> Finish:
        sampler = lhotse_sampler(cuts, frames_per_batch=FRAMES_PER_BATCH, num_buckets=num_buckets, seed=seed)
        batches = list(sampler)
        return lambda: _count_padded(lengths, [np.array([int(cut.id) for cut in batch]) for batch in batches])

    return plan


def _plan_speechbrain(num_buckets: int) -> Callable[[Lengths, int], Finish]:
    sampler_class = import_speechbrain_sampler()

    def plan(lengths: Lengths, seed: int) -> Finish:
        sampler = sampler_class(
            lengths, FRAMES_PER_BATCH, num_buckets=num_buckets, lengths_list=lengths.tolist(), seed=seed
        )
        # Not to its end: there it plans the next epoch.
        batches = list(islice(sampler, len(sampler)))
        return lambda: _count_padded(lengths, [np.array(batch) for batch in batches])

    return plan


def _plan_grouped(lengths: Lengths, seed: int) -> Finish:
    batches = group_by_length(lengths, BATCH_SIZE, seed)
    return lambda: _count_padded(lengths, batches)


def _plan_tf_data() -> Callable[[Lengths, int], Finish]:
    start_keras()
    import tensorflow as tf

    def plan(lengths: Lengths, seed: int) -> Finish:
        # Sequences of no features, so that nothing but the batching costs time.
        dataset = tf.data.Dataset.from_tensor_slices(lengths).shuffle(len(lengths), seed=seed)
        dataset = dataset.map(lambda frames: (tf.zeros((frames, 0)), frames))
        batches: list[Any] = list(bucket_by_length(dataset, hand_set_boundaries(lengths), FRAMES_PER_BATCH))
        real = int(lengths.sum())
        return lambda: Cost(real, sum(x.shape[0] * x.shape[1] for x, _ in batches), len(batches))

    return plan


def _count_padded(lengths: Lengths, batches: Sequence[Lengths]) -> Cost:
    """The cost of batches of sequences, each padded to the longest of its batch."""
    total = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return Cost(int(lengths.sum()), total, len(batches))
