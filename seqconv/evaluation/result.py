"""`Evaluation`: scores and predictions of one split, printed and saved."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqconv.evaluation.hardest import WorstSequences
from seqconv.files import write_text
from seqconv.prediction.forward import Choice
from seqconv.reports.folder import SCORES_VERSION, VERSION_KEY, read_scores
from seqconv.tasks import find_task


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of a model on one split; printing it is a report.

    `metrics`: plain values fit for JSON: the scores of the task, `num_sequences`, `intervals` (score -> [low, high]),
    `by_length` (rows), `slices` (column -> value -> scores), `notes` (score -> why it is undefined or partial).
    `predictions`: a row for each sequence: id, num_frames, label, prediction, probabilities `p_<name>`, loss. Of a
    model that predicts frames, a row for each output frame, with `frame` and (where it is known) `time` in seconds
    instead of num_frames; frames without a label have neither label nor loss.
    `layout`: how the sequences were batched, and why; it changes none of the numbers.
    `confidence`: part of the bootstrap draws that an interval holds.
    `kind`: what is scored: "sequence" or "frame".
    `recordings`: of windows, a row for each recording: id, num_windows, label, prediction, probabilities.
    `events`: what was found in recordings whose events are known: id, start, end, label, score.
    Scores of both are `metrics["recordings"]` and `metrics["events"]`.
    `data`: the sequences, from which a notebook plays the worst.
    """

    metrics: dict[str, Any]
    predictions: pd.DataFrame
    task: str
    split_name: str
    layout: Choice
    confidence: float = 0.95
    kind: str = "sequence"
    recordings: pd.DataFrame | None = None
    events: pd.DataFrame | None = None
    data: Any = field(default=None, repr=False)

    def errors(self, n: int = 10) -> WorstSequences:
        """Return the `n` sequences with the largest loss, worst first, as a DataFrame; a notebook shows it with sound.

        Where frames are scored: id, num_frames (with a label), error_rate (of classes or sets of labels), mean loss.
        """
        table = self._by_sequence() if self.kind == "frame" else self.predictions
        worst = table.sort_values("loss", ascending=False, kind="stable").head(n).reset_index(drop=True)
        return WorstSequences(worst, self.data)

    def to_json(self) -> str:
        """Return `{split: metrics}`, as in `metrics.json`."""
        return _dump({self.split_name: self.metrics})

    def save(self, directory: str | Path, split: str | None = None, *, worst_first: bool = False) -> None:
        """Write `metrics.json` (scores of other splits in it are kept) and `predictions.csv`.

        And `recordings.csv` and `events.csv`, where there are any.

        Args:
            directory: made where it does not exist.
            split: the key in `metrics.json`; default: `split_name`.
            worst_first: sort the predictions by loss, largest first.

        Raises:
            StoreError: there is a `metrics.json` that cannot be read.
            StorageError: the disk is full, or nobody may write there.
        """
        directory = Path(directory)
        known = read_scores(directory / "metrics.json")
        scores = {VERSION_KEY: SCORES_VERSION, **known, split or self.split_name: self.metrics}
        table = self._worst_first() if worst_first else self.predictions
        # The larger file first: where the disk is full, scores and predictions stay those of one evaluation.
        for name, each in {"predictions": table, "recordings": self.recordings, "events": self.events}.items():
            if each is not None:
                write_text(each.to_csv(index=False), directory / f"{name}.csv")
        write_text(_dump(scores), directory / "metrics.json")

    def _by_sequence(self) -> pd.DataFrame:
        frames = self.predictions[self.predictions["loss"].notna()]
        facts = {"num_frames": ("loss", "size")}
        wrong = find_task(self.task).is_wrong(frames)
        if wrong is not None:
            frames = frames.assign(error_rate=wrong)
            facts["error_rate"] = ("error_rate", "mean")
        table: pd.DataFrame = frames.groupby("id", sort=False).agg(**facts, loss=("loss", "mean")).reset_index()
        return table

    def _worst_first(self) -> pd.DataFrame:
        if self.kind == "sequence":
            return self.errors(len(self.predictions))
        # Whole sequences, their frames in order.
        places = {name: place for place, name in enumerate(self.errors(len(self.predictions))["id"])}
        ranks = [places.get(name, len(places)) for name in self.predictions["id"]]
        order = np.argsort(ranks, kind="stable")
        return self.predictions.iloc[order].reset_index(drop=True)

    def __str__(self) -> str:
        from seqconv.evaluation.report import render

        layout = f"{self.layout.strategy} ({self.layout.reason})" if self.layout.reason else self.layout.strategy
        return render(self.metrics, self.split_name, layout, self.confidence)

    def _repr_html_(self) -> str:
        """Return the scores as a table, and figures, for a notebook."""
        from seqconv.reports.notebook import evaluation_html

        return evaluation_html(self.metrics, self.split_name, self.confidence, self.task)

    def __repr__(self) -> str:
        frames = f"{self.metrics['num_frames']} frames of " if self.kind == "frame" else ""
        return f"<evaluation of {frames}{self.metrics['num_sequences']} sequences of '{self.split_name}', {self.task}>"


def _dump(scores: dict[str, Any]) -> str:
    return json.dumps(scores, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
