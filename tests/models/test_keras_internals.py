"""What is taken from Keras's private package: in one file, bounded, and said in words when it has moved."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

from seqconv.errors import SeqconvError
from seqconv.models import keras_internals

ROOT = Path(__file__).parents[2]


def test_a_keras_that_has_moved_it_is_named_with_those_that_have_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras.src.trainers.data_adapters.data_adapter", None)
    with pytest.raises(SeqconvError, match=r"Keras 3\.\d+\.\d+ has moved .* pip install 'keras>=3.12,<3.16'"):
        importlib.reload(keras_internals)
    monkeypatch.undo()
    importlib.reload(keras_internals)


def test_the_package_depends_on_the_versions_that_it_is_made_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert keras_internals.SUPPORTED in project["dependencies"]


def test_one_file_reaches_into_keras():
    found = [
        path.name
        for path in (ROOT / "seqconv").rglob("*.py")
        if "from keras.src" in (text := path.read_text(encoding="utf-8")) or "import keras.src" in text
    ]
    assert found == ["keras_internals.py"]
