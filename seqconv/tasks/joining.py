"""The part of a task that says what several answers say together: those of windows, or of frames."""

from typing import Any, ClassVar

from seqconv.errors import ConfigError
from seqconv.metrics.checks import FloatArray, IntArray
from seqconv.tasks.forms import Array, Columns, Joiner, Meaning


class JoiningTask:
    """A task in which windows of a recording, or frames of a sequence, say something together.

    Attributes:
        joins_windows: whether the windows of a recording do, by their mean or maximum.
        joins_frames: whether the label is of a sequence, although the model predicts frames: these say it together.
    """

    joins_windows: ClassVar[bool] = False
    joins_frames: ClassVar[bool] = False

    def frames_needed(self, encoded: Array) -> IntArray | None:
        """Count the output frames that the model must give for each label, `(n,)`; None: any number will do."""
        return None

    def place_columns(self, decided: Any, step: float, starts: FloatArray | None = None) -> Columns:
        """Name where in its sequence each part of an answer is, as columns of a table.

        Args:
            decided: as `decide` returns it.
            step: from one output frame to the next, in seconds, or in input frames where these have no time.
            starts: where in its recording each sequence starts, in the same unit; None: at its beginning.
        """
        return {}

    def compare_columns(self, target: Meaning, targets: Any, decided: Any) -> Columns:
        """Name in what answers differ from the truth, as columns of a table; `decided` as `decide` returns it."""
        return {}

    def start_joining(self, target: Meaning) -> Joiner:
        """Begin with the frames of a sequence that come in pieces; see `joins_frames`."""
        raise ConfigError(f"the frames of a {type(self).__name__} say nothing together. Add a method 'start_joining'")
