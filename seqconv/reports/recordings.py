"""The sequences of a report: a summary of all answers, and cards of those that went wrong."""

from typing import Any

import numpy as np
import pandas as pd

from seqconv.errors import SeqconvError
from seqconv.inspection import Contributions, contributions
from seqconv.reports.answers import Answers
from seqconv.reports.drawings import Drawing
from seqconv.reports.pictures import draw_recording, frame_strips
from seqconv.reports.report_inputs import Material
from seqconv.reports.sounds import embed_sounds
from seqconv.reports.tables import Table, frame_table, number, percent
from seqconv.text import amount

SHOWN_EACH = 4
MOST_ROWS = 2000
MOST_PROBABILITIES = 4
MOST_FEATURE_FRAMES = 60_000


def summarize(answers: Answers) -> pd.DataFrame:
    """Return a row for each sequence: id, truth, prediction, whether it is wrong, confidence, loss.

    Of frames: `num_frames` with a label and `error_rate`, the part of them that is wrong, instead of the answers.
    `confidence` is the probability of the class given; of several labels, the smallest probability of a decision; NaN
    in a regression.
    """
    table, confidence = answers.table, answers.definition.confidence(answers.predictions)
    if confidence is None:
        confidence = np.full(len(table), np.nan)
    if answers.kind == "sequence":
        shown = ("num", "label", "prediction", "alignment")
        columns = ["id", *[name for name in table if str(name).split("_")[0] in shown]]
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


def prediction_table(summary: pd.DataFrame) -> Table:
    """Return the rows with the largest loss, as many as a page can show, and the columns that are not empty."""
    worst = summary.sort_values("loss", ascending=False, kind="stable").head(MOST_ROWS)
    listed = worst.dropna(axis="columns", how="all")
    if "wrong" in listed:
        listed = listed.assign(wrong=listed["wrong"].map({True: "wrong", False: "right"}))
    return frame_table(listed.rename(columns=lambda name: "result" if name == "wrong" else name.replace("_", " ")))


def make_cards(material: Material, answers: Answers, summary: pd.DataFrame) -> list[list[dict[str, Any]]]:
    """Make cards of recordings with truth, prediction, picture and sound: the confidently wrong, then the hardest.

    Those with the worst answers come first, and none is shown twice.
    """
    confident: list[int] = []
    if answers.kind == "sequence" and "wrong" in summary:
        wrong = np.flatnonzero(summary["wrong"])
        sure = -summary["confidence"].to_numpy()[wrong]
        confident = wrong[np.argsort(sure, kind="stable")].tolist()[:SHOWN_EACH]
    order = np.argsort(-summary["loss"].to_numpy(), kind="stable").tolist()
    hardest = [place for place in order if place not in confident][:SHOWN_EACH]
    places = [*confident, *hardest]
    sounds = embed_sounds([answers.ids[place] for place in places], material.answered, material.folder.config.features)
    cards = [
        _card(material, answers, summary.iloc[place], place, f"recording-{index}") | {"sound": sounds[index]}
        for index, place in enumerate(places)
    ]
    return [cards[: len(confident)], cards[len(confident) :]]


def _card(material: Material, answers: Answers, row: Any, place: int, name: str) -> dict[str, Any]:
    frames, seconds = material.answered_lengths.get(answers.ids[place]), material.seconds_per_frame
    duration = None if frames is None or seconds is None else frames * seconds
    facts = []
    for column, value in row.items():
        if str(column).split("_")[0] in ("label", "prediction", "alignment"):
            written = (value or "none") if isinstance(value, str) else number(float(value))
            facts.append((str(column).replace("_", " "), written))
    if "error_rate" in row:
        facts.append(("wrong frames", percent(row["error_rate"])))
    elif not np.isnan(row["confidence"]):
        facts.append(("confidence", percent(row["confidence"])))
    facts.append(("loss", number(float(row["loss"]))))
    if frames is not None:
        facts.append(("length", amount(frames, "frame") if duration is None else f"{duration:.2f} s"))
    return {
        "id": answers.ids[place],
        "name": name,
        "facts": facts,
        "wrong": bool(row["wrong"]) if "wrong" in row else None,
        "probabilities": _probabilities(answers, place),
        "picture": _picture(material, answers, place, name),
        "seconds": duration,
    }


def _probabilities(answers: Answers, place: int) -> list[tuple[str, float, bool]]:
    """Return the largest probabilities, and whether each class is true; always that of the label."""
    if answers.given is None or answers.kind == "frame":
        return []
    values, truth = answers.predictions[place], answers.targets[place]
    order = np.argsort(-values, kind="stable")
    shown = [*order[:MOST_PROBABILITIES], *(c for c in order[MOST_PROBABILITIES:] if truth[c] == 1)]
    return [(answers.names[c], float(values[c]), bool(truth[c] == 1)) for c in shown[: MOST_PROBABILITIES + 3]]


def _picture(material: Material, answers: Answers, place: int, name: str) -> Drawing | None:
    data, index = material.answered, material.places.get(answers.ids[place])
    if data is None or index is None or data.lengths[index] > MOST_FEATURE_FRAMES:
        return None
    features = np.asarray(data[index], np.float32)
    below = frame_strips(answers, place, len(features)) or _contributions(material, answers, features, place)
    return draw_recording(name, features, material.folder.config.features, below)


def _contributions(material: Material, answers: Answers, features: np.ndarray, place: int) -> Contributions | None:
    """Return what each frame adds to the logit of the predicted class; None if unknown."""
    if material.model is None or answers.given is None or answers.kind == "frame":
        return None
    try:
        return contributions(material.model, features, output=int(answers.predictions[place].argmax()))
    except SeqconvError:
        return None
