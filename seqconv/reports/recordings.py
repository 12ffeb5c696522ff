"""The cards of the recordings that a report shows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqconv.errors import SeqconvError
from seqconv.features.kinds import RecordedKind
from seqconv.reports.choice import Chosen
from seqconv.reports.drawings import Drawing
from seqconv.reports.pictures import draw_recording, frame_strips
from seqconv.reports.report_inputs import Material
from seqconv.reports.sounds import Sound, embed_sound
from seqconv.reports.tables import number, percent
from seqconv.text import amount

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.inspection import Contributions

MOST_PROBABILITIES = 4
MOST_FEATURE_FRAMES = 60_000
SOUND_BUDGET = 3_000_000
"""Bytes of sound in one page; what comes first gets it."""


@dataclass(frozen=True)
class Card:
    """One recording: truth, prediction, picture and sound."""

    id: str
    name: str
    facts: list[tuple[str, str]]
    wrong: bool | None
    probabilities: list[tuple[str, float, bool]]
    picture: Drawing | None
    sound: Sound | None
    seconds: float | None


def make_cards(material: Material, summary: "pd.DataFrame", chosen: Chosen) -> tuple[list[Card], list[Card]]:
    """Make cards of the confidently wrong and of the hardest recordings."""
    places = [*chosen.confident, *chosen.hardest]
    budget = SOUND_BUDGET
    cards = []
    for number_of, place in enumerate(places):
        sound = _sound(material, str(summary["id"].iloc[place]))
        if sound is not None and sound.num_bytes > budget:
            sound = None
        budget -= 0 if sound is None else sound.num_bytes
        cards.append(_card(material, summary, place, f"recording-{number_of}", sound))
    return cards[: len(chosen.confident)], cards[len(chosen.confident) :]


def _card(material: Material, summary: "pd.DataFrame", place: int, name: str, sound: Sound | None) -> Card:
    row = summary.iloc[place]
    return Card(
        id=str(row["id"]),
        name=name,
        facts=_facts(material, row),
        wrong=bool(row["wrong"]) if "wrong" in summary else None,
        probabilities=_probabilities(material, place),
        picture=_picture(material, place, str(row["id"]), name),
        sound=sound,
        seconds=_seconds(material, str(row["id"])),
    )


def _seconds(material: Material, name: str) -> float | None:
    """Return the length in seconds of a recording's picture."""
    frames = material.lengths_by_id().get(name)
    return None if frames is None or material.seconds_per_frame is None else frames * material.seconds_per_frame


def _facts(material: Material, row: Any) -> list[tuple[str, str]]:
    facts = []
    for name in row.index:
        title = str(name).replace("_", " ")
        if str(name).split("_")[0] in ("label", "prediction"):
            value = row[name]
            facts.append((title, (value or "none") if isinstance(value, str) else number(float(value))))
    if "error_rate" in row:
        facts.append(("wrong frames", percent(float(row["error_rate"]))))
    elif row["confidence"] == row["confidence"]:
        facts.append(("confidence", percent(float(row["confidence"]))))
    facts.append(("loss", number(float(row["loss"]))))
    frames = material.lengths_by_id().get(str(row["id"]))
    if frames is not None:
        seconds = material.seconds_per_frame
        facts.append(("length", amount(frames, "frame") if seconds is None else f"{frames * seconds:.2f} s"))
    return facts


def _probabilities(material: Material, place: int) -> list[tuple[str, float, bool]]:
    """Return the largest probabilities, and whether each class is true; always that of the label."""
    answers = material.answers
    if answers is None or answers.given is None or answers.kind == "frame":
        return []
    values, truth = answers.predictions[place], answers.targets[place]
    order = np.argsort(-values, kind="stable")
    shown = [*order[:MOST_PROBABILITIES], *(c for c in order[MOST_PROBABILITIES:] if truth[c] == 1)]
    return [(answers.names[c], float(values[c]), bool(truth[c] == 1)) for c in shown[: MOST_PROBABILITIES + 3]]


def _sound(material: Material, name: str) -> Sound | None:
    data, place = material.answered, material.places.get(name)
    is_recorded = isinstance(material.folder.config.features, RecordedKind)
    if data is None or place is None or data.metadata is None or not is_recorded:
        return None
    row = data.metadata.iloc[place]
    start, end = (None if row[key] != row[key] else float(row[key]) for key in ("start", "end"))
    return embed_sound(row["path"], start, end)


def _picture(material: Material, place: int, identity: str, name: str) -> Drawing | None:
    answers, data, index = material.answers, material.answered, material.places.get(identity)
    if data is None or index is None or answers is None or data.lengths[index] > MOST_FEATURE_FRAMES:
        return None
    features = np.asarray(data[index], np.float32)
    return draw_recording(
        name,
        features,
        material.folder.config.features,
        contributions=_contributions(material, features, place),
        frames=frame_strips(answers, place, len(features)),
    )


def _contributions(material: Material, features: "np.ndarray", place: int) -> "Contributions | None":
    """Return what each frame adds to the logit of the predicted class; None if unknown."""
    from seqconv.inspection import contributions

    answers = material.answers
    if material.model is None or answers is None or answers.given is None or answers.kind == "frame":
        return None
    try:
        return contributions(material.model, features, output=int(answers.predictions[place].argmax()))
    except SeqconvError:
        return None
