"""Transforms of a user's own: keyed as ours are, and held to what they promise."""

from typing import Literal

import numpy as np
import pytest
from support.registries import registered

from seqconv.config import load_config
from seqconv.data.augmentation.epochs import Augmentation
from seqconv.data.augmentation.settings import FeatureTransform
from seqconv.errors import ConfigError
from seqconv.features import FeatureKind
from seqconv.sources import ArraySource


class Halve(FeatureTransform):
    """Part of the features of a sequence becomes smaller."""

    type: Literal["halve"]
    factor: float = 0.5

    def apply(self, features, rng):
        return features * (self.factor if rng.random() < 0.5 else 1.0)


class Spoil(FeatureTransform):
    type: Literal["spoil"]
    how: str

    def apply(self, features, rng):
        if self.how == "write":
            features[0] = 0
        return features[1:] if self.how == "shorter" else features * np.nan


@pytest.fixture(autouse=True)
def transforms():
    with registered(Halve, Spoil):
        yield


def own(*transforms, seed=0, order=None):
    arrays = [np.full((20, 3), 1.0 + index, np.float32) for index in range(12)]
    order = range(12) if order is None else order
    source = ArraySource([arrays[index] for index in order], ids=[f"s{index}" for index in order])
    settings = load_config({"augment": {"own": list(transforms)}}).augment
    return settings, Augmentation(settings, source, FeatureKind(kind="precomputed"), seed=seed)


def test_a_transform_of_ones_own_is_keyed_by_seed_epoch_and_id_alone():
    settings, plan = own({"type": "halve", "factor": 0.25})
    assert settings.names == ["halve"]
    first, again = plan.epoch(1), own({"type": "halve", "factor": 0.25}, order=range(11, -1, -1))[1].epoch(1)
    values = [float(first[index][0, 0]) / (1 + index) for index in range(12)]
    assert set(values) == {0.25, 1.0}
    assert values == [float(again[11 - index][0, 0]) / (1 + index) for index in range(12)]
    assert values != [float(plan.epoch(2)[index][0, 0]) / (1 + index) for index in range(12)]
    # What ours draw stays as it is.
    with_ours = load_config({"augment": {"gain": {}, "own": [{"type": "halve"}]}}).augment
    assert with_ours.names == ["gain", "halve"]


@pytest.mark.parametrize(
    ("how", "told"),
    [("shorter", r"made shape \(19, 3\) of the sequence 's0'"), ("nan", "made a value that is not finite")],
)
def test_a_transform_of_ones_own_is_held_to_its_promise(how, told):
    with pytest.raises(ConfigError, match=told):
        own({"type": "spoil", "how": how})[1].epoch(0)[0]
    with pytest.raises(ValueError, match="read-only"):
        own({"type": "spoil", "how": "write"})[1].epoch(0)[0]


def test_keys_of_a_transform_of_ones_own_are_checked():
    with pytest.raises(ConfigError, match=r"augment.own\.0\.factr: unknown key; did you mean 'factor'"):
        load_config({"augment": {"own": [{"type": "halve", "factr": 1}]}})
    with pytest.raises(ConfigError, match=r"augment.own\.0\.type: expected .*'halve'"):
        load_config({"augment": {"own": [{"type": "double"}]}})
