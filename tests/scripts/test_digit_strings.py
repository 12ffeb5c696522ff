"""Strings of recorded digits: what is said is what the label says, and test says nothing that training has said."""

import csv

import numpy as np
import pytest
import soundfile
from support.composed import ROOT, compose_digits, prompts_module

from seqconv.data.manifest import load_manifest
from seqconv.errors import ManifestError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return compose_digits(tmp_path_factory.mktemp("digits"), num_strings=60)


def test_the_manifest_has_three_splits_and_five_languages(folder):
    frame = load_manifest(folder / "manifest.csv", task="tokens", separator="")
    assert frame["split"].value_counts().to_dict() == {"train": 45, "test": 9, "valid": 6}
    assert set(frame["language"]) == {"en", "es", "fr", "it", "ru"}
    assert frame["label"].str.fullmatch(r"\d{2,12}").all()
    assert frame["label"].is_unique
    assert frame["label"].str.startswith("0").any()
    for row in frame.itertuples():
        info = soundfile.info(row.path)
        assert info.samplerate == 8000
        assert info.frames == round(float(row.seconds) * 8000)
    assert (folder / "LICENSE").read_text(encoding="utf-8").startswith("Changes:  recordings of digits were joined")


def test_each_digit_is_heard_in_its_place():
    """The recording of each digit is found where it is most similar, one after the other."""
    module = prompts_module("digit_strings")
    voices, is_test = module.find_voices(ROOT / "data" / "prompts")
    voice = voices["it"]
    assert not is_test
    text = "3907"
    samples = module.join_digits(voice, text, np.random.default_rng(0))
    places = []
    for digit in text:
        sound, rate = soundfile.read(voice[digit].path, dtype="float32")
        spoken = sound[round(voice[digit].start * rate) : round(voice[digit].end * rate)]
        # Correlation with each place, by the loudness of both.
        likeness = np.correlate(samples, spoken, "valid")
        energy = np.convolve(samples**2, np.ones(len(spoken)), "valid")
        likeness = likeness / np.sqrt(np.maximum(energy, 1e-6) * (spoken**2).sum())
        places.append(int(likeness.argmax()))
        assert likeness.max() > 0.9, digit
    assert places == sorted(places)


def test_the_same_prompts_give_the_same_bytes(folder, tmp_path):
    again = compose_digits(tmp_path / "again", num_strings=60)
    assert (again / "manifest.csv").read_bytes() == (folder / "manifest.csv").read_bytes()
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        names = [row["path"] for row in csv.DictReader(file)]
    for name in names[::20]:
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_what_cannot_be_made_is_said(tmp_path):
    module = prompts_module("digit_strings")
    with pytest.raises(ManifestError, match="--strings 2 is too few for train, valid, test: give at least 3"):
        module.plan_strings(["en"], 2, module.SHARES)
    unseen = module.plan_strings(["fr", "it"], 20, module.TEST_ONLY)
    assert {(string.split, string.voice) for string in unseen} == {("test", "fr"), ("test", "it")}
    (tmp_path / "a.ogg").write_bytes((ROOT / "data/prompts/en/digits/1.ogg").read_bytes())
    header = "id,path,label,group,split,voice,seconds\n"
    (tmp_path / "manifest.csv").write_text(f"{header}en/digits/1,a.ogg,en,digits/1,train,x,0.9\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="has no language with the ten prompts digits/0 to digits/9"):
        module.find_voices(tmp_path)
