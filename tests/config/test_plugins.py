"""Plugins: files of a user's own are imported once, before the config that names them is checked."""

import pytest

from seqconv.config import load_config
from seqconv.errors import ConfigError
from seqconv.parts.plugins import loaded_plugins


def write(folder, text, name="my_parts.py"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_config_imports_the_files_that_it_names_once(tmp_path, capsys):
    path = write(tmp_path, "print('imported')")
    (tmp_path / "mine.yaml").write_text("plugins: [my_parts.py]\n", encoding="utf-8")
    config = load_config(tmp_path / "mine.yaml")
    assert config.plugins == (str(path),)
    assert load_config(config.to_dict()) == config
    assert capsys.readouterr().out == "imported\n"
    assert str(path) in [loaded for loaded, _ in loaded_plugins().values()]


def test_paths_of_the_command_line_start_where_it_was_given(tmp_path, monkeypatch):
    path = write(tmp_path, "", "here.py")
    monkeypatch.chdir(tmp_path)
    assert load_config({}, ["plugins=[here.py]"]).plugins == (str(path),)
    assert load_config({"plugins": ["collections.abc"]}).plugins == ("collections.abc",)


def test_a_file_that_was_edited_is_not_served_from_memory(tmp_path):
    path = write(tmp_path, "A = 1")
    load_config({"plugins": [str(path)]})
    write(tmp_path, "A = 2")
    with pytest.raises(ConfigError, match=r"my_parts.py was edited after this process had imported it"):
        load_config({"plugins": [str(path)]})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 / 0", r"my_parts.py cannot be imported: ZeroDivisionError: division by zero \(.*my_parts.py, line 1\)"),
        ("import no_such_module", r"my_parts.py cannot be imported: ModuleNotFoundError: No module named"),
        ("from seqconv.parts import register\nregister(int)", r"my_parts.py: <class 'int'> is of no kind"),
    ],
)
def test_what_fails_in_a_file_is_told_with_its_line(tmp_path, text, told):
    path = write(tmp_path, text)
    for _ in range(2):
        with pytest.raises(ConfigError, match=told):
            load_config({"plugins": [str(path)]})


def test_a_file_that_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"plugins: there is no file '.*nowhere.py'"):
        load_config({"plugins": ["nowhere.py"]})
    with pytest.raises(ConfigError, match=r"plugins: no.such.module cannot be imported: ModuleNotFoundError"):
        load_config({"plugins": ["no.such.module"]})
    with pytest.raises(ConfigError, match=r"plugins: expected a list"):
        load_config({"plugins": "my_parts.py"})
