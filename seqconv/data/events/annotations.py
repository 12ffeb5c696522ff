"""The true events of recordings, by id, and the meaning of a recording without events."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from seqconv.data.events.recordings import read_recording_events
from seqconv.data.events.tables import NO_EVENTS, Events
from seqconv.errors import ManifestError, list_some
from seqconv.tasks.frame_labels import raise_listed
from seqconv.tasks.settings import TargetConfig

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Annotations:
    """Events by id of a recording, in seconds from the beginning of its file; `notes` are for a report."""

    by_id: dict[str, Events]
    notes: list[str] = field(default_factory=list)

    def of(self, ids: Sequence[str]) -> list[Events]:
        """Return the events of each recording, none if it has none."""
        return [self.by_id.get(name, NO_EVENTS) for name in ids]

    def label_sets(self, ids: Sequence[str], target: TargetConfig) -> list[list[str]]:
        """Return the classes that occur in each recording: splits keep their proportions."""
        return [
            sorted({name for label in events.labels for name in event_names(label, target)}) for events in self.of(ids)
        ]


@dataclass(frozen=True, eq=False)
class RecordingEvents:
    """Events of whole recordings, stored with the sequences that are cut from them, to be found again.

    `starts`, `ends` `(n,)`: from when to when each recording was read, in seconds of its file.
    """

    ids: list[str]
    events: list[Events]
    starts: FloatArray
    ends: FloatArray


def find_behind(name: str, events: Events, num_frames: int, start: float, seconds_per_frame: float) -> list[str]:
    """Describe events that start after the end of a recording.

    Args:
        name: id of the recording.
        num_frames: frames of it.
        start: where in its file it begins, in seconds.

    >>> find_behind("tape", Events(np.array([50.0]), np.array([51.0]), ("cough",)), 100, 0.0, 0.1)[0]
    "'tape': 1 of 1 events start behind its end at 9.90 s, the first at 50 s. Are these seconds, and of this recording?"
    """
    # The last frame may stand for almost a whole step of time, and rounded times get one more.
    end = start + (num_frames + 1) * seconds_per_frame
    behind = events.starts[events.starts > end]
    if not len(behind):
        return []
    return [
        f"'{name}': {len(behind)} of {len(events)} events start behind its end at {end - 2 * seconds_per_frame:.2f} s, "
        f"the first at {behind[0]:g} s. Are these seconds, and of this recording?"
    ]


def seconds_behind(events: Events, num_frames: int, start: float, seconds_per_frame: float) -> list[float]:
    """Return by how much events end after the end of a recording, for those that do; arguments as in `find_behind`.

    >>> seconds_behind(Events(np.array([5.0]), np.array([12.1]), ("cough",)), 100, 0.0, 0.1)
    [2.0]
    """
    end = start + (num_frames + 1) * seconds_per_frame
    late: list[float] = (events.ends[events.ends > end] - end).round(6).tolist()
    return late


def describe_late(late: Sequence[float]) -> list[str]:
    """Describe events that end after their recordings.

    >>> describe_late([2.0, 0.5])
    ['2 events end behind their recordings, by up to 2 s: cut']
    """
    if not late:
        return []
    return [
        f"{len(late)} {'event ends behind its recording' if len(late) == 1 else 'events end behind their recordings'}, "
        f"by up to {max(late):.2g} s: cut"
    ]


def event_names(label: str | None, target: TargetConfig) -> tuple[str, ...]:
    """Return the classes that the cell of an event names; none if it is empty.

    >>> event_names("dog; cat", TargetConfig(task="multilabel"))
    ('dog', 'cat')
    """
    return () if label is None else target.definition.names_in(label, target.separator)


def read_annotations(
    frame: "pd.DataFrame", path: str | Path, unlabeled: str | None = None, *, is_part: bool = False
) -> tuple["pd.DataFrame", Annotations]:
    """Read the events of a manifest, and decide about recordings that have none.

    Args:
        frame: a manifest as `load_manifest` returns it.
        path: see `data.events` of the config.
        unlabeled: recordings without events: "negative" keeps them, "ignore" leaves them out, None is an error. A table
            of its own in a folder, though empty, says that nothing happens.
        is_part: the manifest is one split of several, and events of other recordings are nothing to tell.

    Returns:
        The manifest, without the recordings that are ignored, and the events.

    Raises:
        ManifestError: with every problem of every table; a recording without events.
    """
    path = Path(path)
    if not path.exists():
        raise ManifestError(f"data.events names '{path}', and there is no such file or folder")
    found = read_recording_events(path, frame)
    raise_listed(found.problems)
    notes = [] if is_part else found.notes
    ids = frame["id"].tolist()
    without = [name for name in ids if name not in found.by_id]
    if not without:
        return frame, Annotations(found.by_id, notes)
    told = f"{len(without)} of {len(ids)} recordings have no event in '{path}': {list_some(without)}"
    if unlabeled is None:
        raise ManifestError(
            f"{told}. If nothing happens in them, set data.unlabeled to 'negative'; if they were not labeled, to "
            "'ignore', which leaves them out"
        )
    if unlabeled == "negative":
        return frame, Annotations(found.by_id, notes)
    left = frame[frame["id"].isin(found.by_id)].reset_index(drop=True)
    return left, Annotations(found.by_id, [*notes, f"{told}; left out (data.unlabeled)"])
