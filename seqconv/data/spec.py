"""`DataSpec`: everything that decides which labeled sequences a manifest becomes."""

from dataclasses import dataclass, field
from typing import Any

from seqconv.data.settings import DataConfig, EventUse, SplitConfig, WindowSettings, event_use
from seqconv.features import FeatureKind
from seqconv.tasks.settings import TargetConfig


@dataclass(frozen=True)
class Segmentation:
    """Rules that turn recordings into sequences: the part of a config that evaluation and prediction need, too.

    `frame_rate`: frames a second, of features that do not say it. `form`: how files hold several sequences, as
    `seqconv.features.cases` reads it, where their suffix does not say it.
    """

    windows: WindowSettings | None = None
    events_as: EventUse | None = None
    unlabeled: str | None = None
    frame_rate: float | None = None
    form: str = ""

    @property
    def labels_cuts(self) -> bool:
        """Whether events, not a column of the manifest, label the resulting sequences."""
        return self.events_as in ("windows", "sequences")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as the card of a model has them."""
        windows = None if self.windows is None else self.windows.model_dump(mode="json")
        form = {"form": self.form} if self.form else {}
        return {"windows": windows, "events_as": self.events_as, "unlabeled": self.unlabeled, **form}

    @classmethod
    def from_dict(cls, values: dict[str, Any] | None) -> "Segmentation":
        """Read what `to_dict` returned; whole recordings if a model says nothing."""
        windows = (values or {}).get("windows")
        return cls(**{**(values or {}), "windows": None if windows is None else WindowSettings(**windows)})


@dataclass(frozen=True)
class DataSpec:
    """The sections of a config about data, without the rest of it.

    `predicts_frames`: whether a model gives one prediction for each frame, so that frames have labels.
    `split_seed`: seed of the cut into splits. `is_labeled`: whether labels are read.
    """

    data: DataConfig = field(default_factory=DataConfig)
    target: TargetConfig = field(default_factory=TargetConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    features: FeatureKind = field(default_factory=FeatureKind)
    predicts_frames: bool = False
    split_seed: int = 0
    is_labeled: bool = True

    @property
    def segmentation(self) -> Segmentation:
        """The way from recordings to sequences."""
        use = event_use(self.data, predicts_frames=self.predicts_frames)
        labels = (*(self.target.columns or ()), self.target.column)
        return Segmentation(self.data.windows, use, self.data.unlabeled, form=self.data.form_without(labels))

    @property
    def label_columns(self) -> str | tuple[str, ...] | None:
        """Column or columns of the manifest with the labels; None if events or files label the sequences."""
        if not self.is_labeled or self.predicts_frames or self.segmentation.labels_cuts:
            return None
        return self.target.columns or self.target.column

    @property
    def label_files(self) -> str | None:
        """Column of the manifest with paths to labels of frames; None if there is none."""
        return self.target.column if self.predicts_frames and self.data.events is None else None

    @property
    def events(self) -> str | dict[str, str] | None:
        """Path of the events, or several by name; None if no events are read."""
        return self.data.events if self.predicts_frames or self.segmentation.labels_cuts else None
