from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.data.sequences import Sequences
from seqconv.errors import AudioError, ConfigError, ManifestError, ModelError, ShapeError
from seqconv.evaluation import evaluate
from seqconv.features import extract_features
from seqconv.features.audio.decoding import decode_audio
from seqconv.models import build_model
from seqconv.prediction import predict
from seqconv.tasks.target import fit_target

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 16}


def make_model(target, num_features, features):
    keras.utils.set_random_seed(0)
    card = {"task": target.task, "target": target.to_dict(), "features": features}
    config = {"blocks": [{"filters": 6, "kernel_size": 5}], "pooling": ["mean", "max"]}
    return build_model(config, num_features=num_features, num_outputs=target.num_outputs, card=card)


@pytest.fixture(scope="module")
def speech():
    return make_model(fit_target("classification", ["en", "fr", "it"]), 16, FEATURES)


@pytest.fixture(scope="module")
def arrays_model():
    return make_model(fit_target("classification", ["off", "on"]), 2, {"kind": "precomputed"})


@pytest.fixture(scope="module")
def recordings():
    return sorted((PROMPTS / "fr").glob("*.ogg"))[:6]


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 2)).astype(np.float32) for n in (40, 3, 17, 9)]


def test_recordings_get_the_answer_of_their_features_alone(speech, recordings):
    frame = predict(speech, recordings)
    assert list(frame.columns) == ["id", "num_frames", "prediction", "p_en", "p_fr", "p_it"]
    assert frame["id"].tolist() == [str(path) for path in recordings]
    for path, (_, row) in zip(recordings, frame.iterrows(), strict=True):
        features = extract_features(*decode_audio(path), FEATURES)
        logits = np.asarray(speech(features[None]), np.float64)[0]
        shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        np.testing.assert_allclose([row["p_en"], row["p_fr"], row["p_it"]], shares, rtol=1e-4, atol=1e-6)
        assert row["num_frames"] == len(features)
        assert row["prediction"] == ["en", "fr", "it"][shares.argmax()]


@pytest.mark.parametrize("strategy", ["packed", "bucketed", "padded", "single"])
def test_the_strategy_changes_nothing(speech, recordings, strategy):
    pd.testing.assert_frame_equal(
        predict(speech, recordings, strategy=strategy, batch_size=2), predict(speech, recordings), rtol=1e-4, atol=1e-6
    )


def test_a_path_and_a_saved_model_are_enough(speech, recordings, tmp_path):
    speech.save(tmp_path / "model.keras")
    again = predict(str(tmp_path / "model.keras"), str(recordings[0]))
    pd.testing.assert_frame_equal(again, predict(speech, recordings[:1]))


def test_a_folder_is_all_recordings_below_it_sorted(speech, tmp_path):
    tone = np.sin(np.arange(4000) / 5)
    for name in ("b.wav", "deep/a.flac", "deep/er/C.WAV", ".hidden/d.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, tone, 8000)
    (tmp_path / "notes.txt").write_text("no recording")
    ids = predict(speech, tmp_path)["id"].tolist()
    assert ids == [str(tmp_path / name) for name in ("b.wav", "deep/a.flac", "deep/er/C.WAV")]


def test_all_unreadable_recordings_are_named_at_once(speech, recordings, tmp_path):
    (tmp_path / "text.wav").write_text("not a recording")
    with pytest.raises(AudioError, match=r"(?s)2 recordings of 2 cannot be read:.*text\.wav.*gone\.wav"):
        predict(speech, [tmp_path / "text.wav", tmp_path / "gone.wav"])


def test_a_folder_without_recordings_says_what_it_looked_for(speech, tmp_path):
    with pytest.raises(AudioError, match=r"holds no file to predict \(\.wav, \.flac"):
        predict(speech, tmp_path)


@pytest.mark.parametrize("wrap", [list, tuple, Sequences])
def test_arrays_in_memory(arrays_model, arrays, wrap):
    frame = predict(arrays_model, wrap(arrays))
    assert frame["id"].tolist() == ["0", "1", "2", "3"]
    assert frame["num_frames"].tolist() == [40, 3, 17, 9]
    np.testing.assert_allclose(frame["p_off"] + frame["p_on"], 1)


def test_one_array_is_one_sequence_and_a_stack_is_several(arrays_model, arrays):
    alone = predict(arrays_model, arrays[0])
    assert len(alone) == 1
    stacked = predict(arrays_model, np.stack([arrays[0], arrays[0]]))
    np.testing.assert_allclose(stacked["p_on"], [alone["p_on"][0]] * 2, rtol=1e-5)


def test_predictions_are_those_of_evaluate(arrays_model, arrays):
    data = Sequences(arrays, ["on", "off", "on", "on"], ids=list("abcd"))
    evaluated = evaluate(arrays_model, data, bootstrap=0).predictions
    frame = predict(arrays_model, data)
    pd.testing.assert_frame_equal(frame, evaluated[list(frame.columns)])


def test_files_of_precomputed_features(arrays_model, arrays, tmp_path):
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number}.npy", array)
    pd.testing.assert_frame_equal(
        predict(arrays_model, tmp_path).drop(columns="id"), predict(arrays_model, arrays).drop(columns="id")
    )


def test_a_ts_file_is_many_sequences(tmp_path):
    path = Path(__file__).parents[2] / "data" / "japanese_vowels" / "JapaneseVowels_TEST.ts"
    model = make_model(fit_target("classification", [str(i) for i in range(1, 10)]), 12, {"kind": "precomputed"})
    frame = predict(model, path)
    assert len(frame) == 370
    assert frame["id"][1] == f"{path}/1"
    pd.testing.assert_frame_equal(
        frame.drop(columns="id"), predict(model, Sequences.from_ts(path)).drop(columns="id"), rtol=1e-5
    )


def test_recordings_for_a_model_of_precomputed_features(arrays_model, recordings):
    with pytest.raises(ConfigError, match=r"features that were computed elsewhere, but '.*ogg'.* are recordings"):
        predict(arrays_model, recordings)


def test_another_number_of_features_names_both(speech, arrays):
    with pytest.raises(ShapeError, match=r"have 2 features in a frame .* trained on 16"):
        predict(speech, arrays)


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 2, 2))])
def test_nothing_to_predict(arrays_model, nothing):
    with pytest.raises(ManifestError, match="nothing to predict"):
        predict(arrays_model, nothing)


def test_a_missing_model_names_its_path(tmp_path):
    with pytest.raises(ModelError, match=r"no model file at .*none\.keras"):
        predict(tmp_path / "none.keras", [np.zeros((3, 2))])


def test_multilabel_joins_the_labels_given(arrays):
    target = fit_target("multilabel", ["a;b", "b"])
    model = make_model(target, 2, {"kind": "precomputed"})
    model.card = replace(model.card, thresholds=0.0)
    assert predict(model, arrays)["prediction"].tolist() == ["a;b"] * 4


def test_regression_answers_in_original_units(arrays):
    target = fit_target("regression", [[1000.0, 1.0], [3000.0, 5.0]], labels=["pitch", "size"])
    model = make_model(target, 2, {"kind": "precomputed"})
    frame = predict(model, arrays)
    assert list(frame.columns) == ["id", "num_frames", "prediction_pitch", "prediction_size"]
    alone = target.unstandardize(np.concatenate([np.asarray(model(array[None])) for array in arrays]))
    np.testing.assert_allclose(frame[["prediction_pitch", "prediction_size"]], alone, rtol=1e-4)


def test_a_stock_model_takes_features_and_target_from_the_caller(recordings):
    layers = [keras.Input((None, 16)), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2, "softmax")]
    stock = keras.Sequential(layers, name="mine")
    target = fit_target("classification", ["en", "fr"])
    frame = predict(stock, recordings, features=FEATURES, target=target)
    np.testing.assert_allclose(frame["p_en"] + frame["p_fr"], 1, rtol=1e-6)
    with pytest.raises(ConfigError, match="'mine' does not say how to compute features"):
        predict(stock, recordings, target=target)
    with pytest.raises(ConfigError, match="'mine' does not say what its outputs mean"):
        predict(stock, recordings, features=FEATURES)
