"""Config files: where they are found, how YAML is read, where paths start."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from seqconv.config import load_config
from seqconv.config.files import configs_folder, parse_yaml
from seqconv.errors import ConfigError


@pytest.fixture
def config_file(tmp_path):
    def write(text: str, name: str = "mine.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_scalars_follow_yaml_1_2():
    values = parse_yaml("{a: 1e-3, b: no, c: on, d: 0o17, e: 12:30, f: true, g: 1.5e+3}", source="test")
    assert values == {"a": 1e-3, "b": "no", "c": "on", "d": 15, "e": "12:30", "f": True, "g": 1500.0}
    assert isinstance(values["a"], float)


def test_a_small_rate_in_exponent_form_is_a_number(config_file):
    assert load_config(config_file("training: {learning_rate: 1e-3}")).training.learning_rate == 1e-3


def test_the_file_names_the_run_unless_it_says_otherwise(config_file):
    assert load_config(config_file("seed: 1", "first.yaml")).name == "first"
    assert load_config(config_file("name: other", "first.yaml")).name == "other"
    assert load_config(config_file("", "nothing.yaml")).name == "nothing"


def test_paths_start_at_the_file_and_those_of_overrides_at_the_current_folder(config_file, tmp_path, monkeypatch):
    path = config_file("data: {manifest: {train: ../data/a.csv, test: /b.csv}, cache_dir: cache}", "configs/mine.yaml")
    monkeypatch.chdir(tmp_path)
    data = load_config("configs/mine.yaml").data
    assert data.manifest == {"train": str(tmp_path / "data" / "a.csv"), "test": "/b.csv"}
    assert data.cache_dir == str(path.parent / "cache")
    assert load_config(path, ["data.manifest=x.csv"]).data.manifest == str(tmp_path / "x.csv")
    assert load_config(path, ["data.manifest.train=x.csv"]).data.manifest["train"] == str(tmp_path / "x.csv")
    assert load_config({"data": {"manifest": "y.csv"}}).data.manifest == str(tmp_path / "y.csv")


def test_a_config_is_looked_up_as_given_then_in_the_project(config_file, tmp_path, monkeypatch):
    shipped = sorted(configs_folder().glob("*.yaml"))
    monkeypatch.chdir(tmp_path)
    name = shipped[0].stem
    assert load_config(name) == load_config(f"{name}.yaml") == load_config(shipped[0])
    config_file("seed: 77", f"{name}.yaml")
    assert load_config(name).seed == 77


def test_every_shipped_config_loads():
    for path in configs_folder().glob("*.yaml"):
        assert load_config(path).name


def test_a_config_that_is_not_there_lists_what_was_tried_and_what_there_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no config 'no_such'. Tried: no_such, no_such\.yaml, .*Configs in .*\.yaml"):
        load_config("no_such")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nname: a\nseed: 2\n", r'mine\.yaml, line 3: found duplicate key "seed"'),
        ("training:\n  epochs: [1\nseed: 2", r"mine\.yaml, line \d: "),
        ("- a\n- b\n", r"mine\.yaml: expected sections such as 'model: \.\.\.', got \['a', 'b'\]"),
        ("training: {epochz: 3}", r"mine\.yaml: training\.epochz: unknown key"),
        ("\x00", "mine.yaml, line 1: .*special characters"),
    ],
)
def test_a_bad_file_is_named_with_its_line(config_file, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(config_file(text, "mine.yaml"))


def test_a_file_that_is_not_text_is_an_error(tmp_path):
    path = tmp_path / "audio.yaml"
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ConfigError, match=r"audio\.yaml, line 1: it is not UTF-8"):
        load_config(path)


def test_a_wheel_holds_the_data_of_the_project():
    """Folders are named there one by one, since what was fetched into `data/` must stay out."""
    root = Path(__file__).parents[2]
    if shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("asks git for the files of the project")
    listed = subprocess.run(["git", "ls-files", "data"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"git does not say: {listed.stderr.strip()}")
    build = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    included = build["targets"]["wheel"]["force-include"]
    kept = {"/".join(name.split("/")[:2]) for name in listed.stdout.splitlines()}
    assert kept == {name for name in included if name.startswith("data/")}
    assert all(target == f"seqconv/_project/{name}" for name, target in included.items())
