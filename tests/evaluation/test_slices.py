"""Slices: each sequence in one slice of a column, numbers in classes, what cannot be sliced refused by name."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.training_data import classified, quick

from seqconv.errors import ConfigError, ManifestError
from seqconv.evaluation import evaluate
from seqconv.evaluation.slices import MISSING, MOST_NUMBERS, slice_indices
from seqconv.training import train


def sliced(values, num_bins=4):
    data = SimpleNamespace(metadata=pd.DataFrame({"column": values}), groups=None)
    return slice_indices(data, ["column"], num_bins)["column"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([None, *range(40), *np.linspace(0, 1, 9)]), min_size=1), st.integers(1, 6))
def test_every_sequence_lies_in_one_slice(values, num_bins):
    slices = sliced(values, num_bins)
    assert sorted(np.concatenate(list(slices.values()))) == list(range(len(values)))
    known = {value for value in values if value is not None}
    assert len(slices) <= (max(num_bins, MOST_NUMBERS) + 1)
    assert (MISSING in slices) == (None in values)
    if len(known) > MOST_NUMBERS:
        for name, indices in slices.items():
            if name != MISSING:
                low, high = map(float, name.split(" to "))
                assert all(low - 1e-6 <= values[index] <= high + 1e-6 for index in indices)


def test_many_numbers_are_cut_into_classes_of_about_as_many():
    slices = sliced([str(number) for number in range(1000, 5000, 10)])
    assert list(slices) == ["1000 to 1990", "2000 to 2990", "3000 to 3990", "4000 to 4990"]
    assert {len(indices) for indices in slices.values()} == {100}


def test_few_numbers_are_values_in_their_order():
    assert list(sliced(["10", "9", "9", "100"])) == ["9", "10", "100"]
    assert list(sliced([1.0, 2.0, None, 1.0])) == ["1", "2", MISSING]


def test_numbers_with_leading_zeros_are_names():
    names = [f"{number:03d}" for number in range(30)]
    assert list(sliced(names)) == names


def test_a_column_with_a_value_for_nearly_each_sequence_is_refused():
    with pytest.raises(
        ConfigError, match=r"column 'column' has 101 values, .* Slice by a column with up to 100 values"
    ):
        sliced([f"file{number}.wav" for number in range(101)])


@pytest.fixture(scope="module")
def rooms():
    """Sequences with a room and a speed each."""
    return {
        name: classified(
            count,
            seed=seed,
            metadata=pd.DataFrame({"room": ["hall", "attic"] * (count // 2), "rpm": np.arange(count) * 100}),
        )
        for name, count, seed in (("train", 40, 0), ("valid", 24, 1), ("test", 32, 2))
    }


def test_a_run_scores_its_slices(rooms, tmp_path):
    config = quick(evaluation={"slices": ["room", "rpm"], "bootstrap": 0, "report": True}, training={"epochs": 1})
    run = train(config, tmp_path / "run", **{f"{name}_data": part for name, part in rooms.items()})
    found = run.metrics["test"]["slices"]
    assert {name: row["count"] for name, row in found["room"].items()} == {"attic": 16, "hall": 16}
    assert list(found["rpm"]) == ["0 to 700", "800 to 1500", "1600 to 2300", "2400 to 3100"]
    hall = rooms["test"].where("room", "hall")
    alone = evaluate(run.model, hall, bootstrap=0).metrics
    assert found["room"]["hall"]["accuracy"] == pytest.approx(alone["accuracy"])
    assert found["room"]["hall"]["loss"] == pytest.approx(alone["loss"])
    printed = str(run.evaluation)
    assert "attic" in printed
    assert "2400 to 3100" in printed
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "By room" in page
    assert "2400 to 3100" in page


def test_an_unknown_column_is_refused_before_training(rooms, tmp_path):
    config = quick(evaluation={"slices": ["site"]})
    message = r"evaluation\.slices: valid: there is no column 'site' to slice by; these sequences have: room, rpm\."
    with pytest.raises(ManifestError, match=message):
        train(config, tmp_path / "run", train_data=rooms["train"], valid_data=rooms["valid"])
    assert not (tmp_path / "run").exists()
