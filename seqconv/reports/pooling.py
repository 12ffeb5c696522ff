"""The answers of several runs together: folds side by side, seeds averaged, and differences of models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from seqconv.errors import ConfigError, list_some
from seqconv.metrics.checks import IntArray
from seqconv.metrics.intervals import Bootstrap
from seqconv.reports.answers import Answers, Interval, Scorer, read_answers
from seqconv.reports.folder import RunFolder


@dataclass(frozen=True, eq=False)
class Pool:
    """The answers of one model to sequences that are tested once each; with folds, of the models of all folds.

    `truth`: the labels of each id, to compare them; `groups`: the group of each id, where it is known.
    """

    answers: Answers
    truth: Mapping[str, Any]
    groups: Mapping[str, str]

    @property
    def ids(self) -> list[str]:
        """The tested sequences."""
        return self.answers.ids

    def scorer(self, ids: Sequence[str]) -> Scorer:
        """Return the function from indices into `ids` to the headline scores."""
        places = {name: place for place, name in enumerate(self.ids)}
        chosen = np.array([places[name] for name in ids], np.int64)
        return lambda indices: self.answers.scorer(chosen[indices])


def pool_runs(runs: Sequence[RunFolder]) -> list[Pool]:
    """Pool runs that test different sequences, such as folds, as one; keep runs that test the same ones apart.

    Runs without predictions are left out.
    """
    pools: list[list[tuple[RunFolder, Answers]]] = []
    for run in runs:
        answers = read_answers(run)
        if answers is None:
            continue
        fitting = [pool for pool in pools if _fits(pool, run, answers)]
        if fitting:
            fitting[0].append((run, answers))
        else:
            pools.append([(run, answers)])
    return [_join(pool) for pool in pools]


def pooled_scores(pools: Sequence[Pool], settings: Any, seed: int) -> dict[str, tuple[float, Interval]]:
    """Return headline scores over all predictions, the mean over pools, and their bootstrap intervals."""
    ids = shared_ids(pools)
    if not ids:
        return {}
    scorer = partial(_mean, [pool.scorer(ids) for pool in pools])
    bootstrap = Bootstrap(settings.bootstrap, settings.confidence, seed)
    found = bootstrap.intervals(scorer, len(ids), _groups(pools, ids))
    return {name: (value, found.get(name)) for name, value in scorer(np.arange(len(ids))).items()}


def paired_differences(
    first: Sequence[Pool], second: Sequence[Pool], *, repeats: int, confidence: float, seed: int = 0
) -> dict[str, tuple[float, Interval]]:
    """Return how much higher the scores of `second` are than those of `first` on the sequences of both.

    The interval is that of a paired bootstrap: each draw selects sequences again (whole groups where they are known),
    the same for both sides; and of several runs of one kind, it selects runs again. The interval therefore includes
    the effect of other recordings and of other seeds.

    Raises:
        ConfigError: a sequence has another label there.
    """
    ids = shared_ids([*first, *second])
    if not ids:
        return {}
    _check_truth([*first, *second], ids)
    generator = np.random.default_rng([seed, 1])
    scorers = [[pool.scorer(ids) for pool in side] for side in (first, second)]

    def differences(chosen: Sequence[Sequence[Scorer]], indices: IntArray) -> dict[str, float]:
        before, after = (_mean(side, indices) for side in chosen)
        return {name: after[name] - before[name] for name in before if name in after}

    def draw(indices: IntArray) -> dict[str, float]:
        drawn = [[side[place] for place in generator.integers(len(side), size=len(side))] for side in scorers]
        return differences(drawn, indices)

    found = Bootstrap(repeats, confidence, seed).intervals(draw, len(ids), _groups([*first, *second], ids))
    return {name: (value, found.get(name)) for name, value in differences(scorers, np.arange(len(ids))).items()}


def shared_ids(pools: Sequence[Pool]) -> list[str]:
    """Return the sequences that all of them were tested on."""
    if not pools:
        return []
    others = [set(pool.ids) for pool in pools[1:]]
    return [name for name in pools[0].ids if all(name in other for other in others)]


def _mean(scorers: Sequence[Scorer], indices: IntArray) -> dict[str, float]:
    """Return the mean over runs of the headline scores."""
    # A run that was drawn twice is scored once.
    known = {scorer: scorer(indices) for scorer in dict.fromkeys(scorers)}
    rows = [known[scorer] for scorer in scorers]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _fits(pool: Sequence[tuple[RunFolder, Answers]], run: RunFolder, answers: Answers) -> bool:
    """Whether a run tests other sequences than the pool, and answers in the same way."""
    other = pool[0][1]
    kinds = [(each.task, each.kind, each.names) for each in (other, answers)]
    is_alike = kinds[0] == kinds[1] and pool[0][0].config.seed == run.config.seed
    return is_alike and run.config.split.uses_folds and not any(set(each.ids) & set(answers.ids) for _, each in pool)


def _join(pool: Sequence[tuple[RunFolder, Answers]]) -> Pool:
    parts = [answers for _, answers in pool]
    starts = np.cumsum([0, *(len(part.ids) for part in parts)])
    answers = Answers(
        task=parts[0].task,
        kind=parts[0].kind,
        names=parts[0].names,
        table=pd.concat([part.table for part in parts], ignore_index=True),
        targets=np.concatenate([part.targets for part in parts]),
        predictions=np.concatenate([part.predictions for part in parts]),
        ids=[name for part in parts for name in part.ids],
        owners=np.concatenate([part.owners + start for part, start in zip(parts, starts, strict=False)]),
        given=None if parts[0].given is None else np.concatenate([part.given for part in parts]),
    )
    groups: dict[str, str] = {}
    for run, _ in pool:
        groups |= _groups_of(run, answers.ids)
    return Pool(answers, _truth(answers), groups)


def _groups_of(run: RunFolder, ids: Sequence[str]) -> dict[str, str]:
    """Return the group of each sequence, if known; a window or event is of the group of its recording."""
    table = run.splits
    if table.empty:
        return {}
    named = table["group"] if "group" in table else table["id"]
    of_recording = {name: group or name for name, group in zip(table["id"], named, strict=True)}
    recordings = {name: name if name in of_recording else name.rpartition("@")[0] for name in ids}
    if "group" not in table and all(name == recording for name, recording in recordings.items()):
        return {}
    return {name: of_recording[each] for name, each in recordings.items() if each in of_recording}


def _truth(answers: Answers) -> dict[str, Any]:
    columns = [str(name) for name in answers.table if str(name) == "label" or str(name).startswith("label_")]
    values = answers.table[columns].astype(str).agg("\0".join, axis=1)
    return {str(name): tuple(each) for name, each in values.groupby(answers.table["id"], sort=False)}


def _check_truth(pools: Sequence[Pool], ids: Sequence[str]) -> None:
    for pool in pools[1:]:
        other = [name for name in ids if pool.truth[name] != pools[0].truth[name]]
        if other:
            raise ConfigError(
                f"{len(other)} of {len(ids)} shared sequences have another label in one run than in the other: "
                f"{list_some(other)}. Compare runs on the same data."
            )


def _groups(pools: Sequence[Pool], ids: Sequence[str]) -> list[str] | None:
    known = next((pool.groups for pool in pools if all(name in pool.groups for name in ids)), None)
    if known is None or len({known[name] for name in ids}) < 2:
        return None
    return [known[name] for name in ids]
