"""Variants of recordings: what each transform does to sound, and how variants lie in the feature store."""

import pickle
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.extras import require
from threadpoolctl import threadpool_limits

from seqconv.data.augmentation.settings import AudioAugmentConfig
from seqconv.data.augmentation.sounds import (
    add_background,
    add_reverberation,
    change_speed,
    digest_sounds,
    draw_excerpt,
    list_sounds,
    made_response,
    pink_noise,
    root_mean_square,
    shift_pitch,
)
from seqconv.data.augmentation.variants import AudioVariant
from seqconv.errors import AudioError, ConfigError, StoreError
from seqconv.features import FeatureKind, extract_features
from seqconv.features.audio.decoding import decode_audio
from seqconv.features.store import build_store

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
RATE = 8000
FEATURES = FeatureKind(sample_rate=RATE, n_fft=256, hop_length=80, n_mels=20)


@pytest.fixture(scope="module")
def paths():
    return sorted(PROMPTS.glob("it/*.ogg"))[:6]


@pytest.fixture(scope="module")
def prompt(paths):
    return decode_audio(paths[0], sample_rate=RATE)[0]


@pytest.fixture
def noises(tmp_path):
    """A folder of noise: a second of white noise at 16 kHz, and, below, a hum that is shorter than any prompt."""
    folder = tmp_path / "noises"
    (folder / "deep").mkdir(parents=True)
    soundfile.write(folder / "white.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000)
    soundfile.write(folder / "deep" / "hum.flac", 0.3 * np.sin(np.arange(800) * 2 * np.pi * 50 / RATE), RATE)
    (folder / "notes.txt").write_text("no sound")
    return folder


def tone(frequency, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


def loudest_frequency(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / RATE)[spectrum.argmax()])


def test_speed_changes_duration_and_pitch():
    faster = change_speed(tone(400), 1.25)
    assert len(faster) == pytest.approx(RATE / 1.25, abs=2)
    assert loudest_frequency(faster) == pytest.approx(500, abs=2)
    assert len(change_speed(np.ones(1, np.float32), 4.0)) == 1


def test_pitch_changes_pitch_and_keeps_the_duration(prompt):
    require("audiomentations")
    higher = shift_pitch(tone(400), RATE, 7)
    assert len(higher) == RATE
    assert loudest_frequency(higher[1000:-1000]) == pytest.approx(400 * 2 ** (7 / 12), rel=0.02)
    np.testing.assert_array_equal(shift_pitch(prompt, RATE, -2), shift_pitch(prompt, RATE, -2))
    # Nothing moves in time: a click stays where it is.
    click = np.zeros(RATE, np.float32)
    click[3000:3040] = 1
    assert np.abs(shift_pitch(click, RATE, 3)).argmax() == pytest.approx(3020, abs=160)


def test_a_made_room_decays_as_it_was_asked_to(rng):
    response = made_response(RATE, 0.5, 6.0, rng)
    energy = response.astype(float) ** 2
    assert 10 * np.log10(energy[0] / energy[1:].sum()) == pytest.approx(6.0, abs=0.1)
    tail = np.cumsum(energy[::-1])[::-1][30:]
    seconds = np.arange(len(tail)) / RATE
    part = slice(0, len(tail) // 2)
    slope = np.polyfit(seconds[part], 10 * np.log10(tail[part]), 1)[0]
    assert -60 / slope == pytest.approx(0.5, rel=0.2)


def test_a_room_keeps_level_length_and_time(prompt, rng):
    wet = add_reverberation(prompt, made_response(RATE, 0.4, 3.0, rng))
    assert wet.shape == prompt.shape
    assert root_mean_square(wet) == pytest.approx(root_mean_square(prompt), rel=1e-4)
    late = np.concatenate([np.zeros(500), [1.0], np.zeros(100)]).astype(np.float32)
    np.testing.assert_allclose(add_reverberation(prompt, late), prompt, atol=1e-5)
    assert not add_reverberation(np.zeros(100, np.float32), late).any()


@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_a_background_has_the_ratio(prompt, rng, snr):
    mixed = add_background(prompt, pink_noise(len(prompt), rng), snr)
    noise = mixed.astype(float) - prompt
    assert 20 * np.log10(root_mean_square(prompt) / root_mean_square(noise)) == pytest.approx(snr, abs=0.05)
    silence = np.zeros(50, np.float32)
    np.testing.assert_array_equal(add_background(silence, pink_noise(50, rng), snr), silence)
    np.testing.assert_array_equal(add_background(prompt, np.zeros_like(prompt), snr), prompt)


def test_pink_noise_has_as_much_power_in_each_octave(rng):
    power = np.abs(np.fft.rfft(pink_noise(1 << 16, rng))) ** 2
    octaves = [power[1 << n : 2 << n].sum() for n in range(6, 15)]
    assert max(octaves) / min(octaves) < 1.6


def test_excerpts_are_decoded_parts_or_repetitions(noises, rng):
    listed = list_sounds(str(noises), "here")
    assert [path.name for path in listed] == ["hum.flac", "white.wav"]
    lengths = {len(draw_excerpt(str(noises), "here", length, RATE, rng)) for length in (1, 300, 5000) for _ in range(8)}
    assert lengths == {1, 300, 5000}
    starts = {draw_excerpt(str(noises), "here", 100, RATE, rng).tobytes() for _ in range(12)}
    assert len(starts) > 8


def test_a_folder_is_known_by_what_it_holds(noises, tmp_path):
    before = digest_sounds(str(noises), "here")
    moved = tmp_path / "moved"
    noises.rename(moved)
    assert digest_sounds(str(moved), "here") == before
    soundfile.write(moved / "white.wav", np.random.default_rng(1).uniform(-0.5, 0.5, 16_000), 16_000)
    assert digest_sounds(str(moved), "here") != before


@pytest.mark.parametrize("key", ["background", "room"])
def test_a_folder_without_sound_is_refused_before_any_recording(tmp_path, key):
    settings = AudioAugmentConfig(**{key: {"folder": str(tmp_path / "none")}})
    with pytest.raises(ConfigError, match=rf"audio_augment\.{key}\.folder: there is no folder '.*none'"):
        AudioVariant(settings, 1).check()
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match=rf"audio_augment\.{key}\.folder: '.*none' holds no recording"):
        AudioVariant(settings, 1).check()


def everything(noises):
    return AudioAugmentConfig(
        speed={},
        room={"probability": 1},
        background={"folder": str(noises), "probability": 1},
    )


def test_a_variant_hangs_on_its_number_and_the_content_alone(noises, prompt):
    variant = AudioVariant(everything(noises), 2)
    expected = variant.apply(prompt, RATE, "content")
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(variant)).apply(prompt, RATE, "content"), expected)
    others = [AudioVariant(everything(noises), 3).apply(prompt, RATE, "content"), variant.apply(prompt, RATE, "other")]
    assert all(not np.array_equal(other, expected) for other in others)
    assert np.isfinite(expected).all()


def test_further_transforms_of_audiomentations_draw_from_the_same_numbers(prompt):
    require("audiomentations")
    others = [{"type": "LowPassFilter", "p": 1.0}, {"type": "AddGaussianSNR", "p": 0.5}]
    variant = AudioVariant(AudioAugmentConfig(others=others), 1)
    variant.check()
    states = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first, again = variant.apply(prompt, RATE, "a"), variant.apply(prompt, RATE, "a")
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # noqa: NPY002
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(variant.apply(prompt, RATE, "b"), first)
    alone = AudioVariant(AudioAugmentConfig(others=others[:1]), 1).apply(prompt, RATE, "a")
    assert np.abs(np.fft.rfft(alone))[-100:].mean() < 0.3 * np.abs(np.fft.rfft(prompt))[-100:].mean()


@pytest.mark.parametrize(
    ("other", "match"),
    [
        ({"type": "Reverb"}, r"others\.0\.type: audiomentations has no transform 'Reverb'\. Known: .*Clip"),
        ({"type": "Clip", "volume": 3}, r"others\.0: audiomentations refuses Clip with \{'volume': 3\}"),
    ],
)
def test_what_audiomentations_refuses_is_said(other, match):
    require("audiomentations")
    with pytest.raises(ConfigError, match=match):
        AudioVariant(AudioAugmentConfig(others=[other]), 1).check()


def test_a_transform_that_fails_names_itself(prompt):
    require("audiomentations")
    others = [{"type": "Lambda", "transform": 3, "p": 1.0}]
    with pytest.raises(AudioError, match=r"audio_augment\.others\.0: Lambda failed: 'int' object is not callable"):
        AudioVariant(AudioAugmentConfig(others=others), 1).apply(prompt, RATE, "a")


def manifest(paths):
    return pd.DataFrame({"id": [path.stem for path in paths], "path": [str(path) for path in paths]})


def build(paths, cache, variant, **options):
    return build_store(manifest(paths), FEATURES, cache_dir=cache, progress=False, variant=variant, **options)


def test_a_store_of_variants_holds_the_features_of_the_varied_sound(paths, tmp_path, noises):
    variant = AudioVariant(everything(noises), 1)
    plain, store = build(paths, tmp_path, None, num_workers=0), build(paths, tmp_path, variant, num_workers=1)
    assert store.path != plain.path
    assert store.path.name.startswith("it-log_mel-variant-")
    for index, path in enumerate(paths):
        samples, rate = decode_audio(path, sample_rate=RATE)
        content = repr((plain._rows[index].content, None, None))
        with threadpool_limits(1):
            expected = extract_features(variant.apply(samples, rate, content), rate, FEATURES)
        np.testing.assert_array_equal(store[index], expected)
    assert (store.lengths != plain.lengths).any()


def test_variants_are_extracted_once_and_known_by_number_settings_and_sounds(paths, tmp_path, noises):
    first = build(paths, tmp_path, AudioVariant(everything(noises), 1), num_workers=0)
    assert first.num_extracted == len(paths)
    again = build(paths[:4], tmp_path, AudioVariant(everything(noises), 1), num_workers=0)
    assert (again.num_extracted, again.path) == (0, first.path)
    folders = {first.path}
    folders.add(build(paths, tmp_path, AudioVariant(everything(noises), 2), num_workers=0).path)
    slower = everything(noises).model_copy(update={"variants": 7})
    assert build(paths, tmp_path, AudioVariant(slower, 1), num_workers=0).path in folders
    soundfile.write(noises / "third.wav", np.ones(100) / 2, RATE)
    list_sounds.cache_clear()
    other = AudioVariant(everything(noises), 1)
    folders.add(build(paths, tmp_path, other, num_workers=0).path)
    assert len(folders) == 3
    with pytest.raises(StoreError, match=r"holds features of other settings \(variant=\{.*there, None here\)"):
        build_store(manifest(paths), FEATURES, first.path, progress=False, num_workers=0)


@pytest.mark.parametrize("kind", ["log_mel", "log_spectrogram", "mfcc", "waveform"])
def test_features_are_heard_as_what_they_are(paths, kind):
    bands = {"log_mel": {"n_mels": 40}, "mfcc": {"n_mels": 40, "n_mfcc": 40}}.get(kind, {})
    settings = FeatureKind(kind=kind, sample_rate=RATE, n_fft=256, hop_length=80, **bands)
    samples, rate = decode_audio(paths[1], sample_rate=RATE)
    features = extract_features(samples, rate, settings)
    heard = extract_features(settings.to_audio(features), rate, settings)
    features = features[: len(heard)]
    if kind == "waveform":
        np.testing.assert_array_equal(heard[:-4], features[:-4])
        return
    # Bands that are loud: of the others, phases that fit the loud ones leave some leakage.
    is_loud = features > np.quantile(features, 0.6)
    assert np.median(np.abs(heard - features)[is_loud]) < 2.0
