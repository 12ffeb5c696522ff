"""Augmentation: epochs of audio.yaml with and without it, as training runs them."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.results import Comparison
from benchmarks.rounds import run_rounds
from benchmarks.settings import Settings

SPEED, WAIT, CPU = "real frames/s", "waiting for data", "CPU seconds"
PLAIN = "no augmentation"
CONTESTANTS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "spec_mask, mixup": {"spec_mask": {}, "mixup": {}},
    "all but noise": {"time_stretch": {}, "time_shift": {}, "gain": {}, "mixup": {}, "spec_mask": {}},
    "all": {"time_stretch": {}, "time_shift": {}, "gain": {}, "mixup": {}, "noise": {}, "spec_mask": {}},
}


class AugmentedEpochs:
    """Epochs with some transforms, another one each round; `CPU` counts all threads."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self.lengths, self.note = name, "audio.yaml", ""
        self._experiment = prepare_experiment(CONTESTANTS[name], is_quick=settings.is_quick)

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Train an epoch."""
        from seqconv.training.run.loop import run_steps

        layouts = list(self._experiment.plan.epoch(0))
        started, cpu = time.perf_counter(), time.process_time()
        data = run_steps(self._experiment, layouts)
        seconds = time.perf_counter() - started
        frames = sum(layout.num_frames for layout in layouts)
        return {SPEED: frames / seconds, WAIT: data.data_wait / seconds, CPU: time.process_time() - cpu}


def prepare_experiment(augment: Mapping[str, Any], *, is_quick: bool) -> Any:
    """The run that `train` would start."""
    from seqconv.config import load_config
    from seqconv.data.datasets import load_datasets
    from seqconv.training.run.setup import prepare

    values = load_config("japanese_vowels.yaml" if is_quick else "audio.yaml").to_dict()
    config = load_config({**values, "augment": augment})
    return prepare(config, load_datasets(config.data_spec))


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison."""
    contestants = [AugmentedEpochs(name, settings) for name in CONTESTANTS if settings.takes(name)]
    yield Comparison(
        "augmentation",
        "augmentation: epochs of audio.yaml",
        run_rounds(contestants, settings),
        compared=CPU,
        ratios=[(name, PLAIN) for name in CONTESTANTS if name != PLAIN],
    )
