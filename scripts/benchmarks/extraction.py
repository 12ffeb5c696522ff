"""Extraction: seconds of audio whose log-mel features are computed in a second, from the files of data/prompts."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from benchmarks.lengths import PROMPTS
from benchmarks.results import Comparison
from benchmarks.rounds import Timed, run_rounds
from benchmarks.settings import Settings

SPEED = "seconds of audio/s"
FEATURES: dict[str, Any] = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 64}
LOOP = "plain librosa loop, 1 process"
PROCESSES = (1, 2)
QUICK_RECORDINGS = 12


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison, on all recordings."""
    from seqconv.data.manifest import load_manifest

    frame = load_manifest(PROMPTS / "manifest.csv")
    if settings.is_quick:
        frame = frame.sort_values("seconds").head(QUICK_RECORDINGS).reset_index(drop=True)
    seconds = float(frame["seconds"].astype(float).sum())
    own = {f"seqconv build_store, {count} process{'es' * (count > 1)}": count for count in PROCESSES}
    functions: dict[str, Callable[[], object]] = {LOOP: partial(extract_by_librosa, frame["path"].tolist())}
    functions |= {name: partial(build_new_store, frame, num_processes=count) for name, count in own.items()}
    notes = {LOOP: "load, melspectrogram, power_to_db; features stay in memory"}
    contestants = [
        Timed(name, "data/prompts", function, SPEED, seconds, notes.get(name, "a store in a new folder, on disk"))
        for name, function in functions.items()
        if settings.takes(name)
    ]
    yield Comparison(
        "extraction",
        f"extraction: data/prompts, {len(frame):,} recordings, {seconds / 60:.1f} minutes",
        run_rounds(contestants, settings),
        compared=SPEED,
        ratios=[(name, LOOP) for name in own],
    )


def extract_by_librosa(paths: Sequence[str]) -> list[Any]:
    """The features of each file `(n_mels, time)`, as people write it."""
    import librosa

    rate, n_fft, hop_length = FEATURES["sample_rate"], FEATURES["n_fft"], FEATURES["hop_length"]
    features = []
    for path in paths:
        samples, _ = librosa.load(path, sr=rate)
        mel = librosa.feature.melspectrogram(
            y=samples, sr=rate, n_fft=n_fft, hop_length=hop_length, n_mels=FEATURES["n_mels"]
        )
        features.append(librosa.power_to_db(mel))
    return features


def build_new_store(frame: Any, *, num_processes: int) -> None:
    """Extract everything into a store that did not exist; starting the processes is part of it."""
    from seqconv.features.store import build_store

    with tempfile.TemporaryDirectory(prefix="seqconv-") as folder:
        build_store(
            frame, FEATURES, f"{folder}/store", num_workers=0 if num_processes == 1 else num_processes, progress=False
        )
