"""Files at addresses: read like those on this machine, over real sockets; and what is said where they cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.extras import require

from seqconv.errors import StorageError
from seqconv.files import (
    LocalCopy,
    TarMember,
    connections,
    copies,
    fetch,
    find_file,
    folder_of,
    is_address,
    is_file,
    list_files,
    look_up,
    name_of,
    read_parts,
    seen_from,
    status_of,
    suffix_of,
)

require("aiohttp", "s3fs")

from support.servers import forget_connections, web_server  # noqa: E402

CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setattr(connections, "_SECONDS_BETWEEN", 0)
    with web_server() as server:
        yield server


@pytest.mark.parametrize(
    "folder", ["s3://bucket/a/meta", "gs://bucket/a/meta", "https://host:81/a/meta", "hf://a/meta"]
)
@pytest.mark.parametrize("path", ["x.wav", "../clips/x.wav", "./x y.wav", "deep/er/x.wav"])
def test_a_path_seen_from_an_address_keeps_both_slashes(folder, path):
    found = seen_from(folder, path)
    assert is_address(found)
    assert found.partition("://")[0] == folder.partition("://")[0]
    assert "//" not in found.partition("://")[2]
    assert (name_of(found), suffix_of(found)) == (Path(path).name, ".wav")
    assert seen_from("/elsewhere", found) == found
    assert seen_from(folder_of(found), name_of(found)) == found


def test_local_paths_stay_those_of_pathlib(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    assert fetch(path) is path
    assert fetch(str(path)) == path
    assert find_file(tmp_path) is None
    assert status_of(path) == (1, path.stat().st_mtime_ns)
    assert look_up([str(path), str(tmp_path), "a\0b"]) == {
        str(path): (1, path.stat().st_mtime_ns),
        str(tmp_path): None,
        "a\0b": None,
    }
    assert not is_address(path)
    assert not is_address(r"C:\a.wav")


@pytest.mark.parametrize("name", ["a.wav", "a b.wav", "50%.wav", "a#1.wav", "ä+&?=.wav"])
def test_names_of_all_kinds_are_found_on_the_web_and_in_a_store(web, store, name):
    web.objects[f"/folder/{name}"] = store.objects[f"/bucket/folder/{name}"] = CONTENT
    for folder in (f"{web.address}/folder", "s3://bucket/folder"):
        address = seen_from(folder, name)
        assert is_file(address)
        assert status_of(address).size == len(CONTENT)
        copy = fetch(address)
        assert copy.read_bytes() == CONTENT
        assert (str(copy), copy.suffix) == (address, ".wav")


def test_a_copy_is_there_as_long_as_it_is_used(web):
    web.objects["/a.wav"] = CONTENT
    copy = fetch(f"{web.address}/a.wav")
    place = Path(os.fspath(copy))
    assert isinstance(copy, LocalCopy)
    assert fetch(f"{web.address}/a.wav") is copy, "nothing has changed: it is not copied again"
    copies._copy.cache_clear()
    assert place.exists()
    del copy
    assert not place.parent.exists()


def test_schemes_are_those_of_any_case(store):
    store.objects["/bucket/a.wav"] = CONTENT
    assert fetch("S3://bucket/a.wav").read_bytes() == CONTENT


def test_what_has_changed_is_copied_again(web, store):
    for server, address, key in (
        (web, f"{web.address}/a.wav", "/a.wav"),
        (store, "s3://bucket/a.wav", "/bucket/a.wav"),
    ):
        server.objects[key] = CONTENT
        before = status_of(address)
        assert status_of(address) == before
        server.objects[key] = CONTENT[::-1]
        assert status_of(address).size == before.size
        assert status_of(address).version != before.version
        assert fetch(address).read_bytes() == CONTENT[::-1]


def test_without_any_version_each_look_is_at_the_content(web):
    web.objects["/a.wav"], web.says_versions = CONTENT, False
    assert status_of(f"{web.address}/a.wav").version != status_of(f"{web.address}/a.wav").version
    assert fetch(f"{web.address}/a.wav").read_bytes() == CONTENT


def test_many_files_of_a_folder_take_few_requests(store):
    addresses = [f"s3://bucket/many/{number}.wav" for number in range(60)]
    for number in range(60):
        store.objects[f"/bucket/many/{number}.wav"] = bytes(number)
    found = look_up([*addresses, "s3://bucket/many/none.wav"])
    assert len(store.requests) <= 3
    assert [found[address] for address in addresses[::20]] == [status_of(address) for address in addresses[::20]]
    assert found["s3://bucket/many/none.wav"] is None
    assert [str(name) for name in list_files("s3://bucket/many")[:2]] == ["0.wav", "1.wav"]


def test_files_of_a_folder_that_may_not_be_listed_are_asked_for_one_by_one(store):
    for number in range(60):
        store.objects[f"/bucket/many/{number}.wav"] = bytes(number)
    store.refusals["/bucket"] = store.refusals["/bucket/"] = 403
    found = look_up(f"s3://bucket/many/{number}.wav" for number in range(60))
    assert [status.size for status in found.values()] == [*range(60)]
    assert sum(command == "HEAD" for command, _ in store.requests) == 60


def test_a_part_of_a_file_is_all_that_is_read_of_it(web, store):
    web.objects["/x.tar"] = store.objects["/bucket/x.tar"] = CONTENT
    for shard in (f"{web.address}/x.tar", "s3://bucket/x.tar"):
        member = TarMember(1000, 3000, "../../a::b.wav", shard).address
        assert (status_of(member).size, suffix_of(member), folder_of(member)) == (2000, ".wav", shard)
        assert fetch(member).read_bytes() == CONTENT[1000:3000]
        assert seen_from("/elsewhere", member) == member
    web.gives_parts = False
    with pytest.raises(StorageError, match=r"gives no parts of files .*Copy the file to this machine"):
        fetch(TarMember(1001, 3000, "a.wav", f"{web.address}/x.tar").address)


def test_a_local_archive_is_read_by_parts_as_well(tmp_path):
    shard = tmp_path / "x.tar"
    shard.write_bytes(CONTENT)
    member = TarMember(5, 9, "a.npy", str(shard)).address
    assert fetch(member).read_bytes() == CONTENT[5:9]
    assert read_parts(str(shard), lambda file: file.read(3)) == CONTENT[:3]
    shard.write_bytes(CONTENT[:7])
    with pytest.raises(StorageError, match=r"2 bytes came, but it has 4"):
        fetch(member)
    shard.unlink()
    assert find_file(member) is None


def test_a_server_that_fails_for_a_moment_is_asked_again(web):
    web.objects["/a.wav"] = CONTENT
    web.failures["/a.wav"] = 3
    assert fetch(f"{web.address}/a.wav").read_bytes() == CONTENT


def refusals(web, store):
    """An address, and what is said of it."""
    web.objects["/cut.wav"], web.cuts["/cut.wav"] = CONTENT, 1000
    web.refusals |= {"/secret.wav": 403, "/login.wav": 401, "/broken.wav": 500}
    store.refusals["/bucket/secret.wav"] = 403
    yield f"{web.address}/secret.wav", r"access is denied .*403.*Use an address that may be read without a password"
    yield f"{web.address}/login.wav", "access is denied"
    yield f"{web.address}/broken.wav", "cannot be reached .*500.*does the network work"
    yield f"{web.address}/cut.wav", "cannot be reached .*not completed"
    yield "http://127.0.0.1:9/a.wav", "cannot be reached .*does the network work"
    yield "s3://bucket/secret.wav", "access is denied .*FSSPEC_S3_ANON=true"
    yield "nothing://bucket/a.wav", "'nothing://' is no known kind of address; known are http"


def test_what_cannot_be_reached_is_named_with_the_remedy(web, store):
    for address, said in refusals(web, store):
        with pytest.raises(StorageError, match=said) as caught:
            fetch(address)
        assert str(caught.value).startswith(f"{address}: ")


def test_a_store_that_does_not_answer_is_named(monkeypatch, request, store):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    forget_connections()
    request.addfinalizer(forget_connections)
    with pytest.raises(StorageError, match=r"s3://elsewhere/a.wav: cannot be reached"):
        status_of("s3://elsewhere/a.wav")


def test_a_missing_package_is_named(monkeypatch):
    import fsspec

    monkeypatch.setitem(sys.modules, "gcsfs", None)
    assert "gs" not in fsspec.registry
    with pytest.raises(StorageError, match=r"gs://bucket/a.wav: .*not installed: pip install gcsfs"):
        is_file("gs://bucket/a.wav")


def test_nothing_there_is_no_file(web, store):
    for address in (f"{web.address}/none.wav", "s3://bucket/none.wav"):
        assert not is_file(address)
        assert find_file(address) is None
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            status_of(address)


def test_folders_of_the_web_cannot_be_listed(web):
    with pytest.raises(StorageError, match=r"cannot be listed\. Give a table of the recordings"):
        list_files(web.address)


def test_copies_of_a_killed_process_are_removed_by_the_next_one(tmp_path, monkeypatch):
    original = tmp_path / "a.wav"
    original.write_bytes(CONTENT)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for ending, left in (("os._exit(0)", 1), ("pass", 0)):
        code = f"import os; from seqconv.files import fetch; copy = fetch('file://{original}'); {ending}"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert len([*tmp_path.glob("seqconv-copies-*/*/copy.wav")]) == left
    assert [*tmp_path.glob("seqconv-copies-*")] == []
