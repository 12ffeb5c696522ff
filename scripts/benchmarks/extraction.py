"""Extraction: seconds of audio whose log-mel features are computed in a second, of many formats, rates and lengths.

Everybody decodes; seqconv also writes a store to the disk, the others keep the features in memory. All of them have one
thread in each process.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.corpora import CORPORA, Corpus, make_corpora
from benchmarks.extractors import KALDI, LOOP, TORCHAUDIO, extract_by_kaldi, extract_by_librosa, extract_by_torchaudio
from benchmarks.lengths import choose_lengths
from benchmarks.peers import why_missing
from benchmarks.results import Comparison
from benchmarks.rounds import Contestant, Missing, run_rounds
from benchmarks.settings import Settings

SPEED = "seconds of audio/s"
CPU_SPEED = "seconds of audio/CPU s"
ONE, TWO = "seqconv build_store, 1 process", "seqconv build_store, 2 processes"
OWN = {ONE: 0, TWO: 2}
STORE = "store"
_PEERS = {
    LOOP: (extract_by_librosa, ("librosa",), "load, melspectrogram, power_to_db"),
    TORCHAUDIO: (extract_by_torchaudio, ("torch", "torchaudio"), "soundfile, MelSpectrogram, AmplitudeToDB"),
    KALDI: (extract_by_kaldi, ("kaldi_native_fbank",), "soundfile, OnlineFbank, dither 0"),
}
# Longer recordings would only repeat what the shorter ones show of them.
_PEERS_SECONDS = 3 * 3600


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison for each corpus that is chosen; no other is made.

    Raises:
        ConfigError: there is no corpus of that name.
    """
    names = choose_lengths(settings, tuple(CORPORA), known=tuple(CORPORA))
    with tempfile.TemporaryDirectory(prefix="seqconv-") as folder, threadpool_limits(1):
        for corpus in make_corpora(names, Path(folder), is_quick=settings.is_quick):
            yield _compare(corpus, Path(folder), settings)


def _compare(corpus: Corpus, folder: Path, settings: Settings) -> Comparison:
    contestants: list[Contestant | Missing] = []
    if corpus.seconds < _PEERS_SECONDS:
        for name, (function, packages, note) in _PEERS.items():
            if missing := why_missing(*packages):
                contestants.append(Missing(name, corpus.name, missing, (SPEED, CPU_SPEED)))
            else:
                contestants.append(
                    Extraction(
                        name, corpus.name, partial(function, corpus.paths, corpus.features), corpus.seconds, note
                    )
                )
    for name, num_workers in OWN.items():
        work = partial(_build_new_store, corpus, folder, num_workers)
        note = "a store in a new folder, on disk"
        contestants.append(Extraction(name, corpus.name, work, corpus.seconds, note, folder / STORE))
    return Comparison(
        "extraction",
        f"extraction: {corpus.name}, {len(corpus.frame):,} recordings, {corpus.seconds / 60:.1f} minutes",
        run_rounds([each for each in contestants if settings.takes(each.name)], settings),
        compared=SPEED,
        ratios=[(ONE, LOOP), (ONE, TORCHAUDIO), (ONE, KALDI), (TWO, LOOP), (TWO, ONE)],
    )


@dataclass(frozen=True)
class Extraction:
    """A contestant that extracts `seconds` of audio. Its time on a processor, also of its workers, shows what a busy
    machine hides.
    """

    name: str
    lengths: str
    work: Callable[[], object]
    seconds: float
    note: str
    leaves: Path | None = None

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Do the work once."""
        started, before = time.perf_counter(), os.times()
        self.work()
        wall, after = time.perf_counter() - started, os.times()
        if self.leaves is not None:
            # Removing a store is no part of building it.
            shutil.rmtree(self.leaves)
        return {SPEED: self.seconds / wall, CPU_SPEED: self.seconds / max(sum(after[:4]) - sum(before[:4]), 0.01)}


def _build_new_store(corpus: Corpus, folder: Path, num_workers: int) -> None:
    """Extract everything into a store that did not exist; starting the processes is part of it."""
    from seqconv.features.store import build_store

    build_store(corpus.frame, corpus.features, folder / STORE, num_workers=num_workers, progress=False)
