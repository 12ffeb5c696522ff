"""Fixtures for the tests of pages."""

import pytest
from support.docs_blocks import ROOT


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A working folder like a fresh checkout, where runs may be written."""
    for name in ("data", "configs"):
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
