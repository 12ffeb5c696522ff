"""Files of other kinds are refused with the recipe that converts them, wherever they are given."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from support.miniatures import MINIATURES
from support.streams import encode, noise

from seqconv.cli.commands.init import main as init
from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.sources import find_source
from seqconv.config import load_config
from seqconv.data.events.tables import read_events
from seqconv.data.manifest import load_manifest
from seqconv.data.sequences import Sequences
from seqconv.errors import AudioError, ConfigError, ManifestError
from seqconv.features import FeatureKind, load_features, open_features
from seqconv.features.foreign import PAGE, RECIPES
from seqconv.features.kinds import Precomputed
from seqconv.prediction.entries import find_entries

SUFFIXES = [(suffix, title) for title, suffixes in RECIPES.items() for suffix in suffixes]
LOG_MEL = FeatureKind(kind="log_mel")


def recipe(suffix: str, title: str) -> str:
    return rf'[Cc]onvert \{suffix} first, by the recipe "{title}" in {PAGE}\.'


@pytest.mark.parametrize(("suffix", "title"), SUFFIXES)
def test_every_way_of_giving_one_names_the_recipe(tmp_path, suffix, title):
    path = tmp_path / "dog" / f"a{suffix}"
    path.parent.mkdir()
    path.write_bytes(b"\x89what its program wrote" * 99)
    message = recipe(suffix, title)
    with pytest.raises(AudioError, match=rf"a\{suffix}: cannot be decoded .*{message}"):
        open_features(path, LOG_MEL)
    with pytest.raises(ManifestError, match=rf"not '\{suffix}'\..* {message}"):
        load_features(path, {"kind": "precomputed"})
    for read in (load_manifest, lambda path: find_source(Place(path))):
        with pytest.raises(ManifestError, match=rf"the format '\{suffix}' is not known.* {message}"):
            read(path)
        with pytest.raises(ManifestError, match=rf"it has no sub-folders with recordings.* {message}"):
            read(tmp_path)
    with pytest.raises(AudioError, match=rf"holds no file to predict .* {message}"):
        find_entries([tmp_path], LOG_MEL)
    assert read_events(path, has_ids=True)[2][0].endswith(f"{PAGE}.")


def test_a_class_of_them_beside_a_class_of_recordings_names_it(tmp_path):
    for name in ("dog/a.wav", "cat/a.mid", "cow/a.edf"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(encode(noise(800), 8000, "WAV"))
    with pytest.raises(
        ManifestError, match=r"'cat', 'cow' hold files.*\.edf, \.mid first, by the recipes .Biosignals., .MIDI. in"
    ):
        load_manifest(tmp_path)


@pytest.mark.parametrize(("kind", "error"), [("log_mel", AudioError), ("precomputed", ManifestError)])
def test_a_table_of_many_says_it_once(tmp_path, kind, error):
    paths = [f"{number}.mat" for number in range(40)]
    for path in paths:
        savemat(tmp_path / path, {"signal": noise(800)})
    pd.DataFrame({"path": paths, "label": list("ab" * 20)}).to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(error, match=recipe(".mat", "MATLAB")) as caught:
        Sequences.from_manifest(tmp_path / "m.csv", {"kind": kind}, cache_dir=tmp_path / "cache", num_workers=0)
    assert str(caught.value).count(PAGE) == 1
    assert "40 recordings of 40 cannot be read" in str(caught.value)


def test_features_given_as_recordings_say_which_kind_reads_them(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(AudioError, match=r"Files \.csv hold features, which features.kind 'precomputed' reads"):
        open_features(tmp_path / "a.csv", LOG_MEL)


@pytest.mark.parametrize(
    "values",
    [{"x": noise(800)}, {"x": noise(800).T}, {"x": np.ones((3, 2), np.int16)}, {"fs": 8000.0, "x": noise(800)}],
    ids=["column", "row", "16 bits", "with a rate"],
)
def test_matrices_of_matlab_are_no_recording(tmp_path, values):
    savemat(tmp_path / "a.wav", values)
    with pytest.raises(
        AudioError,
        match=rf"holds matrices of MATLAB, but no recording as libsndfile writes it.*{recipe('.mat', 'MATLAB')}",
    ):
        open_features(tmp_path / "a.wav", LOG_MEL)
    # As libsndfile writes it, it is a recording.
    (tmp_path / "b.mat").write_bytes(encode(noise(800), 8000, "MAT5"))
    assert open_features(tmp_path / "b.mat", LOG_MEL).num_frames == 11


SCHEMES = [
    ("train/cuts_train.jsonl.gz", "lhotse:{folder}/train/cuts_train.jsonl.gz"),
    ("train/cuts.jsonl", "lhotse:{folder}/train/cuts.jsonl"),
    ("train/wav.scp", "kaldi:{folder}/train"),
    ("train/000.tar", "webdataset:{folder}/train/000.tar"),
]


@pytest.mark.parametrize(("name", "scheme"), SCHEMES)
def test_every_way_of_giving_a_manifest_of_another_program_names_its_scheme(tmp_path, name, scheme):
    path = tmp_path / name
    path.parent.mkdir()
    path.write_bytes(b'{"id": "a", "recording": {}}\n')
    wanted = scheme.format(folder=tmp_path)
    with pytest.raises(ManifestError, match=f"{re.escape(wanted)}(\\. |\\.$)"):
        load_manifest(path)
    with pytest.raises(ManifestError, match=re.escape(f"seqconv init {path.parent} --set data.manifest={wanted}")):
        find_source(Place(path))
    # Predicted as a recording, features, or one of a folder.
    for settings in (LOG_MEL, Precomputed()):
        for given in (path, tmp_path):
            with pytest.raises((AudioError, ConfigError, ManifestError), match=re.escape(wanted)):
                [open_features(each, settings) for each in find_entries([given], settings)["path"]]


def test_the_command_that_init_prints_drafts_them(tmp_path, monkeypatch, capsys):
    name, build = MINIATURES["lhotse"]
    build(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    path = Path(name, "cuts_all.jsonl.gz")
    path.write_bytes(b"".join(part.read_bytes() for part in sorted(Path(name).rglob("cuts_*.jsonl.gz"))))
    assert init([str(path), "--label", "supervision.custom.emotion", "--output", "x.yaml"]) == 2
    command = shlex.split(capsys.readouterr().err.rpartition("seqconv init ")[2])
    assert init([*command, "--output", "x.yaml"]) == 0, capsys.readouterr().err
    assert load_config("x.yaml").target.column == "supervision.custom.emotion"


def test_an_archive_to_predict_is_read_by_its_scheme(tmp_path):
    name, build = MINIATURES["WebDataset"]
    build(tmp_path / name)
    path = next(tmp_path.rglob("*.tar"))
    with pytest.raises(AudioError, match=r"Archives of samples are read as (webdataset:\S*\.tar)\.") as caught:
        open_features(path, LOG_MEL)
    manifest = re.search(r"webdataset:\S*\.tar", str(caught.value))[0]
    entries = find_entries([manifest], LOG_MEL)
    assert len(entries) == 8
    assert open_features(entries["path"][0], LOG_MEL).num_frames > 0


def test_text_of_any_name_may_have_a_frame_in_each_row(tmp_path):
    path = tmp_path / "a.dat"
    path.write_text("1 2\n3 4\n")
    with pytest.raises(
        ManifestError, match=r"the format '\.dat' is not known.*If each of its rows is a frame, data\.rows"
    ):
        load_manifest(path)


def test_a_plain_table_named_like_one_of_lhotse_is_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(encode(noise(800), 8000, "WAV"))
    (tmp_path / "recordings.jsonl").write_text('{"path": "a.wav", "label": "x"}\n')
    assert load_manifest(tmp_path / "recordings.jsonl")["label"].tolist() == ["x"]
