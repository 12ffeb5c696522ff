"""The sections `data` and `split`: recordings, windows, events, features in files, and the division into splits."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from seqconv.data.manifest.collection import CollectionSettings
from seqconv.errors import ConfigError, ManifestError
from seqconv.files import is_address
from seqconv.parts import FilePaths, Fraction, LocalPath, Role, Section
from seqconv.parts.sections import split_scheme

EventUse = Literal["windows", "frames", "sequences"]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class WindowSettings(Section):
    """Windows cut from recordings, each a sequence `ID@START`."""

    seconds: Seconds = Field(description="Length of a window; a shorter recording is one window.")
    hop: Seconds | None = Field(
        default=None,
        description="Seconds from one window to the next; default: `seconds`. The last ends with the recording.",
    )
    min_overlap: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5, description="An event labels a window that holds this part of it, or of which it fills this part."
    )
    keep_empty: bool = Field(default=True, description="Whether windows without an event are sequences, too.")

    @property
    def step(self) -> float:
        """Seconds from one window to the next."""
        return self.seconds if self.hop is None else self.hop

    def in_frames(self, seconds_per_frame: float) -> tuple[int, int]:
        """Return the frames of a window, and from one to the next.

        Raises:
            ConfigError: one of the two is not even half a frame.

        >>> WindowSettings(seconds=1.0, hop=0.25).in_frames(0.01)
        (100, 25)
        """
        size, step = (round(length / seconds_per_frame) for length in (self.seconds, self.step))
        for key, frames, seconds in (("seconds", size, self.seconds), ("hop", step, self.step)):
            if not frames:
                raise ConfigError(
                    f"data.windows.{key}: {seconds:g} is shorter than a frame, which is {seconds_per_frame:g} s here. "
                    "Raise it to that at least."
                )
        return size, step


class DataConfig(CollectionSettings):
    """Manifest, events and feature cache. Relative paths start at the folder of the config file."""

    made_by: Annotated[str | None, Role.MACHINE] = Field(
        default=None,
        min_length=1,
        description="Command that makes the manifest; the error for a missing manifest names it.",
    )
    windows: WindowSettings | None = Field(default=None, description="Cut recordings into windows; null: do not cut.")
    events: FilePaths = Field(
        default=None,
        description="Events: a table of path (or id), start, end (seconds) and label, a Raven selection "
        "table, or a folder with a table, Raven table or Audacity label track for each recording, or with tables that "
        "name their recordings; or several tables by name, such as {train: a.csv, valid: b.csv}.",
    )
    events_as: EventUse | None = Field(
        default=None,
        description="Events label windows or frames, or are sequences of their own; default: frames if the model "
        "predicts these, else windows if there are any, else sequences.",
    )
    unlabeled: Literal["negative", "ignore"] | None = Field(
        default=None,
        description="Recordings without events: nothing happens in them (negative), or leave them out (ignore), "
        "like those without a label; null: an error.",
    )
    cache_dir: Annotated[LocalPath, Role.MACHINE] = Field(
        default=None, description="Folder of the feature stores; default: the user's cache folder, or $SEQCONV_CACHE."
    )
    num_workers: Annotated[Annotated[int, Field(ge=0)] | None, Role.MACHINE] = Field(
        default=None, description="Processes that extract features; 0: in this process; default: one per CPU core."
    )
    on_bad_file: Literal["error", "skip"] = Field(
        default="error", description="Recordings that cannot be read: list them all and stop, or leave them out."
    )
    max_bad_fraction: Fraction = Field(default=0.01, description="Largest part of recordings that 'skip' leaves out.")

    on_leak: Literal["error", "warn"] = Field(
        default="error",
        description="The same content, group or recording in two splits: list them and stop, or list them and train.",
    )

    @property
    def skipped_fraction(self) -> float:
        """The part of the recordings that may be left out; 0 if a bad one is an error."""
        return self.max_bad_fraction if self.on_bad_file == "skip" else 0.0

    @model_validator(mode="after")
    def _events_are_used(self) -> "DataConfig":
        for name in ("events_as", "unlabeled"):
            value = getattr(self, name)
            # Without events, those without a label are meant.
            if value not in (None, "ignore") and self.events is None:
                raise ValueError(f"{name} is '{value}', but events names no table. Set events, or remove {name}")
        if self.events_as == "windows" and self.windows is None:
            raise ValueError("events_as is 'windows', but windows does not say how long they are. Set windows.seconds")
        if self.events_as == "sequences" and self.windows is not None:
            raise ValueError("events_as is 'sequences', but windows is set. Remove it, or set events_as to 'windows'")
        return self


class SplitConfig(Section):
    """Rules for the splits that a manifest lacks. Splits and folds of the manifest itself are kept."""

    by: str = Field(
        default="group",
        description="Column whose values stay in one split (speaker, machine, site); it replaces group.",
    )
    stratify: str | None = Field(default=None, description="Column with values to spread evenly; null: the labels.")
    valid: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1, description="Share of valid; 0: if none is given there is none, and a run keeps its last epoch."
    )
    test: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="Share of test; with folds, a fold is test."
    )
    folds: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="Cut into so many folds; the manifest's column fold is kept. null: no folds."
    )
    fold: Annotated[Annotated[int, Field(ge=0)] | None, Role.RUN] = Field(
        default=None, description="The fold that is test, the others are train and valid. null: the first."
    )
    seed: Annotated[Annotated[int, Field(ge=0, lt=2**32)] | None, Role.RUN] = Field(
        default=None, description="Another seed gives another cut; null: the seed of the run."
    )

    @property
    def uses_folds(self) -> bool:
        """Whether one fold is the test split."""
        return self.folds is not None or self.fold is not None

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Shares of train, valid and test.

        >>> SplitConfig(valid=0.25, test=0.25).fractions
        (0.5, 0.25, 0.25)
        """
        return 1 - self.valid - self.test, self.valid, self.test

    @model_validator(mode="after")
    def _leaves_something_to_learn_from(self) -> "SplitConfig":
        if self.valid + self.test >= 1:
            raise ValueError(f"valid {self.valid:g} and test {self.test:g} leave nothing for train. Lower one of them.")
        return self


def check_made(data: DataConfig) -> None:
    """Say which command makes a missing manifest, if the config knows.

    Raises:
        ManifestError: it is not there; names the command.
    """
    if data.made_by is None:
        return
    values = (data.manifest, data.events)
    named = [path for value in values for path in (value.values() if isinstance(value, dict) else [value])]
    # Of addresses and patterns, reading says what is not there.
    places = [split_scheme(path)[1] for path in named if path is not None]
    local = [place for place in places if not is_address(place) and not set("{*?[") & set(place)]
    missing = [place for place in local if not Path(place).exists()]
    if missing:
        raise ManifestError(f"'{missing[0]}' is not there yet. Make it with: {data.made_by}")


def event_use(data: DataConfig, *, predicts_frames: bool) -> EventUse | None:
    """Return the use of the events in `data.events`; None if there are none.

    >>> event_use(DataConfig(events="e.csv", windows={"seconds": 2}), predicts_frames=False)
    'windows'
    """
    if data.events is None or data.events_as is not None:
        return data.events_as
    if predicts_frames:
        return "frames"
    return "sequences" if data.windows is None else "windows"
