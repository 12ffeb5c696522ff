"""The `split` section in a run: what lies in which split, and equal sequences together in every fold."""

import numpy as np
import pandas as pd
import pytest
from support.training_data import classified, quick, toned

from seqconv.cli.main import main
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.errors import ConfigError, ManifestError

LEVELS = [0, 1] * 30


@pytest.fixture
def manifest(tmp_path):
    """60 arrays of two classes, by 20 speakers; a function writes the table with further columns."""
    arrays = toned(LEVELS)
    # The first 4 of speaker s0 again, under other names and of other speakers.
    for place in range(4):
        arrays[20 + place] = arrays[place]
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number:02}.npy", array)
    table = pd.DataFrame(
        {
            "path": [f"{number:02}.npy" for number in range(60)],
            "label": [("low", "top")[level] for level in LEVELS],
            "speaker": [f"s{number // 3}" for number in range(60)],
        }
    )

    def write(**columns):
        table.assign(**columns).to_csv(tmp_path / "manifest.csv", index=False)
        return tmp_path / "manifest.csv"

    return write


def config_for(path, **split):
    return load_config(
        quick(data={"manifest": str(path), "num_workers": 0}, features={"kind": "precomputed"}, split=split)
    )


def test_every_sequence_is_test_once_and_equal_ones_together(manifest):
    path = manifest()
    tested = []
    folds = None
    for fold in range(4):
        data = load_datasets(config_for(path, by="speaker", folds=4, fold=fold).data_spec)
        tested += data.test.ids
        home = data.splits.set_index("id")["split"]
        speakers = data.splits.groupby("group")["split"].nunique()
        assert speakers.max() == 1
        for place in range(4):
            assert home[f"{place:02}.npy"] == home[f"{20 + place:02}.npy"]
        numbers = data.splits.set_index("id")["fold"]
        assert folds is None or folds.equals(numbers), "the folds are the same, whichever is test"
        folds = numbers
        assert any(note.startswith("equal to others, and cut as one group") for note in data.notes)
        assert any(f"made 4 folds, by group: fold {fold} is test" in note for note in data.notes)
    assert sorted(tested) == sorted(folds.index)


def test_another_seed_of_the_run_leaves_the_cut_where_it_has_a_seed_of_its_own(manifest):
    path = manifest()
    base = config_for(path, by="speaker", folds=3)

    def cut(*overrides):
        return load_datasets(load_config(base, overrides).data_spec).splits

    assert cut("seed=1", "split.seed=0").equals(cut())
    assert not cut("seed=1").equals(cut())


def test_folds_of_the_manifest_that_part_equal_sequences_are_told_by_the_leak_check(manifest):
    config = config_for(manifest(fold=[(number // 3) % 2 for number in range(60)]), by="speaker", fold=1)
    data = load_datasets(config.data_spec)
    assert set(data.splits["fold"][data.splits["split"] == "test"]) == {1}
    from seqconv.training.run.setup import prepare

    with pytest.raises(ManifestError, match="have the content of sequences of"):
        prepare(config, data)


def test_arrays_in_memory_are_not_cut_by_what_is_for_manifests():
    with pytest.raises(ConfigError, match=r"split.stratify, split.folds: these say how a manifest is cut"):
        load_datasets(load_config(quick(split={"folds": 3, "stratify": "site"})).data_spec, classified())


def test_evaluation_draws_the_groups_of_the_run(manifest, tmp_path, capsys):
    path = manifest()
    run = tmp_path / "run"
    settings = {"data.manifest": path, "features.kind": "precomputed", "split.by": "speaker", "split.folds": 4}
    settings |= {"training.epochs": 1, "evaluation.report": "false", "data.num_workers": 0, "data.on_leak": "warn"}
    settings |= {"model.blocks": "[{filters: 4}]", "evaluation.bootstrap": 50}
    (tmp_path / "c.yaml").write_text("name: c\n")
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    assert main(["train", "--config", str(tmp_path / "c.yaml"), *overrides, "--run-dir", str(run)]) == 0
    trained = (run / "metrics.json").read_text()
    assert main(["evaluate", "--model", str(run / "model.keras"), "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "metrics.json").read_text().count('"intervals"') == 1
    import json

    scores = [
        json.loads(text)["test"]["intervals"] for text in (trained, (tmp_path / "again/metrics.json").read_text())
    ]
    assert scores[0] == scores[1]
