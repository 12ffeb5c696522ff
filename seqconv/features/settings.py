"""The `features` section: frames, and their features `(time, d)`. Argument names are librosa's."""

from collections.abc import Mapping
from typing import Any

from seqconv.features.kinds import FeatureKind
from seqconv.parts.problems import read_section

# As a value, settings; as a class, a kind.
FeatureSettings = FeatureKind


def as_settings(settings: FeatureSettings | Mapping[str, Any]) -> FeatureSettings:
    """Read feature settings from a mapping such as `{"kind": "mfcc", "n_mfcc": 13}`.

    Raises:
        ConfigError: an unknown key, a wrong type or an impossible combination.

    >>> as_settings({"kind": "mfcc"}).n_mfcc
    20
    """
    if isinstance(settings, FeatureSettings):
        return settings
    return read_section(FeatureSettings, dict(settings), "features")
