"""The end of a run: its saved model decides, is scored and described."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from seqconv.batching import Plan
from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.evaluation import Evaluation, choose_decision_rule, evaluate
from seqconv.evaluation.event_smoothing import choose_event_rules
from seqconv.evaluation.hardest import WorstSequences
from seqconv.files import write_atomically, write_text
from seqconv.models import LayoutModel, load_model
from seqconv.reports.folder import MODEL_FACTS
from seqconv.training.output import report
from seqconv.training.run import run_dir as folders


@dataclass(frozen=True)
class Run:
    """A finished run.

    `model`: the best model, by the monitored value. `history`: a row an epoch. `metrics`: scores by split, as in
    `metrics.json`. `evaluation`: of the test split, or of valid where there is no test. `path`: the run directory.
    """

    model: LayoutModel
    history: pd.DataFrame
    metrics: dict[str, Any]
    evaluation: Evaluation
    path: Path

    def errors(self, n: int = 10) -> WorstSequences:
        """Return the `n` sequences of `evaluation` with the largest loss, as a DataFrame; a notebook shows it with
        sound."""
        return self.evaluation.errors(n)

    def _repr_html_(self) -> str:
        """Return the curves of training, the scores as a table, and figures, for a notebook."""
        from seqconv.reports.notebook import run_html

        run = run_html(self.path, self.history, self.model.count_params())
        return run + self.evaluation._repr_html_()

    def __repr__(self) -> str:
        return f"<run in {self.path}: {len(self.history)} epochs, {self.model.count_params():,} parameters>"


@dataclass(frozen=True)
class TrainedRun:
    """A run whose model is trained and saved, and not scored yet; `facts` are those for `model.json`."""

    config: Config
    data: Datasets
    path: Path
    history: pd.DataFrame
    plan: Plan | None
    facts: Mapping[str, Any]


def score_run(run: TrainedRun, console: Console) -> Run:
    """Score the saved model, so that the printed scores are those of the file."""
    data, config, path = run.data, run.config, run.path
    model = load_model(path / folders.MODEL)
    _decide(model, run, console)
    evaluations = {}
    for split, part in data.parts().items():
        if split != "train":
            evaluations[split] = evaluate(model, part, split_name=split, seed=config.seed, settings=config.evaluation)
            evaluations[split].save(path, split)
    final = evaluations["test" if data.test is not None else "valid"]
    console.print()
    console.print(str(final), highlight=False, markup=False)
    facts = report.model_facts(model, path / folders.MODEL, data) | dict(run.facts)
    write_text(json.dumps(facts, indent=2) + "\n", path / MODEL_FACTS)
    page = None
    if config.evaluation.report:
        # Drawing needs matplotlib, which training does not.
        from seqconv.reports import write_report

        page = write_report(path, parts=data.parts(), plan=run.plan, model=model)
    report.print_end(facts, path, page, data, config.plugins, console)
    metrics = {split: evaluation.metrics for split, evaluation in evaluations.items()}
    return Run(model, run.history, metrics, final, path)


def _decide(model: LayoutModel, run: TrainedRun, console: Console) -> None:
    """Choose temperature, thresholds and rules for events on valid, and save the model with them."""
    valid, settings = run.data.valid, run.config.evaluation
    if valid is None:
        return
    decided: list[Any] = []
    for choose in (choose_decision_rule, choose_event_rules):
        chosen = choose(model, valid, settings)
        if chosen is not None:
            model.card = chosen.apply_to(model.card)
            decided.append(chosen)
    if decided:
        write_atomically(run.path / folders.MODEL, model.save)
        report.print_decisions(decided, console)
