"""`seqconv augment`: pictures and sounds of what training sees, of real recordings."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.cli.commands.augment import main
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.training.run.training_set import with_variants

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A config of thirty prompts in a folder of its own."""
    frame = pd.read_csv(PROMPTS / "manifest.csv", dtype=str, keep_default_na=False).iloc[:30]
    frame.assign(path=[str(PROMPTS / name) for name in frame["path"]], split="", label=["a", "b"] * 15)[
        ["id", "path", "label", "group", "split"]
    ].to_csv(tmp_path / "manifest.csv", index=False)
    text = (
        "data: {manifest: manifest.csv, num_workers: 0}\n"
        "features: {kind: log_mel, sample_rate: 8000, n_fft: 256, hop_length: 80, n_mels: 20}\n"
    )
    (tmp_path / "own.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own.yaml"


def run(config, *more):
    return main(["--config", str(config), *more])


def test_pictures_and_sounds_are_written(config, tmp_path, capsys):
    settings = ["--set", "augment.spec_mask={}", "--set", "augment.time_stretch={}", "--set", "augment.mixup={}"]
    settings += ["--set", "audio_augment={variants: 2, speed: {}, background: {}}"]
    assert run(config, "--preview", "3", "--epochs", "2", "--output", "seen", *settings) == 0
    assert "wrote 3 pictures and 18 sounds to seen" in capsys.readouterr().err
    pictures, sounds = sorted((tmp_path / "seen").glob("*.png")), sorted((tmp_path / "seen").glob("*.wav"))
    assert [path.name[:2] for path in pictures] == ["1-", "2-", "3-"]
    for picture in pictures:
        from matplotlib.image import imread

        pixels = imread(picture)[..., :3]
        assert pixels.shape[0] > 400
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    endings = {path.stem[len(pictures[0].stem) :] for path in sounds if path.stem.startswith(pictures[0].stem)}
    assert endings == {"-recording", "-variant-1", "-variant-2", "-features", "-epoch-1", "-epoch-2"}
    lengths = {}
    for path in sounds:
        samples, rate = soundfile.read(path)
        assert rate == 8000
        assert np.abs(samples).max() > 0.01
        lengths[path.stem] = len(samples)
    assert len({lengths[f"{pictures[0].stem}-{name}"] for name in ("recording", "variant-1", "variant-2")}) == 3


def test_what_is_heard_of_a_window_is_what_the_store_holds(config, tmp_path):
    settings = ["data.windows={seconds: 0.25}", "audio_augment={variants: 1, speed: {rate: [0.5, 2]}}"]
    assert run(config, "--preview", "4", "--epochs", "1", *(part for each in settings for part in ("--set", each))) == 0
    loaded = load_config(config, settings)
    data = with_variants(loaded, load_datasets(loaded.data_spec))
    lengths = dict(zip((name.replace("/", "-").replace("@", "-") for name in data.train.ids), data.variants[0].lengths,
                       strict=True))  # fmt: skip
    heard = sorted((tmp_path / "augmented").glob("*-variant-1.wav"))
    assert len(heard) == 4
    for path in heard:
        num_samples = soundfile.info(path).frames
        assert loaded.features.count_frames(num_samples) == lengths[path.stem[2 : -len("-variant-1")]]


def test_a_picture_is_enough_where_features_are_no_sound(config, tmp_path, capsys):
    chroma = "features={kind: chroma, sample_rate: 8000, n_fft: 256, hop_length: 80}"
    assert run(config, "--preview", "1", "--set", chroma, "--set", "augment.time_shift={}") == 0
    assert "wrote 1 picture to augmented" in capsys.readouterr().err
    assert [path.suffix for path in (tmp_path / "augmented").iterdir()] == [".png"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "there is nothing to show: neither augment nor audio_augment of the config names a transform"),
        (["--preview", "0", "--set", "augment.gain={}"], "--preview 0 --epochs 3: both are at least 1"),
        (["--set", "augment.gian={}"], "augment.gian: unknown key; did you mean 'gain'?"),
    ],
)
def test_what_cannot_be_shown_is_said(config, capsys, arguments, match):
    assert run(config, *arguments) == 2
    assert match in capsys.readouterr().err
