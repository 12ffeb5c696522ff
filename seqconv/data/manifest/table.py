"""`Manifest`: a table of recordings with what is to be told about it."""

from dataclasses import dataclass, replace

import pandas as pd


@dataclass(frozen=True, eq=False)
class Manifest:
    """A table of recordings, as `load_manifest` returns it, and what is to be told about it.

    `notes`: what was decided on the way. `folds`: how its folds were made, if a cut has made or used them. `is_part`:
    whether it is one split of several.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    folds: str | None = None
    is_part: bool = False

    def with_frame(self, frame: pd.DataFrame, *notes: str) -> "Manifest":
        """Return the manifest with another table, and with more notes."""
        return replace(self, frame=frame, notes=(*self.notes, *notes))
