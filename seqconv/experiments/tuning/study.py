"""The study of a search: an Optuna study in a file, with suggestions that depend only on its earlier trials."""

import hashlib
import json
import warnings
from typing import TYPE_CHECKING, Any, Literal

from seqconv.experiments.tuning.folder import STUDY, TuningFolder
from seqconv.experiments.tuning.space import Choices, Range

if TYPE_CHECKING:
    import optuna

NAME = "seqconv"
RANDOM_TRIALS = 8
"""Number of trials that are drawn at random before the sampler learns from them."""
UNPRUNED_TRIALS = 4
_REASON = "reason"
State = Literal["COMPLETE", "PRUNED", "FAIL"]


class Study:
    """The trials of a search, by number from 0. Their values are a pure function of seed, number and earlier trials.

    Args:
        folder: of the search, in which the study is saved.
    """

    def __init__(self, folder: TuningFolder) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._folder, self._seed = folder, folder.config.seed
        epochs = folder.config.training.epochs
        direction: Literal["maximize", "minimize"] = "maximize" if folder.config.monitor_mode == "max" else "minimize"
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if folder.prunes:
            pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=max(1, epochs // 5))
        storage = f"sqlite:///{(folder.path / STUDY).absolute()}"
        self._study = optuna.create_study(
            storage=storage, study_name=NAME, direction=direction, pruner=pruner, load_if_exists=True
        )

    @property
    def trials(self) -> "list[optuna.trial.FrozenTrial]":
        """The trials that have ended: complete, pruned or failed."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if trial.state.is_finished()]

    @property
    def best(self) -> "optuna.trial.FrozenTrial | None":
        """The best complete trial, the first of equals; None if there is none."""
        complete = [trial for trial in self.trials if trial.state.name == "COMPLETE" and trial.value is not None]
        sign = -1 if self._folder.config.monitor_mode == "max" else 1
        return min(complete, key=lambda trial: (sign * float(trial.value or 0), trial.number), default=None)

    def values_of(self, trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
        """Return the values that a trial has tried, by key."""
        choices = {key for key, values in self._folder.space.items() if isinstance(values, Choices)}
        return {key: json.loads(value) if key in choices else value for key, value in trial.params.items()}

    def reason_of(self, trial: "optuna.trial.FrozenTrial") -> str:
        """Return the reason why a trial failed; empty if it did not."""
        return str(trial.user_attrs.get(_REASON, ""))

    def next_trial(self) -> "optuna.Trial":
        """Return the trial that was interrupted, or a new one."""
        import optuna

        running = self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        return optuna.trial.Trial(self._study, running[0]._trial_id) if running else self._study.ask()

    def suggest(self, trial: "optuna.Trial") -> dict[str, Any]:
        """Suggest the values of a trial, by key."""
        return {key: self._suggest_one(trial, key, values) for key, values in self._folder.space.items()}

    def end(self, trial: "optuna.Trial", state: State, value: float | None = None, reason: str = "") -> None:
        """Note how a trial has ended: with its value, pruned, or failed for a reason."""
        from optuna.trial import TrialState

        if reason:
            trial.set_user_attr(_REASON, reason)
        self._study.tell(trial, value, TrialState[state])

    def _suggest_one(self, trial: "optuna.Trial", key: str, values: Choices | Range) -> Any:
        import optuna

        # A sampler for each value: a search that was interrupted goes on with the same numbers.
        mark = f"{self._seed}:{trial.number}:{key}".encode()
        seed = int.from_bytes(hashlib.blake2b(mark, digest_size=4).digest(), "big")
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS)
        if isinstance(values, Choices):
            # Optuna takes no lists and mappings as choices.
            return json.loads(trial.suggest_categorical(key, [json.dumps(each) for each in values.choices]))
        # Optuna warns where the last step ends below `high`.
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            if values.is_whole:
                low, high, step = int(values.low), int(values.high), int(values.step or 1)
                return trial.suggest_int(key, low, high, step=step, log=values.log)
            return trial.suggest_float(key, values.low, values.high, step=values.step, log=values.log)
