"""`DataSpec`: everything that decides which labeled sequences a manifest becomes."""

from dataclasses import dataclass, field

from seqconv.data.settings import DataConfig
from seqconv.data.split_settings import SplitConfig
from seqconv.features.settings import FeatureSettings
from seqconv.tasks.settings import TargetConfig


@dataclass(frozen=True)
class DataSpec:
    """The sections of a config about data, without the rest of it.

    `predicts_frames`: whether a model gives one prediction for each frame, so that frames have labels.
    `split_seed`: seed of the cut into splits.
    """

    data: DataConfig = field(default_factory=DataConfig)
    target: TargetConfig = field(default_factory=TargetConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    predicts_frames: bool = False
    split_seed: int = 0
