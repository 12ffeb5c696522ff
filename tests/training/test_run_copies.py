"""Copies of run folders in a store on loopback: whole whenever they are read, and runs go on from them."""

import json
import shutil
import signal

import numpy as np
import pytest
from support.extras import require
from support.resuming import RICH, Stopping, data, numbers
from support.training_data import quick

from seqconv.cli.commands.train import main as train_command
from seqconv.config import load_config
from seqconv.errors import ConfigError, StorageError
from seqconv.experiments import train_sweep
from seqconv.files.mirror import LIST, FolderMirror, download, read_list
from seqconv.training import resume, train
from seqconv.training.state.interrupts import RunStopped

require("aiohttp", "s3fs")

ADDRESS = "s3://bucket/runs/first"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    (path / "deep").mkdir(parents=True)
    (path / "a.txt").write_text("first")
    (path / "deep" / "b.bin").write_bytes(bytes(range(256)))
    (path / ".lock").touch()
    return path


def content(path):
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def copied(**training):
    return quick(**{**RICH, "training": {**RICH["training"], "copy_to": ADDRESS, **training}})


def test_a_copy_is_the_folder_and_has_its_names_when_it_is_finished(folder, store, tmp_path):
    wanted = {name: found for name, found in content(folder).items() if name != ".lock"}
    mirror = FolderMirror(folder, ADDRESS)
    for is_finished in (False, True, True):
        mirror.update(is_finished=is_finished)
        there = tmp_path / f"there-{len(store.requests)}"
        download(ADDRESS, there)
        assert content(there) == wanted
    assert {f"/bucket/runs/first/{name}" for name in (*wanted, LIST)} == set(store.objects)


def test_only_what_has_changed_is_copied(folder, store):
    mirror = FolderMirror(folder, ADDRESS)
    mirror.update(is_finished=False)
    (folder / "a.txt").write_text("second")
    store.requests.clear()
    FolderMirror(folder, ADDRESS).update(is_finished=False)
    sent = [path for command, path in store.requests if command == "PUT"]
    assert [path.rpartition("-")[2].rpartition("/")[2] for path in sent] == ["a.txt", LIST]
    assert len(store.objects) == 3, "what is no longer listed is removed"


@pytest.mark.parametrize("refused", ["b.bin", LIST])
def test_a_copy_that_breaks_off_leaves_the_one_before(folder, store, tmp_path, refused):
    FolderMirror(folder, ADDRESS).update(is_finished=False)
    before = content(folder)
    for path in ("a.txt", "deep/b.bin"):
        (folder / path).write_bytes(b"second")
    broken = FolderMirror(folder, ADDRESS)
    store.refused_ends = (refused,)
    with pytest.raises(StorageError, match="access is denied"):
        broken.update(is_finished=False)
    store.refused_ends = ()
    download(ADDRESS, tmp_path / "there")
    assert content(tmp_path / "there") | {".lock": b""} == before


def test_a_copy_that_is_not_as_listed_is_refused(folder, store, tmp_path):
    FolderMirror(folder, ADDRESS).update(is_finished=True)
    store.objects["/bucket/runs/first/a.txt"] = b"other"
    with pytest.raises(StorageError, match=r"first/a.txt: is not the file that the list of the copy names"):
        download(ADDRESS, tmp_path / "there")
    del store.objects["/bucket/runs/first/a.txt"]
    with pytest.raises(StorageError, match=r"first/a.txt: is missing, though the list"):
        download(ADDRESS, tmp_path / "there")
    assert not any("there" in path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "C:\\evil.txt", ""])
@pytest.mark.parametrize("is_place", [False, True])
def test_a_list_that_leads_elsewhere_is_refused(folder, store, name, is_place):
    FolderMirror(folder, ADDRESS).update(is_finished=True)
    listed = json.loads(store.objects[f"/bucket/runs/first/{LIST}"])
    entry = listed["files"].pop("a.txt")
    listed["files"] |= {"a.txt": {**entry, "at": name}} if is_place else {name: entry}
    store.objects[f"/bucket/runs/first/{LIST}"] = json.dumps(listed).encode()
    with pytest.raises(StorageError, match="which is no place within the folder"):
        read_list(ADDRESS)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"format_version": 1, "files": {"a": 3}}', b"\xff"])
def test_a_list_of_another_kind_is_refused(store, text):
    store.objects[f"/bucket/runs/first/{LIST}"] = text
    with pytest.raises(StorageError, match="is no list of a copy that seqconv has written"):
        read_list(ADDRESS)


def test_a_run_goes_on_from_its_copy_on_another_machine(store, tmp_path, monkeypatch):
    whole = train(quick(**RICH), tmp_path / "whole", **data())
    with pytest.raises(RunStopped, match="SIGTERM"):
        train(copied(), tmp_path / "run", **data(), callbacks=[Stopping(1, 4, signal.SIGTERM)])
    shutil.rmtree(tmp_path / "run")
    assert not any(path.endswith("/history.csv") for path in store.objects), "an unfinished run has no plain names"
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    run = resume(ADDRESS, **data())
    assert run.path.as_posix() == "runs/first"
    assert numbers(run.history).equals(numbers(whole.history))
    for ours, theirs in zip(run.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    names = {path.removeprefix("/bucket/runs/first/") for path in store.objects}
    assert names == {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()} | {LIST}
    assert store.objects["/bucket/runs/first/model.keras"] == (run.path / "model.keras").read_bytes()
    with pytest.raises(ConfigError, match=r"--resume s3://.*: it would be copied to 'runs.first', which exists"):
        resume(ADDRESS, **data())
    with pytest.raises(ConfigError, match=r"'s3://bucket/runs/first' holds the copy of another run. Go on with that"):
        train(copied(epochs=1), tmp_path / "third", **data())
    assert not (tmp_path / "third").exists()


def test_a_run_goes_on_where_a_copy_fails_and_says_so(store, tmp_path, capsys):
    class Outage(Stopping):
        def on_train_batch_begin(self, batch, logs=None):
            store.refused_ends = (LIST,) if self.epoch == 1 else ()

    run = train(copied(), tmp_path / "run", **data(), callbacks=[Outage(9)])
    said = " ".join(capsys.readouterr().out.split())
    assert "the run was not copied, and goes on (s3://bucket/runs/first/files.json: access is denied" in said
    assert store.objects["/bucket/runs/first/history.csv"] == (run.path / "history.csv").read_bytes()


def test_a_finished_run_that_cannot_be_copied_is_named(store, tmp_path):
    class Outage(Stopping):
        def on_train_batch_begin(self, batch, logs=None):
            store.refused_ends = (LIST,)

    with pytest.raises(StorageError, match=r"the run is finished in '.*run', but was not copied to 's3://.*--resume "):
        train(copied(epochs=1), tmp_path / "run", **data(), callbacks=[Outage(9)])
    assert (tmp_path / "run" / "metrics.json").exists()
    store.refused_ends = ()
    resume(tmp_path / "run", **data())
    assert "/bucket/runs/first/metrics.json" in store.objects


def test_what_cannot_be_copied_to_is_refused_before_any_work(store, tmp_path, capsys):
    for address, said in {
        "https://host/run": "'https://host/run': can be read, but not written to. Name a store",
        "runs/copy": "'runs/copy': expected an address such as s3://bucket/runs/a",
    }.items():
        with pytest.raises(ConfigError, match=f"training.copy_to: {said}"):
            load_config({"training": {"copy_to": address}})
    store.refused_ends = (LIST,)
    with pytest.raises(StorageError, match=r"first/files.json: access is denied .*Give credentials"):
        train(copied(), tmp_path / "run", **data())
    assert not (tmp_path / "run").exists()
    store.refused_ends = ()
    with pytest.raises(ConfigError, match=r"run directory 's3://bucket/run' is an address.*set training.copy_to to it"):
        train(quick(**RICH), "s3://bucket/run", **data())
    with pytest.raises(ConfigError, match=r"training.copy_to is the place of one run, and there are several"):
        train_sweep(load_config(copied()), tmp_path / "sweep", seeds=[0, 1], data=data())
    assert train_command(["--resume", "s3://bucket/none"]) == 2
    assert "--resume s3://bucket/none: holds no copy of a folder" in capsys.readouterr().err
