"""The recordings that a report shows: the confidently wrong ones and the hardest ones."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seqconv.reports.answers import Answers

if TYPE_CHECKING:
    import pandas as pd

SHOWN_EACH = 4
MOST_ROWS = 2000


@dataclass(frozen=True)
class Chosen:
    """Recordings to show: indices into `Answers.ids`, worst first."""

    confident: list[int]
    hardest: list[int]


def summarize(answers: Answers) -> "pd.DataFrame":
    """Return a row for each sequence: id, truth, prediction, whether it is wrong, confidence, loss.

    Of frames: `num_frames` with a label and `error_rate`, the part of them that is wrong, instead of the answers.
    `confidence` is the probability of the class given; of several labels, the smallest probability of a decision; NaN
    in a regression.
    """
    import pandas as pd

    table = answers.table
    confidence = _confidence(answers)
    if answers.kind == "sequence":
        columns = ["id", *[name for name in table if str(name).split("_")[0] in ("num", "label", "prediction")]]
        found = table[columns].copy()
        if answers.given is not None:
            found["wrong"] = answers.is_wrong
        return found.assign(confidence=confidence, loss=table["loss"])
    count = len(answers.ids)
    frames = np.bincount(answers.owners, minlength=count)
    found = pd.DataFrame({"id": answers.ids, "num_frames": frames})
    if answers.given is not None:
        found["error_rate"] = np.bincount(answers.owners, answers.is_wrong, count) / frames
        found["wrong"] = found["error_rate"] > 0
    found["confidence"] = np.bincount(answers.owners, confidence, count) / frames
    found["loss"] = np.bincount(answers.owners, table["loss"], count) / frames
    return found


def choose(summary: "pd.DataFrame", kind: str) -> Chosen:
    """Choose recordings to show from `summarize`; none is shown twice."""
    order = np.argsort(-summary["loss"].to_numpy(), kind="stable")
    confident: list[int] = []
    if kind == "sequence" and "wrong" in summary:
        wrong = np.flatnonzero(summary["wrong"].to_numpy())
        sure = -summary["confidence"].to_numpy()[wrong]
        confident = [int(place) for place in wrong[np.argsort(sure, kind="stable")]][:SHOWN_EACH]
    hardest = [int(place) for place in order if place not in set(confident)][:SHOWN_EACH]
    return Chosen(confident, hardest)


def worst_first(summary: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows that the page lists, those with the largest loss first; as many as a page can show."""
    return summary.sort_values("loss", ascending=False, kind="stable").head(MOST_ROWS)


def as_listed(summary: "pd.DataFrame") -> "pd.DataFrame":
    """Return the columns that the page lists: right or wrong in words, without columns that are empty."""
    listed = summary.dropna(axis="columns", how="all")
    if "wrong" not in listed:
        return listed
    place = list(listed.columns).index("wrong")
    words = listed.pop("wrong").map({True: "wrong", False: "right"})
    listed.insert(place, "result", words)
    return listed


def _confidence(answers: Answers) -> "np.ndarray":
    found = answers.definition.confidence(answers.predictions)
    return np.full(len(answers.predictions), np.nan) if found is None else found
