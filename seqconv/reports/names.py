"""Names of scores, and of their subjects, in tables and figures."""

from typing import Any

from seqconv.metrics.records import score_label
from seqconv.text import amount

NO_SCORES = ("hours", "median", "max_gap", "min_seconds", "collar", "segment")
"""Numbers among the scores that describe the data and the method."""


def label(name: str) -> str:
    """Return the name of a score in a table.

    >>> label("macro_f1"), label("log_loss")
    ('macro F1', 'log loss')
    """
    return score_label(name)


def head_of(name: str, found: dict[str, Any]) -> str:
    """Return the heading for the scores of "recordings", or of "events"."""
    if name == "recordings":
        ways = {"mean": "the mean", "max": "the highest", "lse": "a soft maximum"}
        return f"recordings: {found['num_recordings']:,}, each by {ways[found['aggregate']]} of its windows"
    return (
        f"events: {found['num_events']:,} in {amount(found['num_recordings'], 'recording')} ({found['hours']:.2f} h), "
        f"{found['num_found']:,} found; "
        f"segments of {found['segment']:g} s; an event may begin {found['collar']:g} s off"
    )


def describe_decisions(chosen: dict[str, Any]) -> str:
    """Describe temperature and thresholds, as `metrics.json` has them, in words.

    >>> describe_decisions({"temperature": 1.5, "thresholds": {"fault": 0.25}})
    'temperature 1.500; thresholds fault 0.250'
    """
    parts = [f"temperature {chosen['temperature']:.3f}"] if "temperature" in chosen else []
    if "thresholds" in chosen:
        parts.append("thresholds " + ", ".join(f"{name} {value:.3f}" for name, value in chosen["thresholds"].items()))
    return "; ".join(parts)
