"""Files are whole at any moment."""

import os
import stat
import threading
from pathlib import Path

import pytest

from seqconv.errors import StorageError
from seqconv.files import commit_file, write_atomically, write_text


def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_writer_sees_the_suffix_and_the_folder_of_the_file(tmp_path):
    seen = []
    write_atomically(tmp_path / "model.keras", lambda temporary: seen.append(temporary) or temporary.write_bytes(b"x"))
    assert [(path.suffix, path.parent) for path in seen] == [(".keras", tmp_path)]
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_text_is_written_as_it_is_into_folders_that_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "table.csv"
    write_text("id,ä\r\n1,2\n", path)
    assert path.read_bytes() == "id,ä\r\n1,2\n".encode()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_files_get_the_permissions_that_the_user_asked_for(tmp_path):
    before = os.umask(0o027)
    try:
        write_text("x", tmp_path / "shared.txt")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared.txt").stat().st_mode) == 0o640


def test_content_reaches_the_disk_before_the_name(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: steps.append("fsync") or fsync(descriptor))
    monkeypatch.setattr(Path, "replace", lambda path, new: steps.append("replace") or replace(path, new))
    (tmp_path / "partial").write_text("x")
    commit_file(tmp_path / "partial", tmp_path / "whole")
    assert steps[:2] == ["fsync", "replace"]
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_readers_never_see_a_part(tmp_path):
    path = tmp_path / "metrics.json"
    texts = ["a" * 100_000, "b" * 100_000]
    write_text(texts[0], path)
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for round_number in range(20):
        write_text(texts[round_number % 2], path)
    stop.set()
    reader.join()
    assert seen <= set(texts)


def test_a_folder_that_cannot_be_made_is_said_like_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"file/new/x\.txt cannot be written: "):
        write_text("text", tmp_path / "file" / "new" / "x.txt")
