"""Long recordings are predicted from their files in chunks: the same table, in order, in bounded memory."""

import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.data.sequences import Sequences
from seqconv.errors import AudioError, ConfigError, ManifestError
from seqconv.evaluation import evaluate
from seqconv.models import build_model
from seqconv.prediction.dispatch import predict, predict_tables
from seqconv.prediction.streaming import whole
from seqconv.tasks.target import fit_target

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
FEATURES = {"kind": "mfcc", "n_mfcc": 8, "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "delta": 1, "n_mels": 16}
# Two are over 30 s, with short ones around them.
LENGTHS = {path: soundfile.info(path).duration for path in (PROMPTS / "en").glob("*.ogg")}
LONGEST = sorted(LENGTHS, key=LENGTHS.__getitem__)[-2:]
SHORT = sorted(path for path, seconds in LENGTHS.items() if seconds < 2)[:4]
RECORDINGS = [SHORT[0], LONGEST[0], SHORT[1], SHORT[2], LONGEST[1], SHORT[3]]


def make_model(blocks, num_features=16, features=FEATURES, labels=("en", "fr", "it"), pooling="mean"):
    keras.utils.set_random_seed(0)
    is_by_frame = pooling == "frames"
    target = fit_target("classification", [list(labels)] if is_by_frame else list(labels), kind=KINDS[is_by_frame])
    card = {"task": "classification", "target": target.to_dict(), "features": features}
    config = {"blocks": blocks, "pooling": pooling}
    return build_model(config, num_features=num_features, num_outputs=target.num_outputs, card=card)


KINDS = ("sequence", "frame")
CONVOLUTIONS = [{"filters": 6, "kernel_size": 5}, {"filters": 6, "strides": 2}]


@pytest.fixture(scope="module")
def model():
    return make_model([*CONVOLUTIONS, {"type": "squeeze_excite"}])


@pytest.fixture(scope="module")
def frame_model():
    return make_model(CONVOLUTIONS, pooling="frames")


@pytest.fixture(scope="module")
def lstm():
    return make_model([*CONVOLUTIONS, {"type": "lstm", "units": 3}])


def assert_same_table(table, expected):
    pd.testing.assert_frame_equal(table, expected, rtol=1e-4, atol=1e-5)


def test_recordings_in_chunks_give_the_table_of_the_whole(model):
    assert all(LENGTHS[path] > 30 for path in LONGEST)
    expected = predict(model, RECORDINGS, strategy="packed")
    for chunk_frames in (401, 2000):
        tables = list(predict_tables(model, RECORDINGS, chunk_frames=chunk_frames))
        assert [len(table) for table in tables] == [1, 1, 2, 1, 1]
        assert_same_table(pd.concat(tables, ignore_index=True), expected)


def test_frames_in_chunks_give_the_table_of_the_whole(frame_model):
    expected = predict(frame_model, RECORDINGS, strategy="packed")
    tables = list(predict_tables(frame_model, RECORDINGS, chunk_frames=500))
    assert max(len(table) for table in tables) <= 250
    table = pd.concat(tables, ignore_index=True)
    assert list(table.columns) == ["id", "frame", "time", "prediction", "p_en", "p_fr", "p_it"]
    assert_same_table(table.drop(columns="prediction"), expected.drop(columns="prediction"))


def test_long_files_of_features_run_in_chunks(tmp_path, rng):
    model = make_model(CONVOLUTIONS, num_features=2, features={"kind": "precomputed"})
    for name, num_frames in (("a", 700), ("b", 30), ("c", 90)):
        np.save(tmp_path / f"{name}.npy", rng.standard_normal((num_frames, 2)))
    expected = predict(model, str(tmp_path), strategy="packed")
    assert expected["num_frames"].tolist() == [700, 30, 90]
    assert_same_table(predict(model, str(tmp_path), chunk_frames=64), expected)


@pytest.mark.parametrize("name", ["model", "frame_model"])
def test_long_arrays_run_in_chunks_too(request, rng, name):
    model = request.getfixturevalue(name)
    arrays = [rng.standard_normal((n, 16)).astype(np.float32) for n in (30, 700, 64, 65)]
    expected = predict(model, arrays, strategy="packed")
    table = predict(model, arrays, chunk_frames=64)
    probabilities = ["p_en", "p_fr", "p_it"]
    assert_same_table(table[probabilities], expected[probabilities])
    assert table["id"].tolist() == expected["id"].tolist()


def test_by_itself_what_is_long_for_the_model_runs_in_chunks(model, rng, monkeypatch):
    data = Sequences([rng.standard_normal((n, 16)) for n in (30, 900, 50)], ["en", "fr", "it"])
    expected = evaluate(model, data, strategy="packed")
    run = []
    monkeypatch.setattr("seqconv.prediction.streaming.whole._BUDGET_BYTES", 4 * 6 * 16 * 200)
    forward_long = whole.forward_long
    monkeypatch.setattr(
        "seqconv.prediction.streaming.whole.forward_long",
        lambda *args: run.append(list(args[1].ids)) or forward_long(*args),
    )
    evaluation = evaluate(model, data)
    assert run == [["1"]]
    np.testing.assert_allclose(evaluation.metrics["loss"], expected.metrics["loss"], rtol=1e-4)
    evaluate(model, data, strategy="padded")
    assert run == [["1"]]


def test_a_model_that_needs_all_at_once_says_so_and_runs_whole(lstm, monkeypatch):
    expected = predict(lstm, RECORDINGS[:3], strategy="bucketed")
    monkeypatch.setattr("seqconv.prediction.streaming.whole._BUDGET_BYTES", 4 * 6 * 16 * 1000)
    with pytest.warns(UserWarning, match=rf"{LONGEST[0].name}': run whole.*'block2_lstm.*' need all of a sequence"):
        assert_same_table(predict(lstm, RECORDINGS[:3]), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predict(lstm, SHORT)
    with pytest.raises(ConfigError, match="cannot run over a sequence in chunks: 'block2_lstm"):
        predict(lstm, RECORDINGS, chunk_frames=1000)


def test_chunks_that_cannot_be_are_refused(model):
    with pytest.raises(ConfigError, match="chunk_frames=1 is less than the total stride of the model, 2 frames"):
        predict(model, RECORDINGS, chunk_frames=1)
    stock = keras.Sequential([keras.Input((None, 16)), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(3)])
    target = fit_target("classification", ["en", "fr", "it"])
    with pytest.raises(ConfigError, match="is a stock Keras model, which takes a sequence whole"):
        predict(stock, RECORDINGS, target=target, features=FEATURES, chunk_frames=100)


def test_what_is_wrong_with_a_long_file_names_it(model, tmp_path):
    broken = np.zeros(80000)
    broken[70000] = np.nan
    soundfile.write(tmp_path / "broken.wav", broken, 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"broken\.wav: 1 of 80000 samples are NaN"):
        predict(model, tmp_path / "broken.wav", chunk_frames=100)
    precise = make_model([{"filters": 4, "kernel_size": 9, "padding": "valid"}])
    soundfile.write(tmp_path / "short.wav", np.zeros(400), 8000)
    with pytest.raises(ManifestError, match=r"short\.wav': the sequence has 6 frames, but the model needs at least 9"):
        predict(precise, tmp_path / "short.wav", chunk_frames=2)
