"""The runs of a sweep: folds, seeds and swept settings, and their combinations."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from seqconv.config import Config
from seqconv.config.files import parse_yaml
from seqconv.errors import ConfigError, list_some
from seqconv.parts.keys import written_key
from seqconv.text import amount

OWN_OPTIONS = {"seed": "--seeds", "split.fold": "--folds", "split.folds": "--folds", "name": "--run-dir"}
MOST_RUNS = 1000
_PLAIN = re.compile(r"[\w.+-]{1,24}")


@dataclass(frozen=True)
class Grid:
    """Describe the difference between the runs of a sweep; empty if there is none."""

    folds: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    sweeps: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The number of runs."""
        return max(1, len(self.folds)) * max(1, len(self.seeds)) * math.prod(map(len, self.sweeps.values()))

    def describe(self) -> str:
        """Describe the grid in words.

        >>> Grid(folds=(0, 1, 2), seeds=(0, 1)).describe()
        '6 runs: 3 folds x 2 seeds'
        """
        parts = [amount(len(found), noun) for found, noun in ((self.folds, "fold"), (self.seeds, "seed")) if found]
        parts += [amount(len(each), f"value of {key}", f"values of {key}") for key, each in self.sweeps.items()]
        return ": ".join([amount(self.size, "run"), *([" x ".join(parts)] if parts else [])])


@dataclass(frozen=True)
class RunSpec:
    """One run of a sweep. `name` is that of its folder; `setting` are its values of what is swept."""

    name: str
    config: Config
    setting: Mapping[str, Any]
    fold: int | None
    seed: int


def describe_setting(setting: Mapping[str, Any]) -> str:
    """Describe keys and values in words, at full length: two settings may differ in the last letter of a long list.

    >>> describe_setting({"training.epochs": 3, "seed": 1})
    'training.epochs 3, seed 1'
    """
    return ", ".join(f"{key} {value}" for key, value in setting.items())


def check_repeatable(config: Config) -> None:
    """Refuse what several runs of one config cannot have: a copy of all at one address, or a recipe that chooses.

    Raises:
        ConfigError: the config says so.
    """
    if config.recipe is not None:
        raise ConfigError(
            f"--folds, --seeds, --sweep and tune train one config several times, and recipe {config.recipe} would "
            "choose anew each time. Let it choose once, and use the config that it writes: --config RUN/config.yaml"
        )
    if config.training.copy_to is not None:
        raise ConfigError(
            "training.copy_to is the place of one run, and there are several. Leave it out, and copy their folder when "
            "they are done."
        )


def make_specs(config: Config, grid: Grid) -> list[RunSpec]:
    """List the runs of a sweep: for each setting its folds, for each fold its seeds.

    The splits are those of the config's own seed in all of them: seeds change weights, dropout and order, not the data.

    Raises:
        ConfigError: impossible settings; all of them are listed.

    >>> [spec.name for spec in make_specs(Config(), Grid(folds=(0, 1), seeds=(3,)))]
    ['fold0-seed3', 'fold1-seed3']
    """
    check_repeatable(config)
    seeded = [f"members.{index}.seed" for index, member in enumerate(config.members) if "seed" in member]
    if grid.seeds and seeded:
        raise ConfigError(
            f"--seeds: {list_some(seeded)} would be the same in all runs. Leave them out: each member then has a seed "
            "of its own, by that of the run."
        )
    specs, problems = [], []
    labels = short_keys(list(grid.sweeps))
    for chosen in product(*(enumerate(values) for values in grid.sweeps.values())):
        setting = {key: value for key, (_, value) in zip(grid.sweeps, chosen, strict=True)}
        parts = [_part(labels[key], place, value) for key, (place, value) in zip(grid.sweeps, chosen, strict=True)]
        for fold, seed in product(grid.folds or (None,), grid.seeds or (None,)):
            overrides: dict[str, Any] = dict(setting)
            if fold is not None:
                overrides["split.fold"] = fold
            if seed is not None:
                overrides |= {"split.seed": config.split_seed, "seed": seed}
            names = [*parts, *([] if fold is None else [f"fold{fold}"]), *([] if seed is None else [f"seed{seed}"])]
            try:
                made = config.with_(overrides)
            except ConfigError as error:
                problems.append(f"{describe_setting(setting)}: {error}")
                break
            specs.append(RunSpec("-".join(names) or "run", made, setting, fold, made.seed))
    if problems:
        raise ConfigError("\n  ".join(["the sweep has impossible settings:", *problems]))
    return specs


def read_grid(config: Config, folds: str | None, seeds: str | None, sweeps: Iterable[str]) -> Grid:
    """Read the grid from the options `--folds`, `--seeds` and `--sweep`, as they were written.

    Raises:
        ConfigError, ManifestError: one that cannot be read, or names a fold that does not exist.
    """
    values = [_read_sweep(text) for text in sweeps]
    keys = [key for key, _ in values]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ConfigError(f"--sweep {list_some(repeated)} was given twice. Write all values after one: KEY=A,B.")
    grid = Grid(
        () if folds is None else _read_folds(config, folds),
        () if seeds is None else _read_seeds(config, seeds),
        dict(values),
    )
    if grid.size > MOST_RUNS:
        raise ConfigError(f"{grid.describe()} is more than {MOST_RUNS}. Search with seqconv tune instead.")
    return grid


def _read_folds(config: Config, text: str) -> tuple[int, ...]:
    from seqconv.data.manifest.folds import fold_numbers
    from seqconv.data.manifest.split_section import read_grouped

    if config.data.manifest is None:
        raise ConfigError("--folds: data.manifest is not set, so that there is nothing to cut into folds.")
    frame = read_grouped(config.data.manifest, config.split, config.data).frame
    numbers = fold_numbers(frame, config.split.folds)
    if text == "all":
        return tuple(numbers)
    chosen = _whole_numbers("--folds", text, "all, or folds such as 0,2")
    unknown = [fold for fold in chosen if fold not in numbers]
    if unknown:
        raise ConfigError(f"--folds {text}: there is no fold {list_some(unknown)}; the folds are {list_some(numbers)}.")
    return chosen


def _read_seeds(config: Config, text: str) -> tuple[int, ...]:
    numbers = _whole_numbers("--seeds", text, "how many, such as 5, or seeds such as 0,7")
    if "," in text:
        return numbers
    if not 1 <= numbers[0] <= MOST_RUNS:
        raise ConfigError(f"--seeds {text}: expected 1 to {MOST_RUNS} of them. One seed is written --seeds {text},")
    return tuple(range(config.seed, config.seed + numbers[0]))


def _whole_numbers(option: str, text: str, expected: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"{option} {text}: expected {expected}.")
    numbers = [int(part) for part in parts]
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"{option} {text}: one of them is there twice.")
    return tuple(numbers)


def _read_sweep(text: str) -> tuple[str, tuple[Any, ...]]:
    key, equals, written = text.partition("=")
    key = written_key(key)
    if not (key and equals and written.strip()):
        raise ConfigError(f"--sweep '{text}': expected KEY=A,B, for example training.learning_rate=3e-4,1e-3")
    if key in OWN_OPTIONS:
        raise ConfigError(f"--sweep {key}: that is what {OWN_OPTIONS[key]} is for.")
    if key == "backend":
        raise ConfigError("--sweep backend: one process has one backend. Train once for each, and compare the runs.")
    values = parse_yaml(f"[{written}]", source=f"--sweep '{text}'")
    if len({_text(value) for value in values}) < len(values):
        raise ConfigError(f"--sweep '{text}': one value is there twice.")
    return key, tuple(values)


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return the last part of each key; the whole key if another one ends like it.

    >>> short_keys(["training.epochs", "model.blocks.0.filters", "model.blocks.1.filters"])["training.epochs"]
    'epochs'
    """
    short = {key: key.rpartition(".")[2] for key in keys}
    return {key: name if list(short.values()).count(name) == 1 else key for key, name in short.items()}


def _part(label: str, place: int, value: Any) -> str:
    text = value if isinstance(value, str) else _text(value)
    return f"{label}={text}" if _PLAIN.fullmatch(text) else f"{label}#{place + 1}"


def _text(value: Any) -> str:
    """Format a value as YAML does, on one line."""
    return json.dumps(value, default=lambda other: other.item() if hasattr(other, "item") else str(other))
