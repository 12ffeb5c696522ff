"""The card of a model: typed, kept whole by a file, and read when older."""

import json
from dataclasses import fields, replace

import pytest

from seqconv.data.settings import WindowSettings
from seqconv.data.spec import DataSpec, Segmentation
from seqconv.errors import ModelError
from seqconv.features import FeatureKind
from seqconv.models import build_model, load_model
from seqconv.models.card import ModelCard, read_card
from seqconv.tasks.target import Target

FULL = ModelCard(
    target=Target("multilabel", ("a", "b"), kind="frame"),
    features=FeatureKind(kind="log_mel", n_mels=12),
    segmentation=Segmentation(WindowSettings(seconds=2.0, hop=1.0), "windows", "negative"),
    label_column="tag",
    label_columns=("a", "b"),
    separator="|",
    background="none",
    median=0.3,
    max_gap=0.5,
    min_seconds=0.1,
    batch_size=8,
    frames_per_batch=4096,
    thresholds=(0.2, 0.7),
    temperature=1.5,
    decisions={"chosen_on": "valid", "thresholds": "f1", "calibration_error": [0.2, 0.1]},
    name="run",
    format_version=2,
    seqconv_version="0.1.0",
    others={"later": {"x": [1]}},
)


def test_every_entry_is_kept_by_a_file(tmp_path):
    assert all(getattr(FULL, field.name) != field.default for field in fields(ModelCard))
    model = build_model({"blocks": [{"filters": 2}]}, num_features=3, num_outputs=2, card=FULL)
    model.save(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").card == FULL
    assert ModelCard.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL


def test_what_says_nothing_is_not_written():
    assert ModelCard().to_dict() == {}
    assert ModelCard.from_dict({"label_columns": None, "thresholds": None, "temperature": 1.0}).is_empty
    assert read_card(object()).is_empty
    assert not replace(ModelCard(), background="none").is_empty


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"target": {"names": ["a"]}}, r"card of the model has the target \{'names'.*'task'"),
        ({"features": {"kind": "log_mel", "n_melz": 3}}, r"the features .*unknown key; did you mean 'n_mels'"),
        ({"cutting": {"windows": 3}}, "the cutting"),
        ({"target": {"task": "classification", "names": 5}}, "card of the model has the target .*cannot be read"),
        ({"target": {"task": "regression", "names": ["a"], "mean": 0.5}}, "card of the model has the target"),
        ({"batching": 3}, "the batching 3, which cannot be read"),
    ],
)
def test_an_entry_that_cannot_be_read_is_named(entry, message):
    with pytest.raises(ModelError, match=message):
        ModelCard.from_dict(entry)


def test_sequences_are_read_as_in_training_from_the_files_of_another_spec():
    base = DataSpec(split_seed=5, features=FeatureKind(kind="mfcc"))
    spec = FULL.data_spec(base)
    assert (spec.features, spec.predicts_frames, spec.split_seed) == (FULL.features, True, 5)
    assert (spec.target.task, spec.target.columns, spec.target.separator) == ("multilabel", ("a", "b"), "|")
    assert (spec.data.windows, spec.data.unlabeled) == (FULL.segmentation.windows, "negative")
    assert ModelCard().data_spec(base) == base
