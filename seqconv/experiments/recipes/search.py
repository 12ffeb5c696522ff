"""The search of `recipe: auto`: a first model at once, then what left-out sequences say is better, until time is up."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.errors import SeqconvError
from seqconv.experiments.loop import reason_of
from seqconv.experiments.recipes.candidates import (
    DEEP,
    FEW,
    SUBSETS,
    average_config,
    deep_config,
    preferred,
    rocket_config,
)
from seqconv.experiments.recipes.clock import Clock, OutOfTime, Pace
from seqconv.experiments.recipes.folder import TRIED, log_of, publish
from seqconv.experiments.recipes.folds import NEVER, draw_sample, make_folds
from seqconv.experiments.recipes.forms import pool_forms
from seqconv.experiments.recipes.held_out import answer_folds
from seqconv.experiments.recipes.results import Answer, Results
from seqconv.experiments.recipes.scores import FloatArray, Judge
from seqconv.training.ridge.unseen import calibrated
from seqconv.training.run.trial import check_trial, train_trial
from seqconv.training.state.interrupts import StopSignals

FIRST = "rocket few"


class Search:
    """A search among models for these training sequences; the test split is neither read nor scored by it.

    Args:
        config: with recipe auto.
        data: all splits; those besides train are only checked, so that no error comes after the search.
        path: the folder of the run, where the best model so far always is.
        console: for what is tried, and how it scores.
    """

    def __init__(self, config: Config, data: Datasets, path: Path, console: Console) -> None:
        self._config, self._whole, self._path = config, data, path
        self._data = replace(data, test=None)
        self._sample = draw_sample(self._data, config.seed)
        self._clock = Clock(config.budget_seconds)
        self.results = Results(path, console, self._clock)
        self._folds: npt.NDArray[np.int64] | None = None
        self._seconds_of_few, self._is_late = 0.0, False

    @property
    def has_model(self) -> bool:
        """Whether some model is saved."""
        return self.results.saved is not None

    def run(self) -> None:
        """Try all that the budget allows.

        Raises:
            ConfigError, ManifestError: nothing can be trained on this.
        """
        if len(self._sample.train) < len(self._data.train):
            count, all_of_them = len(self._sample.train), len(self._data.train)
            self.results.note(f"chosen by {count:,} of the {all_of_them:,} training sequences; models learn from all")
        self._folds = make_folds(self._sample, self._config.seed)
        self._train_first()
        rocket = self._attempt("rocket", self._choose_rocket) if self.has_model else None
        self._is_late = False
        if self._folds is None:
            self.results.note("networks are not tried: there are too few training sequences, or groups, for folds")
            return
        if self.has_model and rocket is None:
            self.results.note("networks are not tried: there was no time to measure random convolutions beside them")
            return
        # Of recordings that were standardized before, the other networks would see the same.
        is_standardized = self._config.features.normalize == "recording"
        names = [name for name in DEEP if not (is_standardized and DEEP[name])]
        while names and not self._is_late:
            name = names.pop(0)
            self._attempt(name, partial(self._try_deep, name, rocket))
        for name in names:
            self.results.skip(name, "no time: it would take as long")

    def _attempt(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a part of the search; where it fails, or would take too long, say so and go on without."""
        try:
            return work()
        except OutOfTime as error:
            self._is_late = True
            self.results.skip(name, f"no time: {error}")
        except Exception as error:
            with log_of(name, self._path) as log:
                log.print(str(error) if isinstance(error, SeqconvError) else traceback.format_exc(), markup=False)
            self.results.skip(name, reason_of(error))
        return None

    def _train_first(self) -> None:
        """Train the model that takes the least time; where it cannot be, check that another can."""
        begun = self._clock.spent
        config = rocket_config(self._config, FEW)
        try:
            # All splits are checked here, as in any run; it is the only part of the search that sees them.
            self._save(FIRST, config, self._whole, "the first model, in the least time", self.results.console)
        except SeqconvError as error:
            self.results.skip("rocket", reason_of(error))
            if self._folds is None:
                raise
            with log_of("check", self._path) as log:
                check_trial(deep_config(self._config, "deep train", len(self._data.train)), self._whole, log)
        self._seconds_of_few = self._clock.spent - begun

    def _save(self, name: str, config: Config, data: Datasets, reason: str, console: Console) -> None:
        """Train a candidate on all training sequences, and make it the model of the run."""
        trial = self._folder_of(name) / "whole"
        train_trial(config, data, trial, [Pace(self._clock)], console)
        # A search that is stopped in between would score the model of one candidate by the config of another.
        with StopSignals() as signals:
            publish(trial, self._path)
            self.results.save(name, reason)
            signals.check()

    def _folder_of(self, name: str) -> Path:
        return self._path / TRIED / name.replace(",", "").replace(" ", "-")

    def _train_chosen(self, name: str, config: Config, reason: str) -> None:
        with log_of(name, self._path) as log:
            self._save(name, config, self._data, reason, log)

    def _choose_rocket(self) -> Answer | None:
        """Choose the forms of the input for random convolutions, and train with them.

        Return their answers as those of networks are measured; None where networks are not.
        """
        forms = pool_forms(self._config, self._sample, self._clock, self._seconds_of_few / len(FEW))
        judge = Judge(self._sample, forms.plain.weights, self._config.evaluation, self._config.seed)
        found: dict[str, Answer] = {}
        seconds = 0.0
        for name, inputs in SUBSETS.items():
            if not forms.have(inputs) or (found and seconds * len(inputs) > self._clock.left):
                self.results.skip(name, "no time")
                continue
            begun = self._clock.spent
            logits = forms.leave_out(inputs, self._sample.train.groups)
            found[name] = Answer(name, judge.score(logits), logits, self._clock.spent - begun)
            seconds = found[name].seconds / len(inputs)
            self.results.add(found[name], judge)
        default = preferred(self._config)
        chosen = self._train_rocket(*_choose(found, default if default in found else FIRST, judge))
        if self._folds is None or seconds * len(SUBSETS[chosen]) > self._clock.left:
            return None
        # Networks are measured by folds: beside them, so is this.
        logits = forms.leave_out(SUBSETS[chosen], self._folds)
        logits[self._folds == NEVER] = np.nan
        answer = Answer(chosen, judge.score(logits), logits, 0.0)
        self.results.add(replace(answer, name=f"{chosen}, by folds"), judge)
        return answer

    def _train_rocket(self, name: str, reason: str) -> str:
        """Train the random convolutions that were chosen; return the name of those that are the model now."""
        try:
            if name != FIRST:
                self._clock.check(self._seconds_of_few * len(SUBSETS[name]) / len(FEW))
                self._train_chosen(name, rocket_config(self._config, SUBSETS[name]), reason)
        except OutOfTime as error:
            self.results.skip(name, f"no time to train it: {error}")
            name, reason = FIRST, "there was no time for a better one"
        self.results.save(name, reason)
        return name

    def _try_deep(self, name: str, rocket: Answer | None) -> None:
        """Measure a network, and its average with random convolutions, by folds; train what is better than before."""
        if self._folds is None:
            return
        begun = self._clock.spent
        config = deep_config(self._config, name, len(self._data.train))
        share = len(self._data.train) / len(self._sample.train)
        with log_of(name, self._path) as log:
            answered = answer_folds(config, self._sample, self._folds, self._folder_of(name), self._clock, share, log)
        judge = Judge(self._sample, answered.weights, self._config.evaluation, self._config.seed)
        logits = calibrated(self._sample, answered.labels, answered.logits)
        deep = Answer(name, judge.score(logits), logits, self._clock.spent - begun)
        self.results.add(deep, judge)
        best, reason = self.results.by_folds or rocket, ""
        chosen: tuple[Answer, Config] | None = None
        for answer, plain in self._rivals(deep, config, rocket, answered.logits, judge):
            if best is None:
                best, reason, chosen = answer, "nothing else could be trained", (answer, plain)
                continue
            gain = judge.compare(answer.scored.losses, best.scored.losses)
            self.results.compare(answer.name, best.name, gain)
            # A mean of models that err differently errs less (Krogh and Vedelsby 1995): it needs no margin.
            if gain.is_lower or (plain.members and gain.value > 0):
                best, reason, chosen = answer, f"beside {best.name}, its loss is {gain}", (answer, plain)
        if chosen is not None:
            self._train_chosen(chosen[0].name, chosen[1], reason)
            self.results.by_folds = best

    def _rivals(
        self, deep: Answer, config: Config, rocket: Answer | None, raw: FloatArray, judge: Judge
    ) -> list[tuple[Answer, Config]]:
        """Return a network, and its average with random convolutions, the cheaper one first."""
        rivals = [(deep, config)]
        if rocket is not None:
            # The mean is taken of what the models return: a network may be surer of itself than it should be.
            mean = calibrated(self._sample, self._sample.labels_of("train"), (rocket.logits + raw) / 2)
            average = Answer(f"average of {rocket.name}, {deep.name}", judge.score(mean), mean, 0.0)
            self.results.add(average, judge)
            members = [rocket_config(self._config, SUBSETS[rocket.name]), config]
            rivals.append((average, average_config(self._config, members)))
        return rivals


def _choose(found: dict[str, Answer], default: str, judge: Judge) -> tuple[str, str]:
    """Choose the default, unless another has a lower loss by more than chance; and say why."""
    gains = {name: judge.compare(each.scored.losses, found[default].scored.losses) for name, each in found.items()}
    lower = [name for name, gain in gains.items() if name != default and gain.is_lower]
    if lower:
        chosen = min(lower, key=lambda name: found[name].scored.loss)
        return chosen, f"beside {default}, its loss is {gains[chosen]}"
    return default, "no other forms of the input have a loss that is lower by more than two standard errors"


def describe_plan(config: Config, data: Datasets) -> list[tuple[str, str]]:
    """Say what a search would try, in order: a name and a sentence each."""
    folds = make_folds(draw_sample(replace(data, test=None), config.seed), config.seed)
    forms = [f"{name.removeprefix('rocket ')} ({', '.join(inputs)})" for name, inputs in SUBSETS.items()]
    lines = [
        ("first", f"random convolutions over {', '.join(FEW)}, saved at once"),
        ("rocket", f"other forms of the input, each sequence or group left out: {'; '.join(forms)}"),
    ]
    if folds is None:
        return [*lines, ("deep", "not tried: there are too few training sequences, or groups, for folds")]
    count = int(folds.max()) + 1
    names = ", ".join(name.removeprefix("deep ") for name in DEEP)
    return [*lines, ("deep", f"a network by {count} folds, with input {names}; each alone and averaged with rocket")]
