"""Files that cannot be predicted: each is named, and takes nothing from the others."""

import io
import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile
from support.decoder import DECODER

from seqconv.cli.commands.predict import main
from seqconv.data.manifest import load_manifest
from seqconv.errors import AudioError, ConfigError, ManifestError
from seqconv.models import build_model
from seqconv.prediction.dispatch import predict, predict_tables
from seqconv.tasks.target import fit_target

FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 12}
NAMES = ["en", "it"]


def make_model(*, pooling="mean", kernel_size=3, padding="same"):
    keras.utils.set_random_seed(0)
    kind = "frame" if pooling == "frames" else "sequence"
    labels = [np.array(NAMES)] if kind == "frame" else NAMES
    target = fit_target("classification", labels, kind=kind)
    card = {"task": "classification", "target": target.to_dict(), "features": FEATURES}
    blocks = [{"filters": 4, "kernel_size": kernel_size, "padding": padding}]
    return build_model({"blocks": blocks, "pooling": pooling}, num_features=12, num_outputs=2, card=card)


@pytest.fixture(scope="module")
def model():
    return make_model()


def noise(path: Path, num_samples: int) -> Path:
    soundfile.write(path, np.random.default_rng(num_samples).uniform(-0.5, 0.5, num_samples), 8000)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Good, bad, good, bad, good."""
    (tmp_path / "1.wav").write_text("no sound")
    (tmp_path / "3.wav").write_bytes(noise(tmp_path / "3.wav", 8000).read_bytes()[:9000])
    for number, num_samples in ((0, 4000), (2, 900), (4, 6000)):
        noise(tmp_path / f"{number}.wav", num_samples)
    return [tmp_path / f"{number}.wav" for number in range(5)]


def test_the_others_keep_their_predictions_and_their_places(model, files):
    with pytest.warns(UserWarning, match=r"(?s)2 of 5 files have no prediction.*1\.wav: cannot.*3\.wav: ends after"):
        frame = predict(model, files, quarantine=(bad := []))
    good = [0, 2, 4]
    expected = predict(model, [files[number] for number in good], quarantine=(none := []))
    assert frame["id"].tolist() == [str(path) for path in files]
    assert frame["num_frames"].tolist() == [51, 0, 12, 0, 76]
    pd.testing.assert_frame_equal(frame.iloc[good].reset_index(drop=True), expected, rtol=1e-5)
    assert frame.iloc[[1, 3]][["prediction", "p_en", "p_it"]].isna().all(axis=None)
    assert [each.id for each in bad] == [str(files[1]), str(files[3])]
    assert bad[1].reason.startswith("ends after 0.559")
    assert none == []


def test_frames_of_a_bad_file_are_not_there(files):
    model = make_model(pooling="frames")
    with pytest.warns(UserWarning, match="2 of 5 files have no prediction"):
        frame = predict(model, files)
    assert frame["id"].unique().tolist() == [str(files[number]) for number in (0, 2, 4)]
    pd.testing.assert_frame_equal(frame, predict(model, [files[0], files[2], files[4]]), rtol=1e-5)


def test_what_is_too_short_for_the_model_is_one_bad_file(files):
    model = make_model(kernel_size=15, padding="valid")
    with pytest.warns(UserWarning, match=r"1 of 2 files .*\n.*2\.wav: has 12 frames, but the model needs at least 15"):
        frame = predict(model, [files[2], files[0]])
    assert frame["prediction"].isna().tolist() == [True, False]
    with pytest.raises(ManifestError, match="1 sequences are too short for the model"):
        predict(model, files[2])


@pytest.mark.parametrize("order", [[0, 1, 2, 4], [2, 1, 4, 0], [1, 2]])
def test_a_long_recording_that_is_damaged_is_one_bad_file(model, files, order):
    samples = soundfile.read(files[4])[0]
    samples[5000] = np.nan
    soundfile.write(files[4], samples, 8000, subtype="FLOAT")
    with pytest.warns(UserWarning, match=r"1\.wav: cannot be decoded") as caught:
        frame = predict(model, [files[number] for number in order], chunk_frames=20)
    names = [f"{files[number]}" for number in order]
    assert frame["id"].tolist() == names
    bad = [number in (1, 4) for number in order]
    assert frame["prediction"].isna().tolist() == bad
    assert len(caught) == 1
    if 4 in order:
        assert "4.wav: 1 of 6000 samples are NaN" in str(caught[0].message)


def test_short_files_that_are_all_bad_take_nothing_from_a_long_one(model, files):
    with pytest.warns(
        UserWarning, match=r"2 of 3 files have .*\n.*1\.wav: cannot be decoded .*\n.*3\.wav: ends after 0"
    ):
        frame = predict(model, [files[1], files[0], files[3]], chunk_frames=20)
    assert frame["prediction"].isna().tolist() == [True, False, True]
    assert frame["num_frames"].tolist() == [0, 51, 0]


@pytest.mark.parametrize("beside", ["{name}", "./{name}", "sub/../{name}", "linked/{name}", "füño/{name}"])
def test_reasons_are_told_however_a_path_is_written(model, files, monkeypatch, beside):
    """Also if no short file can be read, whose reasons come out of one error."""
    folder = files[0].parent
    monkeypatch.chdir(folder)
    (folder / "sub").mkdir()
    (folder / "linked").symlink_to(folder, target_is_directory=True)
    (folder / "füño").symlink_to(folder, target_is_directory=True)
    names = [beside.format(name=f"{number}.wav") for number in (4, 1, 3)]
    with pytest.warns(UserWarning, match=r"2 of 3 files have no prediction") as caught:
        predict(model, names, chunk_frames=70, quarantine=(bad := []))
    assert [file.reason[:16] for file in bad] == ["cannot be decode", "ends after 0.559"]
    assert all(file.reason in str(caught[-1].message) for file in bad)


def test_nothing_is_given_where_none_can_be_read(model, files):
    tables = predict_tables(model, [files[1], files[3]])
    with pytest.raises(AudioError, match="2 recordings of 2 cannot be read:"):
        next(tables)
    for number in (0, 4):
        soundfile.write(files[number], np.full(6000, np.nan), 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"2 of 2 files .*\n.*0\.wav: 6000 of 6000 samples are NaN.*\n.*4\.wav: 6000"):
        predict(model, [files[0], files[4]], chunk_frames=20)


def test_a_decoder_that_crashes_is_one_bad_file(model, files, tmp_path, monkeypatch):
    (tmp_path / "decoder").mkdir()
    (tmp_path / "decoder" / "soundfile.py").write_text(DECODER)
    monkeypatch.syspath_prepend(tmp_path / "decoder")
    soundfile.write(files[3], np.random.default_rng(0).uniform(-0.5, 0.5, 4000), 8000, format="FLAC")
    with pytest.warns(UserWarning, match=r"1 of 3 files .*\n.*3\.wav: the process that decoded it ended \(SIGSEGV\)"):
        frame = predict(model, [files[0], files[3], files[4]])
    assert frame["prediction"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.filterwarnings("default::UserWarning")
def test_the_command_says_so_by_its_exit_code(model, files, tmp_path, capsys, suffix):
    model.save(tmp_path / "model.keras")
    arguments = ["--model", str(tmp_path / "model.keras"), *map(str, files)]
    output = tmp_path / f"out{suffix}"
    assert main([*arguments, "--output", str(output)]) == 3
    errors = capsys.readouterr().err
    assert "warning: 2 of 5 files have no prediction" in errors
    assert f"{files[1]}: cannot be decoded" in errors
    assert "Traceback" not in errors
    if suffix == ".csv":
        assert main(arguments) == 3
        printed, written = pd.read_csv(io.StringIO(capsys.readouterr().out)), pd.read_csv(output)
        # On the screen, probabilities have four decimals.
        pd.testing.assert_frame_equal(printed, written, rtol=0, atol=5.1e-5)
        rows = pd.read_csv(io.StringIO(output.read_text())).to_dict("records")
    else:
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["id"] for row in rows] == [str(path) for path in files]
    assert [pd.isna(row["p_en"]) for row in rows] == [False, True, False, True, False]
    assert main(["--model", str(tmp_path / "model.keras"), str(files[0])]) == 0
    assert "warning" not in capsys.readouterr().err


def by_path(frame: pd.DataFrame) -> dict[str, float]:
    return dict(zip(frame["id"], frame["p_en"], strict=True))


def test_a_file_that_is_named_twice_is_answered_twice(model, files, tmp_path, monkeypatch):
    """In the order of the inputs, each under the name that it was given."""
    a, b = files[0], files[4]
    alone = by_path(predict(model, [a, b]))
    found = predict(model, [a, b, a])
    assert found["id"].tolist() == [str(a), str(b), str(a)]
    np.testing.assert_allclose(found["p_en"], [alone[str(each)] for each in (a, b, a)], rtol=1e-6)
    monkeypatch.chdir(tmp_path)
    names = ["0.wav", str(a), "4.wav", "0.wav"]
    found = predict(model, names)
    assert found["id"].tolist() == names
    np.testing.assert_allclose(found["p_en"], [alone[str(each)] for each in (a, a, b, a)], rtol=1e-6)


def test_a_folder_and_a_file_in_it(model, files, tmp_path):
    for number in (1, 3):
        files[number].unlink()
    found = predict(model, [tmp_path, files[2]])
    assert found["id"].tolist() == [str(files[number]) for number in (0, 2, 4, 2)]
    assert found["p_en"][1] == found["p_en"][3]


def test_bad_files_that_are_named_twice(model, files):
    with pytest.warns(UserWarning, match="1 of 2 files have no prediction"):
        found = predict(model, [files[1], files[0], files[1]], quarantine=(bad := []))
    assert found["prediction"].isna().tolist() == [True, False, True]
    assert [each.id for each in bad] == [str(files[1])]


def test_frames_of_a_file_that_is_named_twice(files):
    model = make_model(pooling="frames")
    once = predict(model, files[0])
    found = predict(model, [files[0], files[4], files[0]])
    counts = [51, 76, 51]
    assert found["id"].tolist() == np.repeat([str(files[number]) for number in (0, 4, 0)], counts).tolist()
    pd.testing.assert_frame_equal(found[-51:].reset_index(drop=True), once, rtol=1e-5)


def test_a_manifest_is_no_recording(model, files, tmp_path):
    (tmp_path / "m.csv").write_text("path\n0.wav\n")
    with pytest.raises(ConfigError, match=r"'.*m\.csv' are tables\. .*predict\(model, load_manifest\('.*m\.csv'\)\)"):
        predict(model, tmp_path / "m.csv")
    assert predict(model, load_manifest(tmp_path / "m.csv"))["id"].tolist() == ["0.wav"], "the id of the table"


def test_paths_in_a_column_or_an_iterator(model, files, tmp_path):
    expected = predict(model, [files[0], files[4]])
    column = pd.Series([str(files[0]), str(files[4])])
    for inputs in (column, column.to_numpy(object), np.array(column.tolist()), iter([files[0], files[4]])):
        pd.testing.assert_frame_equal(predict(model, inputs), expected)


def test_rows_of_a_table_of_cases_are_predicted_as_they_are(tmp_path):
    lines = "\n".join(f"{number},{number + 1},{number % 3}:{'ab'[number % 2]}" for number in range(6))
    (tmp_path / "x.ts").write_text(f"@classLabel true a b\n@data\n{lines}\n")
    model = build_model({"blocks": [{"filters": 2}]}, num_features=1, num_outputs=2)
    options = {"features": {"kind": "precomputed"}, "target": fit_target("classification", ["a", "b"])}
    frame = load_manifest(tmp_path / "x.ts")
    whole = predict(model, tmp_path / "x.ts", **options)
    listed = predict(model, frame.iloc[[4, 1]], **options)
    assert listed["id"].tolist() == ["4", "1"]
    np.testing.assert_allclose(listed["p_a"], whole["p_a"].iloc[[4, 1]], rtol=1e-5)
