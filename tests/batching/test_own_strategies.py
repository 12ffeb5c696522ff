"""Strategies of a user's own: chosen by name, with options of their own, and each sequence once an epoch."""

import numpy as np
import pytest
from support.registries import registered
from support.training_data import classified, quick

from seqconv.batching import plan_padded
from seqconv.batching.strategies import Strategy, make_plan
from seqconv.config import load_config
from seqconv.errors import ConfigError
from seqconv.training import train


def plan_small(lengths, *, most: int = 3, batch_size=None, **options):
    """Padded batches of few sequences."""
    return plan_padded(lengths, batch_size=min(most, batch_size or most), **options)


@pytest.fixture(autouse=True)
def small():
    with registered(Strategy("small", plan_small)):
        yield


def test_it_is_chosen_by_name_with_its_options():
    config = load_config({"batching": {"strategy": "small", "options": {"most": 2}}})
    assert load_config(config.to_dict()) == config
    layouts = list(make_plan("small", np.arange(5, 30), most=2).epoch(0))
    assert sorted(index for layout in layouts for index in layout.indices.tolist()) == list(range(25))
    assert len(layouts) == 13


def test_options_are_checked_with_the_config():
    with pytest.raises(ConfigError, match=r"batching.options.mots: unknown option; did you mean 'most'\?"):
        load_config({"batching": {"strategy": "small", "options": {"mots": 2}}})
    with pytest.raises(ConfigError, match=r"batching\.options\.most: unknown option\. strategy 'padded' takes none"):
        load_config({"batching": {"strategy": "padded", "options": {"most": 2}}})
    with pytest.raises(ConfigError, match=r"batching\.options are keys of a strategy of your own"):
        load_config({"batching": {"options": {"most": 2}}})
    with pytest.raises(ConfigError, match=r"batching.strategy: expected .*'packed'.*'small', got 'smal'"):
        load_config({"batching": {"strategy": "smal"}})


def test_a_run_is_trained_with_it(tmp_path):
    config = quick(batching={"strategy": "small", "options": {"most": 4}}, training={"epochs": 1})
    run = train(config, tmp_path / "run", train_data=classified(), valid_data=classified(20, seed=1))
    assert "strategy: small" in (tmp_path / "run" / "config.yaml").read_text("utf-8")
    assert np.isfinite(run.history["loss"]).all()
