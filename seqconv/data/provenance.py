"""`Provenance`: how sequences came about."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqconv.data.events.annotations import RecordingEvents
    from seqconv.features.store import BadFile


@dataclass(frozen=True, eq=False)
class Provenance:
    """The origin of sequences: notes, files left out, cuts.

    `notes`: what was decided on the way, for a report. `quarantine`: recordings that were left out since they cannot be
    read. `cut`: "windows" or "events" if they are parts of recordings. `annotations`: events of the recordings.
    """

    notes: tuple[str, ...] = ()
    quarantine: "tuple[BadFile, ...]" = ()
    cut: str | None = None
    annotations: "RecordingEvents | None" = None


UNKNOWN = Provenance()
