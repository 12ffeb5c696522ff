"""The data in `data/`: what the issue and data/README.md promise of it."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.data.manifest import check_labels, load_manifest, make_splits
from seqconv.features.ts import read_ts

DATA = Path(__file__).parents[2] / "data"
LANGUAGES = ["en", "es", "fr", "it", "ru"]


@pytest.fixture(scope="module")
def prompts() -> pd.DataFrame:
    return load_manifest(DATA / "prompts" / "manifest.csv", label="label")


def test_prompts_have_at_least_300_recordings_of_each_language(prompts):
    counts = prompts["label"].value_counts()
    assert sorted(counts.index) == LANGUAGES
    assert counts.min() >= 300


def test_half_of_the_prompts_are_short_and_several_are_long(prompts):
    seconds = prompts["seconds"].astype(float)
    assert (seconds < 1.4).mean() >= 0.5
    assert (seconds > 30).sum() >= 5
    assert seconds.min() >= 0.2
    assert seconds.max() > 80


def test_prompts_stay_below_15_megabytes(prompts):
    assert sum(path.stat().st_size for path in (DATA / "prompts").rglob("*") if path.is_file()) <= 15_000_000
    on_disk = {str(path) for path in (DATA / "prompts").rglob("*.ogg")}
    assert set(prompts["path"]) == on_disk


def test_prompts_leave_silence_out(prompts):
    assert not prompts["id"].str.contains("silence/").any()


def test_a_prompt_lies_in_one_split_in_every_language(prompts):
    assert prompts.groupby("group")["split"].nunique().max() == 1
    assert (prompts["id"] == prompts["label"] + "/" + prompts["group"]).all()
    shares = prompts["split"].value_counts(normalize=True)
    assert shares[["train", "valid", "test"]].to_numpy() == pytest.approx([0.7, 0.1, 0.2], abs=0.02)


def test_every_prompt_decodes_to_its_declared_length(prompts):
    for row in prompts.iloc[::25].itertuples():
        samples, sample_rate = soundfile.read(row.path)
        assert sample_rate == 8000
        assert samples.ndim == 1
        assert len(samples) / sample_rate == pytest.approx(float(row.seconds), abs=1e-6)
        assert np.abs(samples).max() > 0.01


def test_events_of_the_prompts_lie_within_them_and_have_their_language(prompts):
    events = pd.read_csv(DATA / "prompts" / "speech.csv")
    assert len(events) == 2287
    known = prompts.set_index("id")
    assert set(events["id"]) == set(known.index)
    assert (events["label"] == known.loc[events["id"], "label"].to_numpy()).all()
    assert (events["end"] <= known.loc[events["id"], "seconds"].astype(float).to_numpy() + 0.01).all()
    assert (events["end"] - events["start"]).min() >= 0.05
    gaps = events.groupby("id")["start"].shift(-1) - events["end"]
    assert gaps.min() >= 0.145
    assert (events["end"] - events["start"]).sum() / 60 == pytest.approx(67.9, abs=0.05)


def test_events_are_made_again_as_they_are(prompts, tmp_path):
    rows = prompts.iloc[::300]
    rows.to_csv(tmp_path / "some.csv", index=False)
    script = runpy.run_path(str(DATA.parent / "scripts" / "make_speech_events.py"))
    assert script["main"](["--manifest", str(tmp_path / "some.csv"), "--output", str(tmp_path / "speech.csv")]) == 0
    made = pd.read_csv(tmp_path / "speech.csv")
    shipped = pd.read_csv(DATA / "prompts" / "speech.csv")
    shipped = shipped[shipped["id"].isin(rows["id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        made.sort_values(["id", "start"], ignore_index=True),
        shipped.sort_values(["id", "start"], ignore_index=True),
        atol=0.011,
    )


def test_the_licence_names_the_speakers():
    licence = (DATA / "prompts" / "LICENSE").read_text(encoding="utf-8")
    for text in ("Allison Smith", "June Wallack", "Carlo Flora", "Maxim Topal", "CC-BY-SA-3.0", "CC-BY-3.0"):
        assert text in licence


@pytest.mark.parametrize(
    ("name", "num_cases", "shortest", "longest"),
    [("JapaneseVowels_TRAIN.ts", 270, 7, 26), ("JapaneseVowels_TEST.ts", 370, 7, 29)],
)
def test_japanese_vowels_are_complete(name, num_cases, shortest, longest):
    sequences, labels, header = read_ts(DATA / "japanese_vowels" / name)
    assert len(sequences) == len(labels) == num_cases
    assert {sequence.shape[1] for sequence in sequences} == {12}
    assert (min(map(len, sequences)), max(map(len, sequences))) == (shortest, longest)
    assert sorted(set(labels)) == list("123456789")
    assert header["problemname"] == "JapaneseVowels"


@pytest.mark.parametrize(("name", "shortest", "longest"), [("TRAIN", 29, 361), ("TEST", 37, 324)])
def test_pickup_gestures_are_complete(name, shortest, longest):
    sequences, labels, header = read_ts(DATA / "pickup_gesture" / f"PickupGestureWiimoteZ_{name}.ts")
    assert len(sequences) == 50
    assert {sequence.shape[1] for sequence in sequences} == {1}
    assert (min(map(len, sequences)), max(map(len, sequences))) == (shortest, longest)
    assert {label: labels.count(label) for label in labels} == dict.fromkeys(map(str, range(1, 11)), 5)
    assert header["problemname"] == "PickupGestureWiimoteZ"


def test_japanese_vowels_keep_the_official_test_split_and_cut_valid_from_train():
    folder = DATA / "japanese_vowels"
    frame = load_manifest({"train": folder / "JapaneseVowels_TRAIN.ts", "test": folder / "JapaneseVowels_TEST.ts"})
    made = make_splits(frame)
    check_labels(made)
    assert made["split"].value_counts().to_dict() == {"test": 370, "train": 236, "valid": 34}
    assert set(made.loc[made["split"] != "test", "id"].str.split("/").str[0]) == {"train"}
    assert made[made["split"] == "valid"]["label"].nunique() == 9
