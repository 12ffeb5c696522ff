"""The batching section reaches the planners whole: every setting changes the plan that it should change."""

import inspect

import pytest
from support.plan_cases import STRATEGIES, prompts_like

from seqconv.batching import make_plan
from seqconv.batching.strategies import STRATEGIES as PLANNERS
from seqconv.config.batching import BatchingConfig, planning_options
from seqconv.geometry import TimeLayer

GEOMETRY = (TimeLayer(5), TimeLayer(3, stride=2))
LENGTHS = prompts_like(600)


def plan_with(strategy, *, is_compiled=False, **settings):
    options = planning_options(
        BatchingConfig(**settings), strategy, seed=3, time_geometry=GEOMETRY, is_compiled=is_compiled
    )
    return make_plan(strategy, LENGTHS, **options)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_empty_section_gives_the_planners_defaults(strategy):
    assert plan_with(strategy).epoch(1) == make_plan(strategy, LENGTHS, seed=3, time_geometry=GEOMETRY).epoch(1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_defaults_stand_in_one_place_only(strategy):
    """The section's defaults are those of the functions, so that a notebook and a run plan alike."""
    section, parameters = BatchingConfig(), inspect.signature(PLANNERS[strategy].plan).parameters
    for name in set(BatchingConfig.model_fields) & set(parameters) - {"max_shapes"}:
        assert parameters[name].default == getattr(section, name)


@pytest.mark.parametrize(
    ("strategy", "settings"),
    [
        ("packed", {"batch_size": 8}),
        ("packed", {"frames_per_batch": 4000}),
        ("packed", {"frames_per_batch": 4000, "too_long": "drop"}),
        ("packed", {"max_shapes": 1}),
        ("packed", {"lookahead": 5}),
        ("bucketed", {"num_buckets": 3}),
        ("bucketed", {"batch_size": 8}),
        ("padded", {"batch_size": 8}),
        ("single", {"frames_per_batch": 400, "too_long": "crop"}),
    ],
)
def test_each_setting_arrives(strategy, settings):
    assert plan_with(strategy, **settings).epoch(0) != plan_with(strategy).epoch(0)


@pytest.mark.parametrize("strategy", ["packed", "bucketed", "padded"])
def test_compiled_steps_have_few_shapes(strategy):
    for most in (2, 4):
        assert len(plan_with(strategy, is_compiled=True, max_shapes=most, frames_per_batch=4000).shapes) <= most
