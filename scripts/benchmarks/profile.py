"""Where a training step goes: milliseconds of all cores together, by kind of operation (TensorFlow's profiler)."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.data import make_noise
from benchmarks.lengths import choose_lengths, read_lengths
from benchmarks.networks import FRAMES_PER_BATCH
from benchmarks.own_training import prepare_experiment
from benchmarks.results import Comparison
from benchmarks.rounds import run_rounds
from benchmarks.settings import Settings
from benchmarks.stock_training import Limit
from seqconv.config.backends import start_keras

STEPS = 8
QUICK_STEPS = 2
OTHERS = "ms of everything else"
# Parts of the names of TensorFlow's kernels; the first kind that fits counts.
KINDS: Mapping[str, tuple[str, ...]] = {
    "ms of convolutions": ("Conv2D", "Conv1D"),
    "ms of matrix products": ("MatMul", "Einsum"),
    "ms of selections": ("Select", "Where"),
    "ms of sums and maxima": ("Sum", "Mean", "Max", "Segment", "Prod"),
}


class Profiled:
    """Some training steps under the profiler, in each round once more."""

    def __init__(self, name: str, lengths: str, run: Callable[[], object], num_steps: int) -> None:
        self.name, self.lengths, self.note = name, lengths, f"{num_steps} steps"
        self._run, self._num_steps = run, num_steps

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Milliseconds a step of each kind; the first round warms up."""
        if round_number == 0:
            self._run()
            return {}
        milliseconds = profile(self._run)
        totals = dict.fromkeys([*KINDS, OTHERS], 0.0)
        for name, amount in milliseconds.items():
            totals[kind_of(name)] += amount / self._num_steps
        return totals


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison for each distribution of lengths."""
    names = choose_lengths(settings, ("prompts-clipped",))
    start_keras()
    from seqconv.training.run.loop import run_steps

    steps = QUICK_STEPS if settings.is_quick else STEPS
    for name in names:
        data = make_noise(name, read_lengths(name, settings, num_lognormal=1000))
        experiment = prepare_experiment("packed", data)
        layouts = [layout for layout in experiment.plan.epoch(0) if layout.shape == experiment.plan.epoch(0)[0].shape]
        chosen = [layouts[step % len(layouts)] for step in range(steps)]
        limit = Limit(name, steps)
        contestants = [
            Profiled("limit", name, limit.train_on_batch, steps),
            Profiled("seqconv packed", name, lambda: run_steps(experiment, chosen), steps),  # noqa: B023
        ]
        series = run_rounds([entry for entry in contestants if settings.takes(entry.name)], settings)
        title = f"profile: {name}, {FRAMES_PER_BATCH:,} frames a step, milliseconds of all cores together"
        yield Comparison("profile", title, series, compared=OTHERS, ratios=[("seqconv packed", "limit")])


def profile(run: Callable[[], object]) -> Counter[str]:
    """Milliseconds that each kernel of TensorFlow took in a call."""
    import tensorflow as tf

    # The one reader of this format that comes with TensorFlow.
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        run()
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    milliseconds: Counter[str] = Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            if "CPU" in plane.name and (kernel := kernel_of(plane.event_metadata[event.metadata_id].name)):
                milliseconds[kernel] += event.duration_ps / 1e9
    return milliseconds


def kernel_of(event: str) -> str:
    """The kernel of an event; empty where it is a function that has kernels within it.

    >>> kernel_of("model/conv/Conv2D:_MklNativeConv2D"), kernel_of("ThreadpoolDevice::Run")
    ('_MklNativeConv2D', '')
    """
    node, colon, kernel = event.rpartition(":")
    is_kernel = colon and node and "::" not in event and not kernel.strip().startswith("__")
    return kernel if is_kernel else ""


def kind_of(kernel: str) -> str:
    """The kind that a kernel belongs to.

    >>> kind_of("_MklNativeConv2DBackpropInput"), kind_of("AddV2")
    ('ms of convolutions', 'ms of everything else')
    """
    return next((kind for kind, parts in KINDS.items() if any(part in kernel for part in parts)), OTHERS)
