"""Collections at addresses: manifests, recordings, tables of features and of events, over real sockets."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.extras import require
from support.prompt_files import FEATURES, write_prompts

from seqconv.cli.commands.predict import main as predict_command
from seqconv.cli.commands.train import main as train_command
from seqconv.config import load_config
from seqconv.data.events.annotations import read_annotations
from seqconv.data.manifest import load_manifest
from seqconv.data.sequences import Sequences
from seqconv.errors import AudioError, ConfigError, ManifestError, StorageError
from seqconv.features import FeatureKind, load_features, open_features
from seqconv.features.audio.decoding import count_samples, decode_audio, read_blocks
from seqconv.features.store import FeatureStore, build_store
from seqconv.files import connections, seen_from
from seqconv.prediction import predict
from seqconv.prediction.entries import find_entries
from seqconv.reports.folder import read_run
from seqconv.reports.sounds import embed_sound
from seqconv.training import train

require("aiohttp", "s3fs")

from support.servers import object_store, web_server  # noqa: E402

RATE = 8000
TONE = (0.5 * np.sin(np.arange(RATE) / 7)).astype(np.float32)
KINDS = {
    "a.wav": {"subtype": "PCM_16"}, "a.flac": {}, "a.ogg": {}, "a.mp3": {},
    "a.opus": {"format": "OGG", "subtype": "OPUS"}, "a.w64": {}, "a.aiff": {}, "a b#1.wav": {},
}  # fmt: skip
ROOTS = ("web", "store")


@pytest.fixture(scope="module")
def servers():
    with web_server() as web, object_store() as store:
        yield web, store


@pytest.fixture
def elsewhere(servers, monkeypatch):
    """Servers, and a function that gives them the files of a folder: the address of that folder, by kind of server."""
    monkeypatch.setattr(connections, "_SECONDS_BETWEEN", 0)
    web, store = servers
    web.forget()
    store.forget()

    def put(folder):
        web.put_folder(folder, f"/{folder.name}")
        store.put_folder(folder, f"/bucket/{folder.name}")
        return {"web": f"{web.address}/{folder.name}", "store": f"s3://bucket/{folder.name}"}

    put.web, put.store = web, store
    return put


@pytest.fixture
def prompts(tmp_path):
    """A folder of real prompts, with a manifest whose paths are as seen from it."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    table = write_prompts(folder)
    table["path"] = [path.rsplit("/", 1)[1] for path in table["path"]]
    table.to_csv(folder / "manifest.csv", index=False)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_samples_are_those_of_the_local_file_bit_for_bit(tmp_path, elsewhere, name):
    folder = tmp_path / "sounds"
    folder.mkdir()
    path = folder / name
    soundfile.write(path, TONE, RATE, **KINDS[name])
    for root in elsewhere(folder).values():
        address = seen_from(root, name)
        for part in ({}, {"start": 0.25, "end": 0.75}, {"sample_rate": 16000}):
            ours, rate = decode_audio(address, **part)
            local, local_rate = decode_audio(path, **part)
            np.testing.assert_array_equal(ours, local)
            assert (rate, count_samples(address, **part)) == (local_rate, len(local))
        np.testing.assert_array_equal(np.concatenate([*read_blocks(address)]), decode_audio(path)[0])
        assert embed_sound(address).num_bytes == embed_sound(path).num_bytes


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_recording_that_was_cut_off_is_refused_as_the_local_file_is(tmp_path, elsewhere, name):
    folder = tmp_path / "sounds"
    folder.mkdir()
    path = folder / name
    soundfile.write(path, TONE, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(AudioError) as local:
        decode_audio(path)
    for root in elsewhere(folder).values():
        with pytest.raises(AudioError) as caught:
            decode_audio(f"{root}/{name}")
        assert str(caught.value) == str(local.value).replace(str(path), f"{root}/{name}")


def test_arrays_and_tables_of_features_are_those_of_the_local_files(tmp_path, elsewhere):
    folder = tmp_path / "features"
    folder.mkdir()
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    np.save(folder / "a.npy", values)
    np.savez(folder / "a.npz", values)
    pd.DataFrame(values, columns=["x", "y", "z"]).to_csv(folder / "a.csv", index=False)
    pd.DataFrame(values, columns=["x", "y", "z"]).to_parquet(folder / "a.parquet")
    (folder / "a.ts").write_text("@classLabel true a b\n@data\n1,2,3:4,5,6:a\n7:8:b\n", encoding="utf-8")
    settings = {"kind": "precomputed"}
    for root in elsewhere(folder).values():
        for name in ("a.npy", "a.npz", "a.csv", "a.parquet"):
            np.testing.assert_array_equal(load_features(f"{root}/{name}", settings), values)
            pieces = [*open_features(f"{root}/{name}", settings, piece_frames=20)]
            np.testing.assert_array_equal(np.concatenate(pieces), values)
        cases = load_manifest(f"{root}/a.ts", label="label")
        assert cases["path"].unique().tolist() == [f"{root}/a.ts"]
        sequences = Sequences.from_manifest(f"{root}/a.ts", features=settings, num_workers=0)
        assert [sequence.tolist() for sequence in sequences] == [[[1, 4], [2, 5], [3, 6]], [[7, 8]]]


def test_workers_extract_what_they_extract_from_local_files(prompts, elsewhere, tmp_path):
    roots = {"here": str(prompts), **elsewhere(prompts)}
    stores = {}
    for name, root in roots.items():
        frame = load_manifest(f"{root}/manifest.csv").iloc[:8]
        stores[name] = build_store(frame, FEATURES, tmp_path / name, progress=False, num_workers=2)
    for row in range(8):
        for name in ROOTS:
            np.testing.assert_array_equal(stores[name][row], stores["here"][row])


def test_a_run_on_addresses_is_the_run_on_local_files(prompts, elsewhere, tmp_path):
    address = elsewhere(prompts)["store"]
    sections = {
        "features": FEATURES,
        "model": {"blocks": [{"filters": 4, "kernel_size": 3}]},
        "training": {"epochs": 1},
        "evaluation": {"bootstrap": 0, "report": False},
    }
    runs = {}
    for name, manifest in (("there", f"{address}/manifest.csv"), ("here", prompts / "manifest.csv")):
        config = {**sections, "data": {"manifest": str(manifest), "num_workers": 0, "cache_dir": str(tmp_path / name)}}
        runs[name] = train(load_config(config), tmp_path / f"run-{name}")
    assert runs["there"].history["loss"].tolist() == runs["here"].history["loss"].tolist()
    assert runs["there"].metrics == runs["here"].metrics
    answers = [predict(runs["here"].model, [path]) for path in (f"{address}/en00.wav", str(prompts / "en00.wav"))]
    assert answers[0]["id"].tolist() == [f"{address}/en00.wav"]
    pd.testing.assert_frame_equal(answers[0].drop(columns="id"), answers[1].drop(columns="id"))


@pytest.mark.parametrize("root", ROOTS)
def test_what_has_changed_elsewhere_is_extracted_again_and_nothing_else(prompts, elsewhere, tmp_path, root):
    frame = load_manifest(f"{elsewhere(prompts)[root]}/manifest.csv").iloc[:4]
    server, prefix = {"web": (elsewhere.web, ""), "store": (elsewhere.store, "/bucket")}[root]

    def extracted():
        return build_store(frame, FEATURES, tmp_path / "features", progress=False, num_workers=0)

    assert extracted().num_extracted == 4
    assert extracted().num_extracted == 0
    key = f"{prefix}/prompts/en01.wav"
    other = server.objects[f"{prefix}/prompts/en02.wav"]
    server.objects[key] = other
    again = extracted()
    assert again.num_extracted == 1
    np.testing.assert_array_equal(again[1], again[2])
    del server.objects[key]
    with pytest.raises(AudioError, match=r"1 recording of 4 cannot be read:\n  en01 .*en01.wav\): no such file"):
        extracted()


def test_without_versions_the_content_decides(prompts, elsewhere, tmp_path):
    frame = load_manifest(f"{elsewhere(prompts)['web']}/manifest.csv").iloc[:3]
    elsewhere.web.says_versions = False
    counts = [build_store(frame, FEATURES, tmp_path / "s", progress=False, num_workers=0).num_extracted for _ in "ab"]
    assert counts == [3, 0]


def test_a_folder_of_classes_in_a_store_is_a_manifest(tmp_path, elsewhere):
    folder = tmp_path / "classes"
    for name in ("no/a.wav", "yes/b.wav", "yes/deep/c.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, TONE, RATE)
    roots = elsewhere(folder)
    frame = load_manifest(roots["store"], label="label")
    assert frame[["id", "label"]].to_numpy().tolist() == [["no/a", "no"], ["yes/b", "yes"], ["yes/deep/c", "yes"]]
    assert frame["path"].tolist()[0] == "s3://bucket/classes/no/a.wav"
    elsewhere.web.objects["/classes"] = b"<html>a list of files</html>"
    with pytest.raises(StorageError, match=r"cannot be listed. Give a table of the recordings"):
        load_manifest(roots["web"])
    elsewhere.web.objects["/table"] = b"path;label\nno/a.wav;no\n"
    elsewhere.web.objects["/no/a.wav"] = elsewhere.web.objects["/classes/no/a.wav"]
    frame = load_manifest(f"{elsewhere.web.address}/table?id=3", layout={"separator": ";"})
    assert frame["path"].tolist() == [f"{elsewhere.web.address}/no/a.wav"]


def test_root_path_and_split_lists_may_be_addresses(prompts, elsewhere, tmp_path):
    root = elsewhere(prompts)["web"]
    table = pd.read_csv(prompts / "manifest.csv")[["id", "label"]]
    table.to_csv(tmp_path / "table.csv", index=False)
    (prompts / "test.txt").write_text("en00\nfr01\n", encoding="utf-8")
    root = elsewhere(prompts)["web"]
    whole = load_manifest(tmp_path / "table.csv", layout={"path": f"{root}/{{id}}.wav"})
    layout = {"root": root, "path": "{id}.wav", "split_lists": {"test": f"{root}/test.txt"}}
    frame = load_manifest(tmp_path / "table.csv", layout=layout)
    assert frame["path"].tolist() == [f"{root}/{name}.wav" for name in table["id"]]
    assert whole["path"].tolist() == frame["path"].tolist()
    assert frame.loc[frame["split"] == "test", "id"].tolist() == ["en00", "fr01"]


def test_events_at_an_address_name_recordings_beside_it(prompts, elsewhere):
    lines = ["path,start,end,label", "en00.wav,0.1,0.4,speech", "fr00.wav,0.2,0.5,speech"]
    (prompts / "events.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for root in elsewhere(prompts).values():
        config = load_config(
            {
                "data": {"manifest": f"{root}/manifest.csv", "events": f"{root}/events.csv", "unlabeled": "ignore"},
                "features": FEATURES,
            }
        )
        frame = load_manifest(config.data.manifest)
        kept, annotations = read_annotations(frame, config.data.events, "ignore")
        assert kept["id"].tolist() == ["en00", "fr00"]
        assert annotations.of(["fr00"])[0].starts.tolist() == [0.2]


def test_problems_are_told_before_any_work(prompts, elsewhere, tmp_path):
    roots = elsewhere(prompts)
    del elsewhere.store.objects["/bucket/prompts/en03.wav"]
    with pytest.raises(
        ManifestError, match=r"1 files of column 'path' are missing, the first is 's3://bucket/prompts/e"
    ):
        load_manifest(f"{roots['store']}/manifest.csv")
    elsewhere.web.refusals["/prompts/en03.wav"] = 403
    with pytest.raises(StorageError, match=r"/prompts/en03.wav: access is denied"):
        load_manifest(f"{roots['web']}/manifest.csv")
    with pytest.raises(ManifestError, match=r"manifest 's3://bucket/none.csv': there is no such file"):
        load_manifest("s3://bucket/none.csv")
    with pytest.raises(ManifestError, match=r"'kaldi:' reads from this machine. Copy the data here"):
        load_manifest("kaldi:s3://bucket/kaldi")
    elsewhere.store.objects["/bucket/empty/notes.txt"] = b"none"
    with pytest.raises(AudioError, match=r"folder 's3://bucket/empty' holds no file to predict"):
        find_entries(["s3://bucket/empty"], FeatureKind())


def test_an_address_that_pathlib_has_changed_is_noticed():
    with pytest.raises(
        ManifestError, match=r"no such file or folder. It seems to have been an address: give it as text"
    ):
        load_manifest(Path("s3://bucket/manifest.csv"))
    with pytest.raises(AudioError, match=r"no such file. It seems to have been an address"):
        decode_audio(Path("https://host/a.wav"))


@pytest.mark.parametrize(
    ("section", "key"), [("data", "cache_dir"), ("training", "init"), ("audio_augment", "background.folder")]
)
def test_what_must_be_on_this_machine_says_so(section, key):
    name, _, inner = key.partition(".")
    value = {"folder": "s3://bucket/x"} if inner else "s3://bucket/x"
    with pytest.raises(
        ConfigError,
        match=r"'s3://bucket/x'(: an address, but this must be| is an address, and models are loaded from files)",
    ):
        load_config({section: {name: value}})


@pytest.mark.parametrize("flag", ["--config", "--run-dir"])
def test_commands_write_to_this_machine(flag, capsys):
    wanted = {"--config": "x.yaml", "--run-dir": "run", flag: "s3://bucket/x"}
    assert train_command([word for pair in wanted.items() for word in pair]) == 2
    assert f"{flag} s3://bucket/x: an address, but this must be on this machine" in capsys.readouterr().err


def test_predictions_are_written_to_this_machine(capsys):
    with pytest.raises(SystemExit, match="2"):
        predict_command(["--model", "run", "a.wav", "--output", "s3://bucket/x.csv"])
    assert "'s3://bucket/x.csv' is an address, but this must be on this machine" in capsys.readouterr().err


def test_a_store_of_features_is_on_this_machine(prompts):
    frame = load_manifest(prompts / "manifest.csv")
    for wrong in (
        lambda: build_store(frame, FEATURES, "s3://bucket/store"),
        lambda: build_store(frame, FEATURES, cache_dir="s3://bucket/store"),
        lambda: FeatureStore("s3://bucket/store"),
        lambda: read_run("s3://bucket/store"),
    ):
        with pytest.raises(StorageError, match="'s3://bucket/store' is an address, but this must be on this machine"):
            wrong()
