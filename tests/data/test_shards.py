"""Tar archives of samples as manifests: read by parts, never unpacked; what may mean two things is refused."""

import bz2
import gzip
import io
import json
import lzma
import tarfile

import numpy as np
import pytest
import soundfile
from support.extras import require

from seqconv.data.manifest import load_manifest
from seqconv.data.manifest.readers.patterns import expand_braces
from seqconv.data.sequences import Sequences
from seqconv.errors import ManifestError
from seqconv.features import FeatureKind
from seqconv.features.audio.decoding import decode_audio
from seqconv.features.store import build_store
from seqconv.files import tar_member
from seqconv.prediction.entries import find_entries

RATE = 8000


def sound(number, suffix="wav"):
    """A tone of its own for each number, as a file."""
    file = io.BytesIO()
    samples = (0.5 * np.sin(np.arange(800 + 10 * number) / (number + 2))).astype(np.float32)
    soundfile.write(file, samples, RATE, format=suffix.upper())
    return file.getvalue()


def shard(path, members, **options):
    """Write an archive of these members: names and contents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def samples(*keys):
    """Members of plain samples: a recording and its class."""
    return [
        member
        for number, key in enumerate(keys)
        for member in ((f"{key}.wav", sound(number)), (f"{key}.cls", b"yes\n" if number % 2 else b"no"))
    ]


def read(pattern, **columns):
    return load_manifest(f"webdataset:{pattern}", layout={"columns": columns} if columns else None)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_recordings_are_those_that_were_put_in(tmp_path, form):
    keys = ["a", "deep/er/b", "c c", "ä", "x" * (80 if form == tarfile.USTAR_FORMAT else 180), "../../up", "d%20#?::e"]
    path = shard(tmp_path / "x.tar", samples(*keys), format=form)
    frame = read(path)
    assert frame["id"].tolist() == [f"x/{key}" for key in keys]
    assert frame["label"].tolist() == ["no", "yes", "no", "yes", "no", "yes", "no"]
    assert set(frame["shard"]) == {"x"}
    for number, address in enumerate(frame["path"]):
        (tmp_path / "alone.wav").write_bytes(sound(number))
        np.testing.assert_array_equal(decode_audio(address)[0], decode_audio(tmp_path / "alone.wav")[0])
        assert tar_member(address).name == f"{keys[number]}.wav"
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["alone.wav", "x.tar"], "nothing is unpacked"


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "WAV"])
def test_recordings_of_all_kinds_are_decoded_in_their_archive(tmp_path, suffix):
    path = shard(tmp_path / "x.tar", [(f"a.{suffix}", sound(3, suffix)), ("a.cls", b"1")])
    (tmp_path / f"a.{suffix}").write_bytes(sound(3, suffix))
    address = read(path)["path"][0]
    np.testing.assert_array_equal(decode_audio(address)[0], decode_audio(tmp_path / f"a.{suffix}")[0])


def test_arrays_are_read_in_their_archive(tmp_path):
    members = []
    for number in range(3):
        file = io.BytesIO()
        np.save(file, np.full((4 + number, 2), number, np.float32))
        members += [(f"{number}.npy", file.getvalue()), (f"{number}.cls", str(number % 2).encode())]
    path = shard(tmp_path / "x.tar", members)
    sequences = Sequences.from_manifest(f"webdataset:{path}", features={"kind": "precomputed"}, num_workers=0)
    assert [each.tolist() for each in sequences] == [[[number] * 2] * (4 + number) for number in range(3)]


def test_texts_and_fields_are_columns(tmp_path):
    fields = (
        b'{"label": "dog", "fold": 3, "tags": ["a", "b"], "by": {"name": "x", "age": 1.50}, "ok": true, "none": null}'
    )
    members = [
        ("a.wav", sound(0)),
        ("a.json", fields),
        ("a.txt", "wörd\n".encode()),
        ("a.seg.cls", b"7"),
        ("a.pyd", b"\x80"),
    ]
    path = shard(tmp_path / "x.tar", members)
    row = read(path).iloc[0]
    assert row["label"] is None
    wanted = {"json.label": "dog", "json.fold": "3", "json.tags": "a;b", "json.by.name": "x", "json.by.age": "1.50",
              "json.ok": "true", "json.none": None, "txt": "wörd", "seg.cls": "7"}  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted
    row = read(path, label="json.label", fold="json.fold", group="json.by.name").iloc[0]
    assert (row["label"], row["fold"], row["group"]) == ("dog", 3, "x")


def test_patterns_name_archives_in_their_order(tmp_path):
    for number in range(3):
        shard(tmp_path / f"train-{number:03}.tar", samples(f"{number}a", f"{number}b"))
    shard(tmp_path / "test-000.tar", samples("t"))
    wanted = ["train-000/0a", "train-000/0b", "train-001/1a", "train-001/1b", "train-002/2a", "train-002/2b"]
    assert read(tmp_path / "train-{000..002}.tar")["id"].tolist() == wanted
    assert read(tmp_path / "train-*.tar")["id"].tolist() == wanted
    assert read(tmp_path / "{train-002,test-000}.tar")["id"].tolist() == [*wanted[4:], "test-000/t"]
    both = load_manifest({"train": f"webdataset:{tmp_path}/train-*.tar", "test": f"webdataset:{tmp_path}/test-000.tar"})
    assert both["split"].tolist() == ["train"] * 6 + ["test"]
    assert both["id"].tolist()[-1] == "test/test-000/t"
    assert find_entries([f"webdataset:{tmp_path}/test-*.tar"], FeatureKind())["id"].tolist() == ["test-000/t"]


def test_a_file_that_is_there_is_no_pattern(tmp_path):
    path = shard(tmp_path / "{a,b}[1]" / "x{0..1}.tar", samples("a"))
    assert read(path)["id"].tolist() == ["x{0..1}/a"]


def test_archives_of_one_name_have_ids_of_their_own(tmp_path):
    for folder in ("one", "two"):
        shard(tmp_path / folder / "000.tar", samples("a"))
    assert read(tmp_path / "{one,two}" / "000.tar")["id"].tolist() == [
        f"{tmp_path}/{each}/000/a" for each in ("one", "two")
    ]


def test_braces_are_those_of_the_shell():
    assert expand_braces("a{1..3}b{x,y}") == ["a1bx", "a1by", "a2bx", "a2by", "a3bx", "a3by"]
    assert expand_braces("a{08..11}") == ["a08", "a09", "a10", "a11"]
    assert expand_braces("plain{x}.tar") == ["plain{x}.tar"]
    for pattern in ("a{3..1}", "a{0..9999999}", "{a,{b,c}}", "a{", "{0..999}{0..999}{0..999}"):
        with pytest.raises(ManifestError, match=r"is no (pattern of names|range of at most)"):
            expand_braces(pattern)


def cut(path, left):
    """The first bytes of a whole archive: cut between two files, or within one."""
    whole = shard(path, samples("a", "b", "c")).read_bytes()
    path.write_bytes(whole[: left if left > 0 else len(whole) + left])


def linked(path):
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.wav")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)


REFUSED = {
    "several recordings": (
        lambda path: shard(path, [("a.left.wav", sound(0)), ("a.right.wav", sound(1)), ("a.cls", b"1")]),
        r"the key 'a' has several recordings: 'left.wav', 'right.wav'. Say which: data.columns: {path: left.wav}",
    ),
    "no recording": (
        lambda path: shard(path, [("a.cls", b"1"), ("a.jpg", b"1")]),
        r"the key 'a' has no recording and no array; it has 'cls', 'jpg'",
    ),
    "a key twice": (
        lambda path: shard(path, samples("a", "b") + samples("a")),
        r"the key 'a' comes twice, so that it may be one sample or two",
    ),
    "a file twice": (lambda path: shard(path, [("a.wav", sound(0)), ("a.wav", sound(1))]), r"holds 'a.wav' twice"),
    "gzip": (
        lambda path: path.write_bytes(gzip.compress(shard(path, samples("a")).read_bytes())),
        r"Unpack it once: gzip",
    ),
    "bzip2": (lambda path: path.write_bytes(bz2.compress(shard(path, samples("a")).read_bytes())), r"it is compressed"),
    "xz": (lambda path: path.write_bytes(lzma.compress(shard(path, samples("a")).read_bytes())), r"it is compressed"),
    "no tar": (lambda path: path.write_bytes(sound(0)), r"it is no tar archive, or is damaged"),
    "nothing": (lambda path: path.write_bytes(b""), r"it is no tar archive, or is damaged"),
    "no sample": (lambda path: shard(path, [("README", b"text"), (".hidden.wav", b"")]), r"it holds no sample"),
    "cut within a file": (
        lambda path: cut(path, 1000),
        r"it is no tar archive, or is damaged \(unexpected end of data\)",
    ),
    "cut between two files": (lambda path: cut(path, 512 + 2048 + 1024), r"cut off or is damaged at byte 3584"),
    "cut within a header": (lambda path: cut(path, 512 + 2048 + 1024 + 100), r"cut off or is damaged at byte 3584"),
    "a link": (linked, r"'a.wav' in it is a link or of another special kind"),
    "a long text": (
        lambda path: shard(path, [("a.wav", sound(0)), ("a.txt", b"x" * (2 << 20))]),
        r"'a.txt' in it has 2097152 bytes",
    ),
    "no UTF-8": (
        lambda path: shard(path, [("a.wav", sound(0)), ("a.txt", b"\xff")]),
        r"'a.txt' in it is not UTF-8 text",
    ),
    "no JSON": (lambda path: shard(path, [("a.wav", sound(0)), ("a.json", b"{")]), r"'a.json' is not JSON"),
    "no archive": (lambda path: None, r"there is no archive '.*x.tar'"),
    "a folder": (lambda path: path.mkdir(), r"there is no archive '.*x.tar'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_archive_of_samples_is_refused(tmp_path, kind):
    path = tmp_path / "x.tar"
    make, said = REFUSED[kind]
    make(path)
    with pytest.raises(ManifestError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_of_several_recordings_one_is_chosen(tmp_path):
    members = [("a.left.wav", sound(0)), ("a.right.wav", sound(1)), ("a.cls", b"1")]
    frame = read(shard(tmp_path / "x.tar", members), path="right.wav")
    (tmp_path / "alone.wav").write_bytes(sound(1))
    np.testing.assert_array_equal(decode_audio(frame["path"][0])[0], decode_audio(tmp_path / "alone.wav")[0])


def test_patterns_without_a_file_are_named(tmp_path):
    with pytest.raises(ManifestError, match=r"there is no file '.*none-\*.tar'"):
        read(tmp_path / "none-*.tar")
    shard(tmp_path / "x.tar", samples("a"))
    with pytest.raises(ManifestError, match=r"names '.*x.tar' more than once"):
        read(tmp_path / "{x,x}.tar")
    with pytest.raises(ManifestError, match=r"folders of the web cannot be listed. Write braces"):
        read("https://host/train-*.tar")


def test_an_archive_that_was_written_again_is_extracted_again(tmp_path):
    settings = FeatureKind(sample_rate=RATE, n_fft=256, hop_length=80, n_mels=8)

    def extracted():
        return build_store(read(path), settings, tmp_path / "store", progress=False, num_workers=0).num_extracted

    path = shard(tmp_path / "x.tar", samples("a", "b"))
    assert [extracted(), extracted()] == [2, 0]
    shard(path, [("a.wav", sound(0)), ("a.cls", b"no"), ("b.wav", sound(1)[:-2] + b"\1\1"), ("b.cls", b"yes")])
    assert extracted() == 1


def test_archives_elsewhere_are_read_by_parts():
    require("aiohttp", "s3fs")
    from support.servers import object_store, web_server

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in [*samples("a", "b"), ("big.wav", sound(400)), ("big.cls", b"no")]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with web_server() as web, object_store() as store:
        web.objects["/x-0.tar"] = store.objects["/bucket/x-0.tar"] = file.getvalue()
        for pattern in (f"{web.address}/x-{{0..0}}.tar", "s3://bucket/x-*.tar"):
            frame = read(pattern)
            assert frame["id"].tolist() == ["x-0/a", "x-0/b", "x-0/big"]
            assert frame["label"].tolist() == ["no", "yes", "no"]
            decoded = [decode_audio(path)[0] for path in frame["path"]]
            assert [len(each) for each in decoded] == [800, 810, 4800]


@pytest.mark.parametrize(
    ("value", "message"),
    [(["a;b", "c"], "the label 'a;b' holds ';'"), ([0, 1, 1], "holds lists of 0 and 1"), ([True, {}], None)],
)
def test_lists_in_json_are_those_of_other_manifests(tmp_path, value, message):
    path = shard(tmp_path / "x.tar", [("a.wav", sound(0)), ("a.json", json.dumps({"tags": value, "n": 1.50}).encode())])
    if message is None:
        assert "json.tags" not in read(path)
        return
    with pytest.raises(ManifestError, match=message):
        read(path)
