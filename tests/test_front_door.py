"""The front door: public names, imported on first use, and `python -m seqconv`."""

import ast
import subprocess
import sys

import pytest

import seqconv
import seqconv.parts


def test_every_name_is_there():
    assert 10 <= len(seqconv.__all__) <= 20
    for name in seqconv.__all__:
        assert getattr(seqconv, name).__name__ == name
    assert {*seqconv.__all__, "__version__"} <= set(dir(seqconv))
    assert {"Registry", "Role", "Section", "register"} <= set(dir(seqconv.parts))
    with pytest.raises(AttributeError, match="No seqconv attribute trian"):
        _ = seqconv.trian


def test_the_front_door_imports_nothing():
    code = "import sys; before = set(sys.modules); import seqconv; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.split(".")[0] for name in ast.literal_eval(done.stdout)}
    assert imported - sys.stdlib_module_names == {"seqconv", "lazy_loader"}


def test_the_package_runs_as_a_command():
    done = subprocess.run([sys.executable, "-m", "seqconv", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"seqconv {seqconv.__version__}"
