"""The groups that a comparison compares: runs that differ only in seed or fold count as one."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from seqconv.config import Config
from seqconv.config.run import key_roles
from seqconv.errors import ConfigError
from seqconv.experiments.folder import is_sweep, read_sweep
from seqconv.experiments.run_specs import describe_setting
from seqconv.metrics import Spread, spread
from seqconv.parts import Role
from seqconv.parts.keys import flatten
from seqconv.reports.folder import RunFolder, read_run
from seqconv.reports.names import label
from seqconv.reports.pooling import Pool, paired_differences, pool_runs, pooled_scores, shared_ids
from seqconv.reports.tables import Table, interval_text, make_table

_SAME_KIND = {Role.MACHINE, Role.COSMETIC, Role.RUN}
"""Keys of these roles may differ between runs of one kind."""


@dataclass(frozen=True, eq=False)
class Contender:
    """Runs of one kind: other seeds and folds of the same config, or one run alone; `config` says how to score them."""

    name: str
    runs: Sequence[RunFolder]
    config: Config

    @cached_property
    def pools(self) -> list[Pool]:
        """Pooled answers, for folds side by side; if seeds were tested on different sequences, the pools with the
        most."""
        pools = pool_runs(self.runs)
        return [pool for pool in pools if len(pool.ids) == max(len(each.ids) for each in pools)]

    @cached_property
    def pooled(self) -> dict[str, Any]:
        """Headline scores over all test predictions, with intervals."""
        return pooled_scores(self.pools, self.config.evaluation, self.config.seed)

    def spread(self, score: str) -> Spread:
        """Mean, deviation and interval of a score over the runs that have it."""
        scored = [run for run in self.runs if scores_of(run).get(score) is not None]
        folds = [run.config.split.fold for run in scored]
        values = [float(scores_of(run)[score]) for run in scored]
        # Of one fold, runs are alike: they test the same sequences.
        return spread(values, self.config.evaluation.confidence, folds if len(set(folds)) > 1 else None)


def expand(paths: Sequence[str | Path]) -> dict[str, RunFolder]:
    """Read the runs of these folders by name; those of a sweep one by one.

    Raises:
        ConfigError: a folder twice, one that holds no run, or a sweep without a finished one.
    """
    folders = [Path(path).resolve() for path in paths]
    repeated = [str(folder) for folder in dict.fromkeys(folders) if folders.count(folder) > 1]
    if repeated:
        raise ConfigError(f"'{repeated[0]}' was given twice; one run cannot be compared with itself.")
    found: list[Path] = []
    for folder in folders:
        if not is_sweep(folder):
            found.append(folder)
            continue
        sweep = read_sweep(folder)
        finished = [sweep.run_path(spec) for spec in sweep.specs if sweep.has_finished(spec)]
        if not finished:
            raise ConfigError(f"no run of the sweep '{folder}' has finished. Go on with it: seqconv train --resume.")
        found += finished
    return dict(zip(short_names(found), map(read_run, found), strict=True))


def group_runs(runs: Mapping[str, RunFolder], *, each: bool = False) -> list[Contender]:
    """Group runs that differ only in seed and fold as one contender; with `each`, every run alone."""
    if each:
        return [Contender(name, [run], run.config) for name, run in runs.items()]
    kinds: dict[str, dict[str, RunFolder]] = {}
    for name, run in runs.items():
        kinds.setdefault(repr(sorted(kind_of(run).items())), {})[name] = run
    groups = list(kinds.values())
    return [Contender(_name(each, groups), list(each.values()), next(iter(each.values())).config) for each in groups]


def kind_of(run: RunFolder) -> dict[str, Any]:
    """Return the settings of a run by dotted key, without those that may differ between runs of one kind."""
    flat = flatten(run.config.to_dict())
    return {key: value for key, value in flat.items() if not key_roles(key) & _SAME_KIND}


def scores_of(run: RunFolder) -> Mapping[str, Any]:
    """Return the scores of the split that counts; none if the run was not scored."""
    return run.metrics[run.scored_split] if run.scored_split else {}


def score_names(runs: Iterable[RunFolder]) -> list[str]:
    """Return all scores that are numbers in some run."""
    pairs = (pair for run in runs for pair in scores_of(run).items())
    return list(dict.fromkeys(name for name, value in pairs if isinstance(value, float)))


def spread_table(contenders: Sequence[Contender], interval: str = "interval") -> Table:
    """Return mean, deviation and interval over the runs of each, and the score over all test predictions.

    Only of the few scores that a comparison shows: those that can be resampled, else the first ones.
    """
    firsts = [run for each in contenders for run in each.runs[:1]]
    names = list(dict.fromkeys(name for each in contenders for name in each.pooled)) or score_names(firsts)[:3]
    rows: list[tuple[Any, ...]] = []
    for each, score in product(contenders, names):
        if score not in score_names(each.runs):
            continue
        found = each.spread(score)
        pooled, ends = each.pooled.get(score, (None, None))
        values = (found.num_values, found.mean, found.deviation, interval_text(found.interval))
        rows.append((each.name, label(score), *values, pooled, interval_text(ends)))
    columns = ["run", "score", "runs", "mean", "deviation", f"{interval} over runs", "pooled"]
    return make_table([*columns, f"{interval} over sequences"], rows)


def shorten(table: Table) -> Table:
    """Leave out what says nothing: columns that are empty, a pooled score that is the mean; run and count as one."""
    by_name = _by_column(table)
    if "runs" in by_name:
        counts = by_name.pop("runs")
        named = zip(by_name["run"], counts, strict=True)
        by_name["run"] = [name if count == 1 else f"{name} ({count} runs)" for name, count in named]
    if {"pooled", "mean"} <= set(by_name):
        pairs = zip(by_name["pooled"], by_name["mean"], strict=True)
        if all(pooled is None or abs(pooled - mean) < 1e-9 for pooled, mean in pairs):
            del by_name["pooled"]
    return _narrow({name: cells for name, cells in by_name.items() if any(cell not in (None, "") for cell in cells)})


def leave_out(table: Table, names: Container[str]) -> Table:
    """Return the table without some columns, with titles for a terminal."""
    return _narrow({name: cells for name, cells in _by_column(table).items() if name not in names})


def _by_column(table: Table) -> dict[str, list[Any]]:
    return {name: [row[place] for row in table.rows] for place, name in enumerate(table.columns)}


def _narrow(columns: Mapping[str, Sequence[Any]]) -> Table:
    titles = tuple(name.replace(" over ", "\nover ") for name in columns)
    return Table(titles, tuple(zip(*columns.values(), strict=True)))


def difference_table(contenders: Sequence[Contender]) -> Table:
    """Return how each contender differs from the first one on the sequences that both were tested on."""
    rows: list[tuple[Any, ...]] = []
    base, *others = contenders
    settings, seed = base.config.evaluation, base.config.seed
    options: dict[str, Any] = {"repeats": settings.bootstrap, "confidence": settings.confidence, "seed": seed}
    for other in others:
        without = [each.name for each in (base, other) if not each.pools]
        shared = [] if without else shared_ids([*base.pools, *other.pools])
        found = paired_differences(base.pools, other.pools, **options) if shared else {}
        for score, (value, interval) in found.items():
            rows.append((other.name, label(score), len(shared), value, interval_text(interval), _verdict(interval)))
        if not found:
            why = "no sequence was tested by both"
            if without:
                why = f"the predictions of {' and '.join(without)} are missing, or not those that were scored"
            rows.append((other.name, "", len(shared), None, "", why))
    return make_table(["run", "score", "sequences", "difference", "interval", "is"], rows)


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return the names of the folders, with as much of the path as is needed to tell them apart."""
    for depth in range(1, max((len(folder.parts) for folder in folders), default=0) + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _name(group: Mapping[str, RunFolder], groups: Sequence[Mapping[str, RunFolder]]) -> str:
    """Return the key of a group of runs: the folder of its sweep and the setting, or its first run."""
    first, *others = group
    homes = {run.path.parent for run in group.values()}
    home = next(iter(homes))
    if len(homes) > 1 or not is_sweep(home):
        return first if not others else f"{first} and {len(others)} more"
    sweep = read_sweep(home)
    setting = next(each.setting for each in sweep.specs if each.name == next(iter(group.values())).path.name)
    alike = [each for each in sweep.specs if each.setting == setting and sweep.has_finished(each)]
    if len(alike) > len(group):
        # Some were given, and not their sweep: its name would stand for all.
        return first if not others else f"{first} and {len(others)} more"
    is_only = all(run.path.parent == home for each in groups for run in each.values())
    if not setting:
        return home.name
    return describe_setting(setting) if is_only else f"{home.name}: {describe_setting(setting)}"


def _verdict(interval: Sequence[float] | None) -> str:
    if interval is None:
        return ""
    low, high = interval
    return "higher" if low > 0 else "lower" if high < 0 else "undecided"


def config_differences(configs: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the settings that are not the same in all configs, a row each.

    >>> config_differences({"a": {"seed": 0, "model": {"x": 1}}, "b": {"seed": 1, "model": {"x": 1}}}).rows
    (('seed', '0', '1'),)
    """
    flat = [flatten(config) for config in configs.values()]
    keys = list(dict.fromkeys(key for settings in flat for key in settings))
    differing = [key for key in keys if len({str(settings.get(key, "–")) for settings in flat}) > 1]
    return make_table(["setting", *configs], [(key, *(str(each.get(key, "–")) for each in flat)) for key in differing])
