"""The true events of recordings, by id, and the meaning of a recording without events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.data.events.recordings import read_recording_events
from seqconv.data.events.tables import NO_EVENTS, Events, FloatArray
from seqconv.errors import ManifestError, list_some
from seqconv.files import fetch
from seqconv.sources import IntArray
from seqconv.tasks.frame_labels import raise_listed
from seqconv.tasks.settings import TargetConfig
from seqconv.text import amount


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
        return [sorted({name for label in own.labels for name in event_names(label, target)}) for own in self.of(ids)]


@dataclass(frozen=True, eq=False)
class RecordingEvents:
    """Events of whole recordings, stored with the sequences that are cut from them, to be found again.

    `starts`, `ends` `(n,)`: from when to when each recording was read, in seconds of its file.
    """

    ids: list[str]
    events: list[Events]
    starts: FloatArray
    ends: FloatArray


def check_ends(
    recordings: RecordingEvents, lengths: IntArray, seconds_per_frame: float, are_whole: npt.NDArray[np.bool_]
) -> list[str]:
    """Check that no event starts after the end of its recording, and return a note on those that end after it.

    Args:
        recordings: the events.
        lengths: frames of each recording.
        seconds_per_frame: seconds from one frame to the next.
        are_whole: which are whole files: of a part of a file, some events are elsewhere.

    Raises:
        ManifestError: events that start after the end.

    >>> cough = Events(np.array([5.0]), np.array([12.1]), ("cough",))
    >>> tape = RecordingEvents(["tape"], [cough], np.zeros(1), np.array([10.0]))
    >>> check_ends(tape, np.array([100]), 0.1, np.array([True]))
    ['1 event ends after its recording, by up to 2 s: cut']
    """
    problems, late = [], []
    for place in np.flatnonzero(are_whole).tolist():
        events = recordings.events[place]
        # The last frame may stand for almost a whole step of time, and rounded times get one more.
        end = recordings.starts[place] + (lengths[place] + 1) * seconds_per_frame
        after = events.starts[events.starts > end]
        if len(after):
            problems.append(
                f"'{recordings.ids[place]}': {len(after)} of {len(events)} events start after its end at "
                f"{end - 2 * seconds_per_frame:.2f} s, the first at {after[0]:g} s. Are these seconds, and of this "
                "recording?"
            )
        late += (events.ends[events.ends > end] - end).round(6).tolist()
    raise_listed(problems)
    ended = amount(len(late), "event ends after its recording", "events end after their recordings")
    return [f"{ended}, by up to {max(late):.2g} s: cut"] if late else []


def event_names(label: str | None, target: TargetConfig) -> tuple[str, ...]:
    """Return the classes that the cell of an event names; none if it is empty.

    >>> event_names("dog; cat", TargetConfig(task="multilabel"))
    ('dog', 'cat')
    """
    return () if label is None else target.definition.names_in(label, target.separator)


def read_annotations(
    frame: pd.DataFrame,
    path: str | Path | Mapping[str, str],
    unlabeled: str | None = None,
    *,
    is_part: bool = False,
) -> tuple[pd.DataFrame, Annotations]:
    """Read the events of a manifest, and decide about recordings that have none.

    Args:
        frame: a manifest as `load_manifest` returns it.
        path: see `data.events` of the config.
        unlabeled: recordings without events: "negative" keeps them, "ignore" leaves them out, None is an error. A table
            of its own in a folder, though empty, says that nothing happens.
        is_part: the manifest is one split of several, so that events of other recordings need no note.

    Returns:
        The manifest, without the recordings that are ignored, and the events.

    Raises:
        ManifestError: with every problem of every table; a recording without events.
    """
    try:
        paths = [fetch(each) for each in (path.values() if isinstance(path, Mapping) else [path])]
    except FileNotFoundError:
        raise ManifestError(
            f"data.events names '{path}', and there is no such file (a folder of tables must be on this machine)"
        ) from None
    if missing := [each for each in paths if not each.exists()]:
        raise ManifestError(f"data.events names {list_some(missing)}, and there is no such file or folder")
    found = read_recording_events(paths, frame)
    raise_listed(found.problems)
    annotations = Annotations(found.by_id, [] if is_part else found.notes)
    ids = frame["id"].tolist()
    without = [name for name in ids if name not in found.by_id]
    if not without:
        return frame, annotations
    note = f"{len(without)} of {len(ids)} recordings have no event in {list_some(paths)}: {list_some(without)}"
    if unlabeled is None:
        raise ManifestError(
            f"{note}. If nothing happens in them, set data.unlabeled to 'negative'; if they were not labeled, to "
            "'ignore', which leaves them out"
        )
    if unlabeled == "ignore":
        frame = frame[frame["id"].isin(found.by_id)].reset_index(drop=True)
        annotations.notes.append(f"{note}; left out (data.unlabeled)")
    return frame, annotations
