"""`split.valid: 0`: all is learned from, and the last epoch is kept."""

import keras
import numpy as np
import pytest
from support.resuming import Stopping
from support.training_data import classified, quick

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.manifest.loading import read_manifest
from seqconv.data.manifest.splits import add_splits
from seqconv.errors import ConfigError, ManifestError
from seqconv.training import resume, train
from seqconv.training.run.train import dry_run
from seqconv.training.state.interrupts import RunStopped

VOWELS = "data/japanese_vowels/JapaneseVowels_{}.ts"
WITHOUT = {"split": {"valid": 0}}


class LastWeights(keras.callbacks.Callback):
    """A record of the model's weights at the end of each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.weights = self.model.get_weights()


def assert_same_weights(one, two):
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("averaging", [None, "ema", {"type": "swa", "last_epochs": 2}])
def test_the_last_epoch_is_kept_and_it_is_the_one_of_a_run_with_validation(tmp_path, averaging):
    training = {"training": {"epochs": 3, "learning_rate": 1e-2, "averaging": averaging}}
    data = {"train_data": classified(), "test_data": classified(20, seed=1)}
    last = LastWeights()
    # With validation it is not this epoch that is saved, but training is the same.
    validated = quick(**training, evaluation={"bootstrap": 0, "report": False})
    train(validated, tmp_path / "valid", **data, valid_data=classified(12, seed=2), callbacks=[last])
    run = train(quick(**training, **WITHOUT), tmp_path / "none", **data)
    assert_same_weights(run.model.get_weights(), last.weights)
    assert set(run.metrics) == {"test"}
    assert not [name for name in run.history if name.startswith("val_")]
    assert len(run.history) == 3


def test_it_goes_on_where_it_was_stopped(tmp_path):
    config = quick(training={"epochs": 3, "learning_rate": 1e-2, "averaging": "ema"}, **WITHOUT)
    data = {"train_data": classified(), "test_data": classified(20, seed=1)}
    whole = train(config, tmp_path / "whole", **data)
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "cut", **data, callbacks=[Stopping(1, 2)])
    assert_same_weights(resume(tmp_path / "cut", **data).model.get_weights(), whole.model.get_weights())


def test_a_run_says_so_and_its_page_is_written(tmp_path, capsys):
    config = quick(evaluation={"bootstrap": 0, "report": True}, **WITHOUT)
    run = train(config, tmp_path / "run", train_data=classified(), test_data=classified(20, seed=1))
    told = capsys.readouterr().out
    assert "split.valid 0: all is learned from, and the last epoch is kept" in told
    assert "(constant), last epoch" in told
    assert "kept epoch 2;" in told
    assert "best" not in told
    assert (run.path / "report.html").is_file()
    assert "kept epoch" in run._repr_html_()


def test_of_a_manifest_all_but_test_is_learned_from(capsys):
    files = {"train": VOWELS.format("TRAIN"), "test": VOWELS.format("TEST")}
    config = quick(data={"manifest": files}, features={"kind": "precomputed"}, **WITHOUT)
    data = load_datasets(load_config(config).data_spec)
    assert {name: len(part) for name, part in data.parts().items()} == {"train": 270, "test": 370}
    assert data.splits["split"].value_counts().to_dict() == {"test": 370, "train": 270}
    dry_run(config)
    assert "steps) take about" in capsys.readouterr().out


def test_folds_leave_none_aside_either():
    split = {"folds": 5, "fold": 2, "valid": 0}
    config = {"data": {"manifest": VOWELS.format("TRAIN")}, "features": {"kind": "precomputed"}, "split": split}
    data = load_datasets(load_config(config).data_spec)
    assert {name: len(part) for name, part in data.parts().items()} == {"train": 216, "test": 54}


def test_a_manifest_without_splits_gets_two():
    made = add_splits(read_manifest(VOWELS.format("TRAIN")), fractions=(0.8, 0.0, 0.2))
    assert made.frame["split"].value_counts().to_dict() == {"train": 216, "test": 54}
    assert made.notes == (
        "no splits: made train and test, stratified by 'label', seed 0; now train 216, valid 0, test 54",
    )


def test_valid_that_is_given_is_used():
    config = load_config(quick(training={"monitor": "val_loss"}, **WITHOUT))
    given = classified(12, seed=2)
    data = load_datasets(config.data_spec, classified(), given)
    assert data.valid is given
    assert not data.notes


def test_what_is_chosen_on_valid_is_refused(tmp_path):
    config = quick(
        training={"monitor": "val_loss", "early_stopping": {"patience": 3}},
        evaluation={"thresholds": {"precision": 0.9}, "calibration": "temperature"},
        **WITHOUT,
    )
    match = "training.monitor, training.early_stopping, evaluation.thresholds, evaluation.calibration: chosen by the"
    parts = {"train_data": classified(), "test_data": classified(20, seed=1)}
    with pytest.raises(ManifestError, match=match):
        train(config, tmp_path / "run", **parts)


def test_a_run_without_any_score_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"split\.valid is 0, and there is no test split to score a run"):
        train(quick(**WITHOUT), tmp_path / "run", train_data=classified())
