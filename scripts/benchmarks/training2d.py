"""Training over time and bands: real frames a second of seqconv, beside plain Keras on equal lengths."""

from collections.abc import Iterator

from benchmarks.data import make_noise
from benchmarks.lengths import choose_lengths, read_lengths
from benchmarks.networks import FRAMES_PER_BATCH, MODEL_CONFIG_2D, stock_network_2d
from benchmarks.own_training import SeqconvTraining
from benchmarks.results import Comparison
from benchmarks.rounds import Contestant, run_rounds
from benchmarks.settings import Settings
from benchmarks.stock_training import LIMIT_STEPS, SPEED, Limit
from benchmarks.training import NUM_LOGNORMAL, OURS, QUICK_STEPS
from seqconv.config.backends import start_keras


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison for each distribution of lengths, of a network over time and bands."""
    names = choose_lengths(settings, ("prompts-clipped",))
    start_keras()
    import keras

    num_steps = QUICK_STEPS if settings.is_quick else LIMIT_STEPS
    for name in names:
        keras.backend.clear_session()
        data = make_noise(name, read_lengths(name, settings, num_lognormal=NUM_LOGNORMAL))
        contestants: list[Contestant] = [
            Limit(name, num_steps, stock_network_2d),
            SeqconvTraining("bucketed", data, MODEL_CONFIG_2D),
            SeqconvTraining("packed", data, MODEL_CONFIG_2D),
        ]
        series = run_rounds([each for each in contestants if settings.takes(each.name)], settings)
        yield Comparison(
            "training2d",
            f"training over time and bands: {name}, {len(data.lengths):,} sequences, {data.lengths.sum():,} frames, "
            f"{FRAMES_PER_BATCH:,} frames a step",
            series,
            compared=SPEED,
            ratios=[(OURS, entry.contestant) for entry in series if entry.contestant != OURS],
        )
