"""Training: real frames a second of forward pass, backward pass and Adam, each with an input pipeline of its own."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks.data import Data, make_noise
from benchmarks.lengths import choose_lengths, read_lengths
from benchmarks.networks import FRAMES_PER_BATCH
from benchmarks.own_training import SeqconvTraining
from benchmarks.peers import why_missing
from benchmarks.results import Comparison
from benchmarks.rounds import Contestant, Missing, run_rounds
from benchmarks.settings import Settings
from benchmarks.stock_training import LIMIT_STEPS, PADDING, SPEED, Limit, PaddedToLongest, RandomCrops, TfDataBuckets
from benchmarks.torch_training import PLAIN, TUNED, TorchTraining, torch_process
from seqconv.config.backends import start_keras

NUM_LOGNORMAL = 2780
OURS = "seqconv packed"
FITTED, DOUBLING = "tf.data buckets, fitted", "tf.data buckets, doubling"
QUICK_STEPS = 2


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison for each distribution of lengths."""
    names = choose_lengths(settings, ("prompts-clipped", "prompts"))
    start_keras()
    import keras

    for name in names:
        keras.backend.clear_session()
        data = make_noise(name, read_lengths(name, settings, num_lognormal=NUM_LOGNORMAL))
        with torch_process() as pool:
            makers = _makers(data, settings) | _torch_makers(data, pool)
            series = run_rounds([make() for title, make in makers.items() if settings.takes(title)], settings)
        yield Comparison(
            "training",
            f"training: {name}, {len(data.lengths):,} sequences, {data.lengths.sum():,} frames, "
            f"{FRAMES_PER_BATCH:,} frames a step",
            series,
            compared=SPEED,
            ratios=[(OURS, entry.contestant) for entry in series if entry.contestant != OURS],
        )


def _makers(data: Data, settings: Settings) -> dict[str, Callable[[], Contestant | Missing]]:
    num_steps = QUICK_STEPS if settings.is_quick else LIMIT_STEPS
    return {
        "limit": lambda: Limit(data.name, num_steps),
        "shuffled, padded to longest": lambda: PaddedToLongest(data),
        FITTED: lambda: TfDataBuckets(FITTED, data, is_fitted=True),
        DOUBLING: lambda: TfDataBuckets(DOUBLING, data, is_fitted=False),
        "random crops of 4 s": lambda: RandomCrops(data),
        "seqconv padded": lambda: SeqconvTraining("padded", data),
        "seqconv bucketed": lambda: SeqconvTraining("bucketed", data),
        OURS: lambda: SeqconvTraining("packed", data),
    }


def _torch_makers(data: Data, pool: ProcessPoolExecutor) -> dict[str, Callable[[], Contestant | Missing]]:
    absent = why_missing("torch", "lhotse")
    if absent:
        return {name: partial(Missing, name, data.name, absent, (PADDING, SPEED)) for name in (PLAIN, TUNED)}
    return {name: partial(TorchTraining, name, data, pool) for name in (PLAIN, TUNED)}
