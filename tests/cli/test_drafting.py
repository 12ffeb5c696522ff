"""A first config: it says what is there, trains as it is, and overwrites nothing."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.cli.commands.init import main
from seqconv.cli.drafting import draft_config
from seqconv.config import load_config
from seqconv.data.manifest import load_manifest
from seqconv.errors import AudioError, ManifestError
from seqconv.training import train

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data"
SHORT = ["training.epochs=1", "training.warmup_epochs=0", "evaluation.report=false", "evaluation.bootstrap=0"]


def prompts(folder, count=8, languages=("en", "it", "ru")):
    """A folder with one sub-folder a class, of real recordings."""
    table = load_manifest(DATA / "prompts" / "manifest.csv")
    for language in languages:
        (folder / language).mkdir(parents=True)
        short = table[(table["label"] == language) & (table["seconds"].astype(float) < 1.2)]
        for path in short["path"].iloc[:count]:
            shutil.copy(path, folder / language)
    return folder


def trains(path, *overrides):
    """Train what was written, unchanged but for its length."""
    return train(load_config(path, [*SHORT, *overrides]), path.parent / "run")


def unwrapped(text):
    """Comments without their line ends."""
    return " ".join(text.replace("#", "").split())


def written(path):
    return Path(path).read_text(encoding="utf-8")


def test_a_folder_of_recordings(tmp_path, monkeypatch, capsys):
    prompts(tmp_path / "words", count=12)
    monkeypatch.chdir(tmp_path)
    assert main(["words"]) == 0
    text = written("words.yaml")
    assert "36 sequences: a sub-folder of 'words' for each class" in text
    assert "3 classes: en (12), it (12), ru (12)" in text
    assert "recordings: 36 at 8,000 Hz" in text
    assert "nothing says which sequences belong together" in unwrapped(text)
    config = load_config("words.yaml")
    assert config.data.manifest == str(tmp_path / "words")
    assert (config.features.sample_rate, config.features.hop_length, config.features.n_fft) == (8000, 80, 256)
    run = trains(tmp_path / "words.yaml")
    assert run.model.num_outputs == 3
    assert "seqconv train --config words.yaml" in capsys.readouterr().out


def test_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "own.yaml").write_text("seed: 5\n")
    assert main([str(DATA / "japanese_vowels"), "--output", str(tmp_path / "own.yaml")]) == 2
    assert written(tmp_path / "own.yaml") == "seed: 5\n"
    assert "exists, and is not overwritten. Choose another file with --output" in capsys.readouterr().err


def test_files_of_the_time_series_archive(tmp_path):
    assert main([str(DATA / "japanese_vowels"), "--output", str(tmp_path / "vowels.yaml")]) == 0
    config = load_config(tmp_path / "vowels.yaml")
    assert set(config.data.manifest) == {"train", "test"}
    assert config.features.kind == "precomputed"
    text = written(tmp_path / "vowels.yaml")
    assert "7 to 29 frames of 12 features, median 15" in text
    assert "some as the manifest says, the others taken from its training rows by the run" in unwrapped(text)
    assert trains(tmp_path / "vowels.yaml").model.num_outputs == 9


def test_a_table_is_found_in_its_folder(tmp_path):
    draft = draft_config(DATA / "prompts", tmp_path / "p.yaml")
    assert draft.config.data.manifest == str(DATA / "prompts" / "manifest.csv")
    assert "1,790 sequences: 'manifest.csv'" in draft.found[0]
    assert "0.21 to 85.61 s" in draft.found[1]
    assert "train 1,265, valid 179, test 346; as the manifest says" in draft.found[3]
    assert "groups kept together" in draft.found[3]
    assert draft.config.training.class_weight is None
    assert list(tmp_path.iterdir()) == []


def test_the_column_that_was_asked_for_is_no_misspelled_other(tmp_path):
    prompts(tmp_path / "words", languages=("en", "it"))
    frame = load_manifest(tmp_path / "words")
    frame[["path", "label"]].rename(columns={"label": "labels"}).to_csv(tmp_path / "m.csv", index=False)
    # A warning would be an error here.
    draft = draft_config(tmp_path / "m.csv", tmp_path / "m.yaml", label="labels")
    assert draft.config.target.column == "labels"


def test_paths_are_relative_to_the_config(tmp_path, monkeypatch):
    prompts(tmp_path / "data" / "words")
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["data/words", "--output", "configs/words.yaml"]) == 0
    assert "  manifest: ../data/words" in written("configs/words.yaml")
    monkeypatch.chdir(tmp_path / "data")
    assert load_config(tmp_path / "configs" / "words.yaml").data.manifest == str(tmp_path / "data" / "words")


def test_numbers_make_a_regression_and_machines_a_warning(tmp_path, capsys):
    table = pd.read_csv(DATA / "vibration" / "manifest.csv", dtype=str).drop(columns="split")
    table["path"] = [str(DATA / "vibration" / path) for path in table["path"]]
    table.to_csv(tmp_path / "signals.csv", index=False)
    output = str(tmp_path / "v.yaml")
    assert main([str(tmp_path / "signals.csv"), "--output", output]) == 2
    said = capsys.readouterr().err
    assert "no column 'label' with labels. Name what is to be learned with --label COLUMN" in said
    assert "rpm (numbers from 600." in said
    assert "machine (36 values such as 'm00', 'm01'" in said
    assert main([str(tmp_path / "signals.csv"), "--label", "rpm", "--output", output]) == 0
    config = load_config(output)
    assert (config.target.task, config.target.column) == ("regression", "rpm")
    assert "column 'machine', 'site' may name what must not be both in train and in test" in unwrapped(written(output))
    assert {"r2", "mae"} <= set(trains(tmp_path / "v.yaml", "model.blocks.0.filters=4").metrics["test"])


def signal_folder(folder, write, suffix):
    """Sub-folders of two classes, whose arrays `write(path, array)` saves."""
    rng = np.random.default_rng(0)
    for label, level in (("calm", 0.5), ("loud", 2.0)):
        (folder / label).mkdir(parents=True)
        for index in range(20):
            values = level * rng.normal(size=(int(rng.integers(20, 60)), 3))
            write(folder / label / f"{index}{suffix}", values)
    return folder


def test_a_folder_of_arrays(tmp_path):
    signal_folder(tmp_path / "shakes", np.save, ".npy")
    assert main([str(tmp_path / "shakes"), "--output", str(tmp_path / "shakes.yaml")]) == 0
    assert "arrays of 3 features in a frame" in written(tmp_path / "shakes.yaml")
    assert trains(tmp_path / "shakes.yaml").model.num_features == 3


def test_a_folder_of_raw_samples(tmp_path):
    signal_folder(tmp_path / "raw", lambda path, values: np.save(path, np.repeat(values[:, 0], 40)), ".npy")
    assert main([str(tmp_path / "raw"), "--output", str(tmp_path / "raw.yaml")]) == 0
    assert "A GUESS: arrays do not say it" in written(tmp_path / "raw.yaml")
    assert trains(tmp_path / "raw.yaml").model.num_features == 129


def test_tables_of_signals_and_their_clock(tmp_path):
    def write(path, values):
        clock = np.arange(len(values)) / 100
        pd.DataFrame({"time": clock, "x": values[:, 0], "y": values[:, 1]}).to_csv(path, index=False)

    folder = signal_folder(tmp_path / "logs", write, ".csv")
    rows = [{"path": str(path.relative_to(tmp_path)), "label": path.parent.name} for path in folder.rglob("*.csv")]
    pd.DataFrame(rows).to_csv(tmp_path / "logs.csv", index=False)
    assert main([str(tmp_path / "logs.csv"), "--output", str(tmp_path / "logs.yaml")]) == 0
    assert load_config(tmp_path / "logs.yaml").features.columns == ("x", "y")
    assert trains(tmp_path / "logs.yaml").model.num_features == 2


def test_folders_named_like_splits_are_splits(tmp_path):
    for split, count in (("train", 10), ("val", 4), ("test", 4)):
        prompts(tmp_path / "words" / split, count=count, languages=("en", "it"))
    # The same recordings in two splits would be refused, rightly.
    for split, first in (("val", 10), ("test", 14)):
        for language in ("en", "it"):
            shutil.rmtree(tmp_path / "words" / split / language)
            (tmp_path / "words" / split / language).mkdir()
            table = load_manifest(DATA / "prompts" / "manifest.csv")
            short = table[(table["label"] == language) & (table["seconds"].astype(float) < 1.2)]
            for path in short["path"].iloc[first : first + 4]:
                shutil.copy(path, tmp_path / "words" / split / language)
    assert main([str(tmp_path / "words"), "--output", str(tmp_path / "words.yaml")]) == 0
    assert set(load_config(tmp_path / "words.yaml").data.manifest) == {"train", "valid", "test"}
    assert trains(tmp_path / "words.yaml").metrics["test"]["accuracy"] >= 0


def test_several_labels_in_a_cell(tmp_path):
    folder = signal_folder(tmp_path / "tags", np.save, ".npy")
    paths = sorted(folder.rglob("*.npy"))
    tags = [("a;b", "a", "b;c", "c")[index % 4] for index in range(len(paths))]
    pd.DataFrame({"path": paths, "tags": tags}).to_csv(tmp_path / "tags.csv", index=False)
    assert main([str(tmp_path / "tags.csv"), "--label", "tags", "--output", str(tmp_path / "tags.yaml")]) == 0
    config = load_config(tmp_path / "tags.yaml")
    assert (config.target.task, config.target.separator) == ("multilabel", ";")
    assert trains(tmp_path / "tags.yaml").model.num_outputs == 3


def test_rates_lengths_and_rare_classes_show_in_the_choices(tmp_path):
    rng = np.random.default_rng(1)
    for label, count in (("often", 40), ("rare", 8)):
        (tmp_path / "sound" / label).mkdir(parents=True)
        for index in range(count):
            samples = 0.1 * rng.normal(size=(44100, 2))
            soundfile.write(tmp_path / "sound" / label / f"{index}.wav", samples, 44100)
    draft = draft_config(tmp_path / "sound", tmp_path / "sound.yaml")
    assert draft.config.features.sample_rate == 16000
    assert "keeps what sounds below 8,000 Hz" in unwrapped(draft.text)
    assert "48 have several channels, which are mixed to one" in draft.found[1]
    assert draft.config.training.class_weight == "balanced"
    assert draft.config.training.monitor == "val_loss"


def test_a_bad_recording_is_left_out_and_told_many_are_refused(tmp_path):
    folder = prompts(tmp_path / "words", count=12)
    (folder / "en" / "broken.wav").write_bytes(b"no audio at all")
    draft = draft_config(folder, tmp_path / "words.yaml")
    assert draft.config.data.on_bad_file == "skip"
    assert "LOOK AT THIS: 1 file cannot be read: 'en/broken'; left out in training" in draft.found
    assert "on_bad_file: skip 1 file cannot be read: 'en/broken'" in unwrapped(draft.text)
    (tmp_path / "words.yaml").write_text(draft.text)
    assert trains(tmp_path / "words.yaml").model.num_outputs == 3
    for index in range(10):
        (folder / "en" / f"broken{index}.wav").write_bytes(b"no audio at all")
    with pytest.raises(AudioError, match=r"11 of 47 files cannot be read"):
        draft_config(folder, tmp_path / "other.yaml")


def test_what_cannot_be_one_config_is_refused(tmp_path):
    folder = prompts(tmp_path / "words", count=4)
    np.save(folder / "en" / "array.npy", np.ones((4, 2)))
    with pytest.raises(ManifestError, match=r"recordings and features are in one manifest \(12 \.ogg, 1 \.npy\)"):
        draft_config(folder, tmp_path / "x.yaml")
    signal_folder(tmp_path / "turned", lambda path, values: np.save(path, values.T), ".npy")
    with pytest.raises(ManifestError, match=r"their first axis is always 3, and it must be time\. Save x\.T"):
        draft_config(tmp_path / "turned", tmp_path / "x.yaml")
    with pytest.raises(ManifestError, match=r"there is no such file or folder"):
        draft_config(tmp_path / "nowhere", tmp_path / "x.yaml")


def test_a_single_class_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    prompts(tmp_path / "words", languages=("it",))
    monkeypatch.chdir(tmp_path)
    assert main(["words"]) == 2
    assert "all 8 sequences have the label 'it': there is nothing to learn" in capsys.readouterr().err
    assert not Path("words.yaml").exists()


def test_no_split_takes_the_place_of_another(tmp_path):
    for name in ("train", "val", "dev", "test"):
        prompts(tmp_path / "words" / name, languages=("it", "ru"))
    with pytest.raises(ManifestError, match="'dev', 'val' are all valid"):
        draft_config(tmp_path / "words", tmp_path / "words.yaml")
    (tmp_path / "series").mkdir()
    for path in (DATA / "japanese_vowels").glob("*.ts"):
        for name in (path.name, path.name.replace("Japanese", "Other")):
            shutil.copy(path, tmp_path / "series" / name)
    with pytest.raises(ManifestError, match=r"'JapaneseVowels_TRAIN.ts', 'OtherVowels_TRAIN.ts' are all train"):
        draft_config(tmp_path / "series", tmp_path / "series.yaml")


def test_labels_that_are_sequences_of_tokens(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for number in range(30):
        np.save(tmp_path / f"{number}.npy", rng.normal(size=(40, 3)).astype("float32"))
    labels = ["".join(rng.choice(list("017"), size=3)) for _ in range(30)]
    pd.DataFrame({"path": [f"{number}.npy" for number in range(30)], "label": labels}).to_csv(
        tmp_path / "m.csv", index=False
    )
    path = tmp_path / "c.yaml"
    assert main([str(tmp_path / "m.csv"), "--output", str(path), "--set", "target.task=tokens"]) == 0
    told = unwrapped(capsys.readouterr().out + written(path))
    assert "To be learned: the tokens of column 'label', as you say" in told
    # Neither is true of them.
    assert "in proportion" not in told
    assert "--recipe auto" not in told
    assert load_config(path).model.predicts_frames
    assert trains(path).metrics["test"]["tokens"] > 0
