"""All runs of the benchmark, one after the other: what was measured before is not measured again."""

import io
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.archive.pairs import Pair, find_pairs
from benchmarks.archive.recipes import RECIPES, Job, choose_recipes, start
from benchmarks.archive.rows import Key, Row, read_rows, write_rows
from benchmarks.archive.tables import print_tables
from seqconv.config.recipes import BUDGET, budget_seconds
from seqconv.errors import ConfigError, SeqconvError

LEAK = "leak: "
QUICK = " --quick"
"""The end of the name of a recipe in rows that mean nothing, so that they are never taken for others."""

FAILED = 1
"""Exit code where a data set could not be scored."""


@dataclass(frozen=True)
class ArchiveSettings:
    """Options of the command line.

    `recipes`: names, none for all. `seeds`: their number, from 0 on. `budget`: the time of the recipe auto.
    """

    folder: Path
    recipes: Sequence[str] = ()
    seeds: int = 1
    json: Path | None = None
    is_quick: bool = False
    budget: str = BUDGET


def run_archive(settings: ArchiveSettings, console: Console) -> int:
    """Run all recipes on all data sets, and print the tables; returns the exit code.

    A data set that a recipe cannot be run on, or has not enough memory for, is named, and stops no other; any other
    error, a fault of the program, ends the benchmark.

    Raises:
        ConfigError, ManifestError: before any training: recipes, folder or file of rows are not as they should be.
        StorageError: before any training: the file of rows cannot be written.
        KeyboardInterrupt: says where the rows are that were measured.
    """
    if settings.seeds < 1:
        raise ConfigError(f"--seeds {settings.seeds}: expected 1 or more.")
    try:
        budget_seconds(settings.budget)
    except ValueError as error:
        raise ConfigError(f"--budget {settings.budget}: {error}.") from error
    recipes, pairs = choose_recipes(settings.recipes), find_pairs(settings.folder)
    if settings.is_quick:
        recipes = [f"{name}{QUICK}" for name in recipes]
    rows = {row.key: row for row in read_rows(settings.json)} if settings.json else {}
    # Whoever stops it early has a row for each data set.
    jobs = {(pair.name, name, seed): pair for seed in range(settings.seeds) for pair in pairs for name in recipes}
    failed = _run_jobs(jobs, rows, settings)
    print_tables([row for key, row in rows.items() if key in jobs], recipes, console)
    for (dataset, name), reason in failed.items():
        console.print(f"failed: {dataset}, {name}: {reason}", style="red", markup=False, soft_wrap=True)
    return FAILED if failed else 0


def _run_jobs(jobs: dict[Key, Pair], rows: dict[Key, Row], settings: ArchiveSettings) -> dict[tuple[str, str], str]:
    """Run what has no row yet, and add its row; return the reasons why data sets and recipes failed."""
    # Standard output holds the tables alone.
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    todo = [key for key in jobs if key not in rows]
    if len(todo) < len(jobs):
        progress.print(f"{len(jobs) - len(todo)} of {len(jobs)} runs are in {settings.json}: remove it to repeat them")
    if todo:
        if settings.json:
            # What cannot be written is said now, and not after the first training.
            write_rows(rows.values(), settings.json)
        start()
    failed: dict[tuple[str, str], str] = {}
    for number, (dataset, name, seed) in enumerate(todo, start=len(jobs) - len(todo) + 1):
        if (dataset, name) in failed:
            continue
        label = f"{number}/{len(jobs)}  {dataset}, {name}, seed {seed}"
        try:
            row, leaks = measure(jobs[dataset, name, seed], name, seed, settings.budget)
        except (SeqconvError, MemoryError) as error:
            told = f"not enough memory ({error})" if isinstance(error, MemoryError) else str(error)
            failed[dataset, name] = told
            progress.print(f"{label}: failed", markup=False)
        except KeyboardInterrupt as stop:
            raise _say_how_to_go_on(stop, label, settings.json) from None
        else:
            rows[row.key] = row
            if settings.json:
                write_rows(rows.values(), settings.json)
            progress.print(f"{label}: {row.accuracy:.4f} in {row.seconds:.1f} s", markup=False)
            for leak in leaks if seed == 0 else ():
                progress.print(f"{dataset}: {leak}", style="yellow", markup=False)
    return failed


def measure(pair: Pair, name: str, seed: int, budget: str = BUDGET) -> tuple[Row, list[str]]:
    """Run a recipe once, as if it were the first in its process; return its row, and what it says of leaks.

    Nothing is left on the disk.
    """
    import keras

    from seqconv.features.cases import forget_cases

    keras.utils.clear_session()
    forget_cases()
    said = io.StringIO()
    console = Console(file=said, soft_wrap=True, color_system=None)
    with tempfile.TemporaryDirectory(prefix="seqconv-") as folder:
        started = time.perf_counter()
        job = Job(pair, seed, Path(folder), console, name.endswith(QUICK), budget)
        accuracy = RECIPES[name.removesuffix(QUICK)](job)
        seconds = time.perf_counter() - started
    leaks = [line[line.index(LEAK) :] for line in said.getvalue().splitlines() if LEAK in line]
    return Row(pair.name, name, seed, accuracy, round(seconds, 2)), leaks


def _say_how_to_go_on(stop: KeyboardInterrupt, label: str, path: Path | None) -> KeyboardInterrupt:
    saved = f"the rows before it are in {path}; the same command goes on" if path else "nothing is saved without --json"
    told = KeyboardInterrupt(f"stopped in run {label}; {saved}")
    told.signal = getattr(stop, "signal", signal.SIGINT)  # type: ignore[attr-defined]
    return told
