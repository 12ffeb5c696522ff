"""scripts/make_prompts.py on a small corpus of real prompts, laid out as Debian's packages unpack."""

import importlib.util
import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.data.manifest import load_manifest
from seqconv.features import extract_features

ROOT = Path(__file__).parents[2]
VOICES = {"en": "en_US_f_A", "es": "es_MX_f_A", "fr": "fr_CA_f_J", "it": "it_IT_m_C", "ru": "ru_RU_f_I"}


@pytest.fixture(scope="module")
def make_prompts():
    sys.path.insert(0, str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location("make_prompts", ROOT / "scripts" / "make_prompts.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_prompts"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_prompts"]
    sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Real prompts as WAV; Russian lacks frames in one, and every language has silence and a beep."""
    folder = tmp_path_factory.mktemp("source")
    for language, voice in VOICES.items():
        sounds = folder / "usr/share/asterisk/sounds" / voice
        for name in ("digits/1", "letters/b", "agent-user", "conf-muted"):
            samples, rate = soundfile.read(ROOT / "data/prompts" / language / f"{name}.ogg", dtype="int16")
            _write_wav(sounds / f"{name}.wav", samples, rate)
        _write_wav(sounds / "silence/1.wav", np.zeros(8000, "int16"), 8000)
        _write_wav(sounds / "beep.wav", np.ones(800, "int16"), 8000)
        _write_wav(sounds / "is.wav", np.ones(0 if language == "ru" else 800, "int16"), 8000)
    notice = folder / "usr/share/doc/asterisk-core-sounds-en-wav/copyright"
    notice.parent.mkdir(parents=True)
    notice.write_text("Copyright: 2003-2010, Allison Smith\n", encoding="utf-8")
    return folder


def _write_wav(path, samples, sample_rate):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, sample_rate)


def _build(make_prompts, source, output, *options):
    return make_prompts.main(["--source", str(source), "--output", str(output), *options])


def test_the_subset_has_spoken_prompts_of_all_languages(make_prompts, source, tmp_path, capsys):
    assert _build(make_prompts, source, tmp_path / "out") == 0
    assert "left out: 'ru/is' (is.wav) holds no frames" in capsys.readouterr().out
    frame = load_manifest(tmp_path / "out/manifest.csv", label="label")
    names = ["digits/1", "letters/b", "agent-user", "conf-muted", "is"]
    expected = {f"{language}/{name}" for language in VOICES for name in names} - {"ru/is"}
    assert set(frame["id"]) == expected
    assert frame.groupby("group")["split"].nunique().max() == 1
    for row in frame.itertuples():
        assert soundfile.info(row.path).duration == pytest.approx(float(row.seconds), abs=1e-6)
    assert "Allison Smith" in (tmp_path / "out/LICENSE").read_text(encoding="utf-8")


def test_all_keeps_the_whole_corpus_without_loss(make_prompts, source, tmp_path):
    assert _build(make_prompts, source, tmp_path / "out", "--all") == 0
    frame = load_manifest(tmp_path / "out/manifest.csv").set_index("id")
    assert len(frame) == 5 * 6 - 1
    assert set(frame.index[frame["spoken"] == "no"]) == {f"{language}/beep" for language in VOICES}
    original = source / "usr/share/asterisk/sounds" / VOICES["it"] / "letters/b.wav"
    np.testing.assert_array_equal(
        soundfile.read(frame.loc["it/letters/b", "path"], dtype="int16")[0], soundfile.read(original, dtype="int16")[0]
    )


def test_the_same_source_gives_the_same_bytes(make_prompts, source, tmp_path):
    for name in ("one", "two"):
        _build(make_prompts, source, tmp_path / name)
    first, second = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two")
    )
    assert first == second
    assert len(first) == 25


def test_the_committed_splits_are_those_of_the_script(make_prompts):
    frame = load_manifest(ROOT / "data/prompts/manifest.csv")
    assert frame["split"].tolist() == [make_prompts.choose_split(group) for group in frame["group"]]


def test_the_subset_stops_at_its_size_with_whole_groups(make_prompts, source, tmp_path, monkeypatch):
    monkeypatch.setattr(make_prompts, "SUBSET_BYTES", 60_000)
    _build(make_prompts, source, tmp_path / "out")
    frame = load_manifest(tmp_path / "out/manifest.csv")
    assert set(frame.groupby("group").size()) == {5}
    assert set(frame["group"]) == {"digits/1", "letters/b"}, "short families come first"


def test_lengths_count_frames_as_features_do(make_prompts, source, tmp_path, capsys):
    assert make_prompts.main(["--source", str(source), "--lengths", str(tmp_path / "lengths.csv")]) == 0
    assert "left out: 'ru/is' (is.wav) holds no frames" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "lengths.csv", index_col="id")["num_frames"]
    assert len(table) == 5 * 6 - 1
    assert table.index.is_monotonic_increasing
    settings = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80}
    for name in ("it/letters/b", "en/conf-muted", "es/beep"):
        language, prompt = name.split("/", 1)
        samples, rate = soundfile.read(source / "usr/share/asterisk/sounds" / VOICES[language] / f"{prompt}.wav")
        assert table[name] == len(extract_features(samples, rate, settings))


def test_the_committed_lengths_are_those_of_the_whole_corpus():
    table = pd.read_csv(ROOT / "data/prompts/lengths.csv", index_col="id")["num_frames"]
    assert len(table) == 2780
    frame = load_manifest(ROOT / "data/prompts/manifest.csv").set_index("id")
    samples = (frame["seconds"].astype(float) * 8000).round().astype(int)
    assert (table[frame.index] == 1 + samples // 80).all()


def test_a_replaced_serial_leaves_the_sound(make_prompts):
    stream = (ROOT / "data/prompts/en/digits/1.ogg").read_bytes()
    other = make_prompts.fix_ogg_serial(stream, serial=7)
    assert other != stream
    assert make_prompts.fix_ogg_serial(other, serial=1) == stream
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(other))[0], soundfile.read(io.BytesIO(stream))[0])


def test_an_empty_source_names_packages_and_commands(make_prompts, tmp_path, capsys):
    assert _build(make_prompts, tmp_path / "nowhere", tmp_path / "out") == 2
    message = capsys.readouterr().err
    assert "apt-get download asterisk-core-sounds-en-wav asterisk-core-sounds-es-wav" in message
    assert "dpkg -x" in message
    assert list(tmp_path.iterdir()) == [], "nothing half-made is left behind"


def test_an_existing_output_is_not_touched(make_prompts, source, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    assert _build(make_prompts, source, tmp_path) == 2
    assert "exists already. Remove it, or name another folder with --output" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_composed_recordings_hold_the_prompts_where_the_table_says(make_prompts, tmp_path, capsys):
    command = ["--compose", "--minutes", "0.5", "--recordings", "6", "--output"]
    assert make_prompts.main([*command, str(tmp_path / "one")]) == 0
    assert "6 recordings of 0.5 minutes, " in capsys.readouterr().out
    assert make_prompts.main([*command, str(tmp_path / "two")]) == 0
    frame = load_manifest(tmp_path / "one/manifest.csv")
    assert frame["split"].tolist() == ["train"] * 4 + ["valid", "test"]
    events = pd.read_csv(tmp_path / "one/events.csv")
    assert len(events) > 20
    for path in ("manifest.csv", "events.csv", "train00.flac", "test00.flac"):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
    spoken = pauses = 0.0
    for name in frame["path"]:
        samples, rate = soundfile.read(name)
        assert (len(samples), rate) == (240_000, 8000)
        mine = events[events["path"] == name.rsplit("/", 1)[-1]]
        assert mine["start"].is_monotonic_increasing
        assert (mine["start"].to_numpy()[1:] >= mine["end"].to_numpy()[:-1] + 0.29).all(), "pauses part the events"
        assert mine["label"].nunique() <= 3
        inside = np.zeros(len(samples), bool)
        for start, end in zip(mine["start"], mine["end"], strict=True):
            inside[round(start * rate) : round(end * rate)] = True
        # Beside them lie the quiet ends of prompts.
        near = np.convolve(inside, np.ones(4001), "same") > 0
        spoken += float((samples[inside] ** 2).mean())
        pauses += float((samples[~near] ** 2).mean())
    assert spoken > 20 * pauses
    assert "CC-BY-SA" in (tmp_path / "one/LICENSE").read_text("utf-8")


def test_no_prompt_is_heard_twice_and_splits_stay_apart(make_prompts):
    module = sys.modules["prompts.composition"]
    pieces = module.read_pieces(ROOT / "data/prompts")
    split_of = {piece.id: split for split, listed in pieces.items() for piece in listed}
    plan = module.plan_recordings(pieces, 18, 600.0)
    used = [piece.id for recording in plan for piece in recording.pieces]
    assert len(used) == len(set(used)) > 1000
    assert all(split_of[piece.id] == recording.split for recording in plan for piece in recording.pieces)
    for number, recording in enumerate(plan):
        assert {piece.language for piece in recording.pieces} == set(module.languages_of(number))
        assert sum(piece.seconds for piece in recording.pieces) <= 0.45 * 600


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--recordings", "2"], "give at least 3"), (["--minutes", "0.005"], "too short for a prompt")],
)
def test_what_cannot_be_composed(make_prompts, tmp_path, capsys, options, message):
    assert make_prompts.main(["--compose", "--output", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
