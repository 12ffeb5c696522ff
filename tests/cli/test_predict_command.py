import io
import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from seqconv.cli.commands.predict import main
from seqconv.models import build_model
from seqconv.prediction import predict
from seqconv.tasks.target import fit_target

RECORDINGS = Path(__file__).parents[2] / "data" / "prompts" / "it"
FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 12}


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    target = fit_target("classification", ["en", "it"])
    card = {"task": "classification", "target": target.to_dict(), "features": FEATURES}
    keras.utils.set_random_seed(0)
    model = build_model({"blocks": [{"filters": 4}]}, num_features=12, num_outputs=2, card=card)
    path = tmp_path_factory.mktemp("run") / "model.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def recordings():
    return [str(path) for path in sorted(RECORDINGS.glob("*.ogg"))[:3]]


def test_csv_goes_to_standard_output(model_path, recordings, capsys):
    assert main(["--model", str(model_path), *recordings]) == 0
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
    expected = predict(model_path, recordings)
    pd.testing.assert_frame_equal(frame, expected, rtol=0, atol=5.1e-5)
    shown = frame[["p_en", "p_it"]].to_numpy()
    assert (shown == shown.round(4)).all()
    assert not np.array_equal(shown, expected[["p_en", "p_it"]])


def test_a_file_keeps_all_digits(model_path, recordings, tmp_path):
    for name in ("out.csv", "out.tsv", "out.jsonl"):
        assert main(["--model", str(model_path), *recordings, "--output", str(tmp_path / name)]) == 0
    expected = predict(model_path, recordings)
    for found in (
        pd.read_csv(tmp_path / "out.csv"),
        pd.read_csv(tmp_path / "out.tsv", sep="\t"),
        pd.read_json(tmp_path / "out.jsonl", lines=True),
    ):
        pd.testing.assert_frame_equal(found, expected, rtol=1e-6)


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (2, 2), (3, 2)])
def test_the_most_probable_classes(model_path, recordings, tmp_path, capsys, count, shown):
    assert main(["--model", str(model_path), *recordings, "--top", str(count)]) == 0
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
    columns = [f"{kind}_{rank + 1}" for rank in range(shown) for kind in ("top", "score")]
    assert list(frame) == ["id", "num_frames", "prediction", *columns]
    everything = predict(model_path, recordings).set_index("id")
    for row in frame.to_dict("records"):
        ranked = everything.loc[row["id"], ["p_en", "p_it"]].sort_values(ascending=False)
        assert [row[f"top_{rank + 1}"] for rank in range(shown)] == [name[2:] for name in ranked.index[:shown]]
        np.testing.assert_allclose(
            [row[f"score_{rank + 1}"] for rank in range(shown)], ranked.astype(float)[:shown], atol=5.1e-5
        )
    assert (frame["prediction"] == frame["top_1"]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--top", "0"], "--top 0: expected how many classes to show"),
        (["--top", "2", "--events"], "--top: this is about predictions"),
        (["--top", "2", "--output", "x.selections.txt"], "--top: this is about predictions"),
    ],
)
def test_where_there_is_no_top(model_path, recordings, capsys, options, message):
    assert main(["--model", str(model_path), *recordings, *options]) == 2
    assert message in capsys.readouterr().err


def test_numbers_have_no_top(recordings, tmp_path, capsys):
    card = {"target": fit_target("regression", [1.0, 2.0]).to_dict(), "features": FEATURES}
    build_model({"blocks": [{"filters": 4}]}, num_features=12, num_outputs=1, card=card).save(tmp_path / "model.keras")
    assert main(["--model", str(tmp_path), *recordings, "--top", "2"]) == 2
    assert "--top is about classes, but the model predicts numbers" in capsys.readouterr().err


def test_json_lines(model_path, recordings, capsys):
    assert main(["--model", str(model_path), "--format", "jsonl", *recordings]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == recordings
    assert set(rows[0]) == {"id", "num_frames", "prediction", "p_en", "p_it"}


@pytest.mark.parametrize("strategy", ["packed", "bucketed", "padded", "single"])
def test_the_format_follows_the_name_of_the_output(model_path, recordings, tmp_path, capsys, strategy):
    for name in ("out.csv", "new/out.jsonl", "out.tsv"):
        output = str(tmp_path / name)
        assert main(["--model", str(model_path), *recordings, "--output", output, "--strategy", strategy]) == 0
    csv = pd.read_csv(tmp_path / "out.csv")
    lines = pd.read_json(tmp_path / "new" / "out.jsonl", lines=True)
    pd.testing.assert_frame_equal(csv, lines)
    pd.testing.assert_frame_equal(csv, pd.read_csv(tmp_path / "out.tsv", sep="\t"))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "wrote 3 predictions" in printed.err


def test_a_name_of_another_format_is_refused_before_anything_is_read(tmp_path, capsys):
    for options in ([], ["--events"]):
        output = tmp_path / "out.xlsx"
        assert main(["--model", "not-there.keras", "not-there.wav", "--output", str(output), *options]) == 2
        assert "tables are written as .csv, .tsv or .jsonl, not as .xlsx" in capsys.readouterr().err
        assert not output.exists()


def test_a_stock_model_takes_labels_and_features_from_flags(recordings, tmp_path, capsys):
    layers = [keras.Input((None, 12)), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2, "softmax")]
    keras.Sequential(layers, name="mine").save(tmp_path / "stock.keras")
    settings = [f"--set=features.{name}={value}" for name, value in FEATURES.items()]
    assert main(["--model", str(tmp_path / "stock.keras"), "--labels", "en,it", *settings, *recordings]) == 0
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
    np.testing.assert_allclose(frame["p_en"] + frame["p_it"], 1, rtol=1e-6)


def test_unreadable_recordings_end_with_a_message_and_exit_code_2(model_path, tmp_path, capsys):
    (tmp_path / "bad.wav").write_text("no sound")
    assert main(["--model", str(model_path), str(tmp_path), str(tmp_path / "gone.wav")]) == 2
    error = capsys.readouterr().err
    assert "2 recordings of 2 cannot be read" in error
    assert "bad.wav" in error
    assert "gone.wav" in error
    assert "Traceback" not in error


def test_labels_for_a_model_that_has_its_own_are_refused(model_path, recordings, capsys):
    assert main(["--model", str(model_path), "--labels", "a,b", *recordings]) == 2
    assert "--labels: the model carries its own labels" in capsys.readouterr().err


def test_a_missing_model_names_its_path(tmp_path, capsys):
    assert main(["--model", str(tmp_path / "none.keras"), "x.wav"]) == 2
    assert "no model file at" in capsys.readouterr().err
