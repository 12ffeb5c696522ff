"""The data in `data/`: what the issue and data/README.md promise of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.manifest import check_labels, load_manifest, make_splits
from seqconv.ts import read_ts

DATA = Path(__file__).parents[1] / "data"
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


def test_japanese_vowels_keep_the_official_test_split_and_cut_valid_from_train():
    folder = DATA / "japanese_vowels"
    frame = load_manifest({"train": folder / "JapaneseVowels_TRAIN.ts", "test": folder / "JapaneseVowels_TEST.ts"})
    made = make_splits(frame)
    check_labels(made)
    assert made["split"].value_counts().to_dict() == {"test": 370, "train": 236, "valid": 34}
    assert set(made.loc[made["split"] != "test", "id"].str.split("/").str[0]) == {"train"}
    assert made[made["split"] == "valid"]["label"].nunique() == 9
