"""What a search leaves: a table of its trials, and the config of the best one."""

from typing import TYPE_CHECKING, Any

from seqconv.experiments.tuning.folder import BEST, TRIALS, TuningFolder
from seqconv.experiments.tuning.study import Study
from seqconv.files import write_text

if TYPE_CHECKING:
    import pandas as pd

_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def trial_table(search: TuningFolder, study: Study) -> "pd.DataFrame":
    """A row for each trial: number, state, best monitored value, epochs, the values tried, why it has failed."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for trial in study.trials:
        reached = list(trial.intermediate_values.values())
        choose = max if search.config.monitor_mode == "max" else min
        rows.append(
            {
                "trial": trial.number,
                "state": _STATES[trial.state.name],
                search.config.monitor: trial.value if trial.state.name == "COMPLETE" else choose(reached, default=None),
                "epochs": len(reached),
                **study.values_of(trial),
                "reason": study.reason_of(trial),
            }
        )
    return pd.DataFrame(rows)


def write_results(search: TuningFolder, study: Study) -> None:
    """Write `trials.csv`, and `best.yaml` once a trial has come to its end."""
    write_text(trial_table(search, study).to_csv(index=False), search.path / TRIALS)
    best = study.best
    if best is not None:
        head = (
            f"# The best of {len(study.trials)} trials: {search.config.monitor} {best.value:.4f} on valid, in trial "
            f"{best.number}.\n# Chosen by valid: say so next to its scores, and give those of test.\n"
        )
        write_text(head + search.best_config(study.values_of(best)).to_yaml(), search.path / BEST)
