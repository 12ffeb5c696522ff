"""The runs that `--folds`, `--seeds` and `--sweep` name, and the combinations that are refused."""

import pandas as pd
import pytest

from seqconv.cli.main import main
from seqconv.config import load_config
from seqconv.errors import ConfigError, ManifestError
from seqconv.experiments.folder import read_sweep, write_sweep
from seqconv.experiments.run_specs import Grid, describe_setting, make_specs, read_grid
from seqconv.experiments.summary import by_setting


@pytest.fixture
def config(tmp_path):
    for name in "abcdefgh":
        (tmp_path / f"{name}.wav").touch()
    rows = {"path": [f"{name}.wav" for name in "abcdefgh"], "label": list("xy" * 4)}
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    return load_config({"seed": 3, "data": {"manifest": str(tmp_path / "manifest.csv")}, "split": {"folds": 4}})


def test_the_options_form_a_grid(config):
    sweeps = ["training.learning_rate=3e-4,1e-3", "model.pooling=[mean],[mean, max]"]
    grid = read_grid(config, "0,2", "2", sweeps)
    specs = make_specs(config, grid)
    assert grid.describe() == (
        "16 runs: 2 folds x 2 seeds x 2 values of training.learning_rate x 2 values of model.pooling"
    )
    assert len(specs) == len({spec.name for spec in specs}) == 16
    assert specs[0].name == "learning_rate=0.0003-pooling#1-fold0-seed3"
    assert specs[-1].name == "learning_rate=0.001-pooling#2-fold2-seed4"
    last = specs[-1].config
    assert (last.training.learning_rate, last.split.fold, last.seed, last.split.seed) == (1e-3, 2, 4, 3)
    assert [pooling.type for pooling in last.model.pooling] == ["mean", "max"]


def test_folds_are_those_of_the_config_or_the_manifest(config):
    assert read_grid(config, "all", None, []).folds == (0, 1, 2, 3)
    table = pd.read_csv(config.data.manifest).assign(fold=[1, 1, 2, 2, 3, 3, 5, 5])
    table.to_csv(config.data.manifest, index=False)
    assert read_grid(load_config(config, ["split.folds=null"]), "all", None, []).folds == (1, 2, 3, 5)


def test_seeds_are_a_number_or_a_list(config):
    assert read_grid(config, None, "3", []).seeds == (3, 4, 5)
    assert read_grid(config, None, "0,7", []).seeds == (0, 7)
    assert read_grid(config, None, "7,", []).seeds == (7,)


def test_short_names_that_meet_are_written_out(config):
    grid = Grid(sweeps={"model.blocks.0.filters": (4, 8), "model.defaults.norm": ("none",)})
    assert make_specs(config, grid)[0].name == "filters=4-norm=none"
    grid = Grid(sweeps={"training.epochs": (4,), "training.early_stopping": ({"patience": 2}, None)})
    assert [spec.name for spec in make_specs(config, grid)] == [
        "epochs=4-early_stopping#1",
        "epochs=4-early_stopping=null",
    ]


@pytest.mark.parametrize(
    ("folds", "seeds", "sweeps", "message"),
    [
        ("5", None, [], "--folds 5: there is no fold '5'; the folds are '0', '1', '2', '3'"),
        ("none", None, [], "--folds none: expected all, or folds such as 0,2"),
        ("1,1", None, [], "--folds 1,1: one of them is there twice"),
        (None, "0", [], "--seeds 0: expected 1 to 1000"),
        (None, "-1", [], "--seeds -1: expected how many"),
        (None, None, ["training.epochs"], "expected KEY=A,B"),
        (None, None, ["training.epochs=1,1"], "one value is there twice"),
        (None, None, ["training.epochs=1", "training.epochs=2"], "'training.epochs' was given twice"),
        (None, None, ["seed=1,2"], "--sweep seed: that is what --seeds is for"),
        (None, None, ["split.fold=1,2"], "that is what --folds is for"),
        (None, None, ["backend=jax,torch"], "one process has one backend"),
        (None, "100", ["training.epochs=" + ",".join(map(str, range(1, 12)))], "is more than 1000"),
    ],
)
def test_what_cannot_be_is_refused_by_name(config, folds, seeds, sweeps, message):
    with pytest.raises(ConfigError, match=message):
        read_grid(config, folds, seeds, sweeps)


def test_all_settings_that_cannot_be_are_listed(config):
    grid = Grid(sweeps={"training.epochs": (1, 0), "training.optimizer": ("adam", "adamm")})
    with pytest.raises(ConfigError) as caught:
        make_specs(config, grid)
    text = str(caught.value)
    assert text.count("did you mean 'adam") == 2
    assert text.count("training.epochs: ") == 2
    with pytest.raises(ManifestError, match=r"no column 'fold'\. Set split\.folds"):
        read_grid(load_config(config, ["split.folds=null"]), "all", None, [])


def test_a_folder_gives_the_same_sweep_back(config, tmp_path):
    grid = Grid((0, 1), (5,), {"model.pooling": (["mean"], ["max"]), "training.class_weight": (None, "balanced")})
    written = write_sweep(tmp_path, config, grid)
    read = read_sweep(tmp_path)
    assert [spec.name for spec in read.specs] == [spec.name for spec in written.specs]
    assert [spec.config for spec in read.specs] == [spec.config for spec in written.specs]


@pytest.mark.parametrize(
    ("text", "message"),
    [("format_version: 9\n", "format 9, this version of seqconv reads format 1"), ("folds: []\n", "is damaged")],
)
def test_a_folder_of_another_kind_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match="holds no sweep"):
        read_sweep(tmp_path)
    (tmp_path / "sweep.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_sweep(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "audio.yaml", "--seeds", "2", "--dry-run"], "--dry-run is for one run"),
        (["--config", "audio.yaml", "--sweep", "training.epochz=1,2"], "did you mean 'epochs'"),
        (["--resume", "nowhere", "--seeds", "2"], "--seeds starts a run, --resume goes on"),
    ],
)
def test_the_command_refuses_before_keras_starts(capsys, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_settings_that_only_differ_far_behind_are_two(tmp_path):
    blocks = [[{"filters": 8, "kernel_size": 3}] * 3 + [{"filters": last}] for last in (8, 16)]
    sweeps = {"model.blocks": tuple(blocks), "name": ("1", "one")}
    specs = make_specs(load_config({}), Grid(seeds=(0, 1), sweeps=sweeps))
    assert len({describe_setting(spec.setting) for spec in specs}) == 4
    names = [[each.name for each in same] for _, same in by_setting(specs)]
    assert names[0] == ["blocks#1-name=1-seed0", "blocks#1-name=1-seed1"]
    assert len(names) == 4
