"""Running predictions: from files, from standard input, and on the command line."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.cli.commands.predict import main
from seqconv.errors import ConfigError
from seqconv.features import FeatureKind, as_settings, extract_features
from seqconv.features.audio.decoding import decode_audio
from seqconv.models import build_model
from seqconv.prediction import predict
from seqconv.prediction.streaming.live import LivePredictions, read_raw_samples
from seqconv.tasks.target import fit_target

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
LONG = max(PROMPTS.glob("en/*.ogg"), key=lambda path: soundfile.info(path).duration)
FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 12}
CAUSAL = {"defaults": {"padding": "causal"}, "blocks": [{"filters": 4, "kernel_size": 5}, {"filters": 4, "strides": 2}]}
SYMMETRIC = {"blocks": [{"filters": 4, "kernel_size": 5}, {"filters": 4, "kernel_size": 3, "strides": 2}]}
FRAMES = {**CAUSAL, "pooling": "frames"}


def make_model(config, features=FEATURES):
    keras.utils.set_random_seed(0)
    is_by_frame = config.get("pooling") == "frames"
    labels = ["en", "it"]
    target = fit_target("classification", [labels] if is_by_frame else labels, kind=("sequence", "frame")[is_by_frame])
    card = {"task": "classification", "target": target.to_dict(), "features": features}
    model = build_model(config, num_features=12, num_outputs=2, card=card)
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.3 * np.abs(rng.normal(size=w.shape)) for w in model.get_weights()])
    return model, target


@pytest.fixture(scope="module")
def made():
    return {name: make_model(globals()[name]) for name in ("CAUSAL", "SYMMETRIC", "FRAMES")}


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    """12.3 s of a real recording."""
    path = tmp_path_factory.mktemp("sound") / "part.wav"
    samples, rate = decode_audio(LONG, start=1.0, end=13.3)
    soundfile.write(path, samples, rate)
    return path


def play(model, target, path, every, features=FEATURES):
    return list(LivePredictions(model, target, as_settings(features), every).play(path))


def test_a_causal_model_says_at_each_second_what_it_says_of_the_first_seconds(made, part):
    model, target = made["CAUSAL"]
    tables = play(model, target, part, every=2.5)
    features = extract_features(*decode_audio(part), FEATURES)
    assert [table["time"].item() for table in tables] == [2.5, 5.0, 7.5, 10.0, 12.31]
    for table, num_frames in zip(tables, (250, 500, 750, 1000, len(features)), strict=True):
        expected = predict(model, features[:num_frames])
        assert table["prediction"].tolist() == expected["prediction"].tolist()
        np.testing.assert_allclose(table[["p_en", "p_it"]], expected[["p_en", "p_it"]], atol=1e-5)


def test_the_last_answer_is_that_of_the_whole(made, part):
    model, target = made["SYMMETRIC"]
    live = LivePredictions(model, target, as_settings(FEATURES), every=3.0)
    assert (live.delay_frames, live.delay, live.feature_delay) == (3, 0.03, 0.016)
    tables = list(live.play(part, "name"))
    assert all(table["id"].item() == "name" for table in tables)
    expected = predict(model, part)
    np.testing.assert_allclose(tables[-1][["p_en", "p_it"]], expected[["p_en", "p_it"]], atol=1e-5)


def test_frames_are_told_once_and_are_those_of_the_whole(made, part):
    model, target = made["FRAMES"]
    tables = play(model, target, part, every=1.0)
    assert len(tables) == 13
    table, expected = pd.concat(tables, ignore_index=True), predict(model, part)
    assert table.columns.tolist() == expected.columns.tolist()
    columns = ["frame", "time", "p_en", "p_it"]
    np.testing.assert_allclose(table[columns], expected[columns], atol=1e-5)


def test_sound_in_blocks_gives_the_answers_of_its_file(made, part):
    model, target = made["SYMMETRIC"]
    samples, _ = decode_audio(part)
    raw = io.BytesIO(np.round(samples * 32768).astype("<i2").tobytes())
    live = LivePredictions(model, target, as_settings(FEATURES), every=2.0)
    heard = pd.concat(live.listen(read_raw_samples(raw, 8000), "-"), ignore_index=True)
    played = pd.concat(live.play(part, "-"), ignore_index=True)
    pd.testing.assert_frame_equal(heard, played, atol=1e-4)


def test_answers_come_before_the_sound_ends(made, part):
    model, target = made["CAUSAL"]
    samples, _ = decode_audio(part)
    given = []

    def blocks():
        for first in range(0, len(samples), 400):
            given.append(first)
            yield samples[first : first + 400]

    live = LivePredictions(model, target, as_settings(FEATURES), every=2.0)
    next(iter(live.listen(blocks(), "-")))
    # 2 s, the window, and at most a tenth of a second until somebody looks.
    assert 16000 <= len(given) * 400 <= 16000 + 128 + 800 + 400


def test_odd_bytes_wait_for_their_other_half():
    class Pipe:
        def __init__(self):
            self.parts = [b"\x00", b"\x40\x00", b"\x80\x01", b""]

        def read1(self, _):
            return self.parts.pop(0)

    blocks = [block.tolist() for block in read_raw_samples(Pipe(), 8000)]
    assert blocks == [[0.5], [-1.0]]


def test_what_needs_the_whole_is_refused(made):
    model, target = made["CAUSAL"]
    for features, every, message in (
        ({**FEATURES, "normalize": "recording"}, 1, "mean is known only at the end"),
        ({"kind": "precomputed"}, 1, "precomputed without one. Train with features.frame_rate"),
        (FEATURES, 0.001, r"an answer every 0\.001 s cannot be: a frame takes 0\.01 s"),
    ):
        with pytest.raises(ConfigError, match=message):
            LivePredictions(model, target, as_settings(features), every)
    squeezed, target = make_model({"blocks": [{"filters": 4}, {"type": "squeeze_excite"}]})
    with pytest.raises(ConfigError, match=r"cannot answer while a recording comes in: 'block1.*' look at statistics"):
        LivePredictions(squeezed, target, FeatureKind(), 1)


@pytest.fixture(scope="module")
def model_path(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "model.keras"
    made["SYMMETRIC"][0].save(path)
    return str(path)


def test_the_command_prints_answers_and_the_delay(model_path, part, capsys):
    assert main(["--model", model_path, str(part), "--stream", "5"]) == 0
    printed = capsys.readouterr()
    table = pd.read_csv(io.StringIO(printed.out))
    assert table["time"].tolist() == [5.0, 10.0, 12.31]
    assert "delay: 3 frames (0.03 s) that the model looks ahead, and 0.016 s until the window" in printed.err


def test_the_command_listens_to_standard_input(model_path, part, capsys, monkeypatch):
    samples, _ = decode_audio(part)
    raw = io.BytesIO((samples * 32767).astype("<i2").tobytes())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=raw))
    assert main(["--model", model_path, "--stream", "5", "-", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["id"], row["time"]) for row in rows] == [("-", 5.0), ("-", 10.0), ("-", 12.31)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stream", "--strategy", "packed"], "--strategy: there are no batches"),
        (["--stream", "--chunk-frames", "9"], "--chunk-frames: there are no batches and no chunks with --stream"),
        (["--stream", "0"], "an answer every 0 s cannot be"),
    ],
)
def test_options_that_mean_nothing_in_a_stream_are_refused(model_path, part, capsys, options, message):
    assert main(["--model", model_path, str(part), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_file_taken_for_seconds_is_explained(model_path, part, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["--model", model_path, "--stream", str(part)])
    assert "is no number of seconds. Write --stream 1 before it" in capsys.readouterr().err
