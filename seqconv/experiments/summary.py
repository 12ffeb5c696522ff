"""The summary of a series: mean, deviation and interval of each score by setting, and the score over all folds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seqconv.experiments.folder import SeriesFolder
from seqconv.experiments.run_specs import RunSpec, describe_setting
from seqconv.files import write_text
from seqconv.metrics import spread
from seqconv.reports.pooling import pool_runs, pooled_scores

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.reports.folder import RunFolder

FORMAT_VERSION = 1
SUMMARY_CSV, SUMMARY_JSON, MEMBERS_CSV = "summary.csv", "summary.json", "members.csv"


@dataclass(frozen=True)
class Summary:
    """What the finished runs of a series have scored.

    `rows`: one for each setting and score; `settings`: the same, those of a setting together; `members`: one for each
    run, with all its scores; `headline`: the scores that a table shows; `failures`: why runs have failed, by name.
    """

    rows: "pd.DataFrame"
    settings: list[tuple[Mapping[str, Any], list[dict[str, Any]]]]
    members: "pd.DataFrame"
    headline: list[str]
    failures: Mapping[str, str] = field(default_factory=dict)


def summarize(folder: SeriesFolder, failures: Mapping[str, str] | None = None) -> Summary:
    """The summary of the runs that have finished.

    Raises:
        StoreError: a file of a run is damaged.
    """
    import pandas as pd

    failures = failures or {}
    runs = folder.read_finished()
    settings: list[tuple[Mapping[str, Any], list[dict[str, Any]]]] = []
    headline: list[str] = []
    for setting, members in by_setting(folder.members):
        done = [member for member in members if member.name in runs]
        pooled = _pooled(folder, [runs[member.name] for member in done])
        scores = _scores_of(*(runs[member.name] for member in done))
        headline = headline or list(pooled) or scores[:3]
        rows = [{"score": score, **_row(folder, done, runs, score), **_pooled_row(pooled, score)} for score in scores]
        settings.append((setting, rows))
    everything = pd.DataFrame([{**setting, **row} for setting, rows in settings for row in rows])
    table = pd.DataFrame([_member_row(member, runs, failures) for member in folder.members])
    return Summary(everything, settings, table, headline, failures)


def write_summary(summary: Summary, folder: SeriesFolder) -> None:
    """Write `summary.csv`, `summary.json` and `members.csv` into the folder of the series."""
    write_text(summary.rows.to_csv(index=False), folder.path / SUMMARY_CSV)
    write_text(summary.members.to_csv(index=False), folder.path / MEMBERS_CSV)
    values = {
        "format_version": FORMAT_VERSION,
        "runs": {state: int((summary.members["state"] == state).sum()) for state in ("finished", "failed", "missing")},
        "settings": _settings_json(summary),
        "members": _records(summary.members),
        "failures": dict(summary.failures),
    }
    write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", folder.path / SUMMARY_JSON)


def by_setting(members: Sequence[RunSpec]) -> list[tuple[Mapping[str, Any], list[RunSpec]]]:
    """The members of each setting, in order."""
    found: dict[str, list[RunSpec]] = {}
    for member in members:
        # Not by its text: the number 1 and the text '1' are two settings.
        found.setdefault(repr(member.setting), []).append(member)
    return [(same[0].setting, same) for same in found.values()]


def _row(
    folder: SeriesFolder, members: Sequence[RunSpec], runs: "Mapping[str, RunFolder]", score: str
) -> dict[str, Any]:
    values = [(member, _metrics(runs[member.name]).get(score)) for member in members]
    scored = [(member, float(value)) for member, value in values if value is not None]
    folds = [member.fold for member, _ in scored]
    found = spread(
        [value for _, value in scored],
        folder.config.evaluation.confidence,
        # Of one fold, runs are alike: they test the same sequences.
        folds if len(set(folds)) > 1 else None,
    )
    low, high = found.interval or (None, None)
    return {"runs": found.num_values, "mean": found.mean, "deviation": found.deviation, "low": low, "high": high}


def _pooled(folder: SeriesFolder, runs: "Sequence[RunFolder]") -> dict[str, Any]:
    """Headline scores over the predictions of all folds; of seeds whose folds are all there, where some lack one."""
    pools = pool_runs(runs)
    whole = [pool for pool in pools if len(pool.ids) == max(len(each.ids) for each in pools)]
    config = folder.config
    return pooled_scores(whole, config.evaluation, config.seed)


def _pooled_row(pooled: Mapping[str, Any], score: str) -> dict[str, Any]:
    value, interval = pooled.get(score, (None, None))
    low, high = interval or (None, None)
    return {"pooled": value, "pooled_low": low, "pooled_high": high}


def _scores_of(*runs: "RunFolder") -> list[str]:
    """All scores that are numbers in some run."""
    return list(
        dict.fromkeys(name for run in runs for name, value in _metrics(run).items() if isinstance(value, float))
    )


def _metrics(run: "RunFolder") -> Mapping[str, Any]:
    return run.metrics[run.scored_split] if run.scored_split else {}


def _member_row(member: RunSpec, runs: "Mapping[str, RunFolder]", failures: Mapping[str, str]) -> dict[str, Any]:
    state = "finished" if member.name in runs else "failed" if member.name in failures else "missing"
    row: dict[str, Any] = {"run": member.name, "state": state, **member.setting}
    row |= {} if member.fold is None else {"fold": member.fold}
    row["seed"] = member.seed
    if member.name in runs:
        run = runs[member.name]
        row |= {"split": run.scored_split, **{name: _metrics(run)[name] for name in _scores_of(run)}}
    return row


def _settings_json(summary: Summary) -> list[dict[str, Any]]:
    listed = []
    for setting, rows in summary.settings:
        scores = {
            row["score"]: {
                **{name: row[name] for name in ("runs", "mean", "deviation")},
                "interval": _pair(row["low"], row["high"]),
                "pooled": row["pooled"],
                "pooled_interval": _pair(row["pooled_low"], row["pooled_high"]),
            }
            for row in rows
        }
        listed.append({"setting": dict(setting), "name": describe_setting(setting), "scores": scores})
    return listed


def _pair(low: Any, high: Any) -> list[float] | None:
    return None if low is None else [low, high]


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows in plain values, None for what is not there."""
    from seqconv.reports.tables import plain

    return [{str(key): plain(value) for key, value in row.items()} for row in table.to_dict("records")]
