"""A space of settings: what it means, and all that cannot be, by name and at once."""

import pytest

from seqconv.cli.main import main
from seqconv.config import load_config
from seqconv.errors import ConfigError
from seqconv.experiments.tuning.space import Range, read_space

CONFIG = load_config({"model": {"blocks": [{"filters": 8}]}})


def test_choices_and_ranges_are_read(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(
        "training.learning_rate: {low: 1e-4, high: 1e-2, log: true}\n"
        "model.blocks.0.filters: {low: 8, high: 64, step: 8}\n"
        "model.defaults.dropout: {low: 0, high: 0.5}\n"
        "model.pooling: [[mean], [mean, max]]\n"
        "training.schedule: {choices: [constant, cosine]}\n"
    )
    rate, filters, dropout, pooling, schedule = read_space(path, CONFIG).values()
    assert rate == Range(low=1e-4, high=1e-2, log=True)
    assert (filters.is_whole, filters.low, filters.high) == (True, 8, 64)
    assert (dropout.is_whole, dropout.low) == (False, 0.0)
    assert pooling.choices == (["mean"], ["mean", "max"])
    assert schedule.choices == ("constant", "cosine")


@pytest.mark.parametrize(
    ("key", "written", "message"),
    [
        ("training.learning_rat", [1e-3, 1e-2], "training.learning_rat: unknown key; did you mean 'learning_rate'"),
        ("training.epochs", {"low": 0, "high": 5}, "training.epochs, at 0: .*at least 1"),
        ("training.epochs", {"low": 1.5, "high": 5}, "training.epochs, at 1.5: .*a whole number"),
        ("training.epochs", {"low": 5, "high": 5}, "low 5 must be below high 5"),
        ("training.epochs", {"low": 1}, "training.epochs.high: missing"),
        ("training.epochs", {"low": 1, "hihg": 3}, "hihg: unknown key; did you mean 'high'"),
        ("training.epochs", {"low": 1, "high": 5, "step": 9}, "step 9: it must be above 0 and at most 4"),
        (
            "training.epochs",
            {"low": "1", "high": 5},
            "epochs.low: expected a whole number or a number, got '1'",
        ),
        ("training.epochs", 5, "expected a list of choices or a range"),
        ("training.epochs", [5], "a list of two choices or more"),
        ("training.epochs", [5, 5], "one choice is there twice"),
        ("training.weight_decay", {"low": 0.0, "high": 1.0, "log": True}, "log needs a range above 0"),
        ("training.learning_rate", {"low": 0.1, "high": 1.0, "log": True, "step": 0.1}, "log has no steps"),
        ("training.learning_rate", {"low": 0.1, "high": 1.0, "log": "yes"}, "log: expected true or false"),
        ("seed", [0, 1], "seed cannot be searched: the best seed is luck"),
        ("data.manifest", ["a.csv", "b.csv"], "data cannot be searched: trials must be scored on the same"),
        ("training.monitor", ["val_loss", "val_accuracy"], "training.monitor cannot be searched"),
        ("model.blocks.3.filters", [8, 16], "'3' is not one of the 1 places"),
    ],
)
def test_what_cannot_be_searched_is_named(key, written, message):
    with pytest.raises(ConfigError, match=message):
        read_space({key: written}, CONFIG)


def test_all_problems_are_told_at_once():
    space = {"seed": [0, 1], "training.epochs": {"low": 9, "high": 2}, "training.optimizer": ["adam", "adma"]}
    with pytest.raises(ConfigError, match="the space: 3 problems") as caught:
        read_space(space, CONFIG)
    assert str(caught.value).count("\n") == 3
    with pytest.raises(ConfigError, match="the space: 3 problems") as caught:
        read_space({"training.epochs": {"low": 1, "hihg": 3}, "training.learning_rate": [0.5, 0.5]}, CONFIG)
    _, *lines = str(caught.value).splitlines()
    assert all(line.startswith("  training.") for line in lines)
    assert "did you mean 'high'" in lines[1]
    assert lines[2] == "  training.learning_rate: [0.5, 0.5]: one choice is there twice"


def test_a_key_in_two_forms_is_refused():
    with pytest.raises(ConfigError, match=r"model\.blocks\.0\.filters: it is there twice"):
        read_space({"model.blocks.0.filters": [4, 5], "model.blocks[0].filters": [6, 7]}, CONFIG)


def test_the_command_refuses_before_keras_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text("training.epochz: [1, 2]\n")
    for arguments, message in [
        (["--config", "audio.yaml", "--space", "space.yaml"], "space.yaml: 1 problem\n  training.epochz"),
        (["--config", "audio.yaml", "--space", "nowhere.yaml"], "there is no space 'nowhere.yaml'"),
        (["--config", "audio.yaml"], "--space is missing"),
        (["--resume", "nowhere"], "--resume nowhere: it is no folder"),
        (["--resume", "nowhere", "--space", "space.yaml"], "--space starts a search"),
    ]:
        assert main(["tune", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["space.yaml"]
