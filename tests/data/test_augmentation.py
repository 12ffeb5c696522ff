"""Augmentation of features: keyed by (seed, epoch, id), as a gain or a stretch of the sound would change them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.config import load_config
from seqconv.data.augmentation.epochs import Augmentation, AugmentedFrameLabels
from seqconv.data.augmentation.keys import SequenceKeys
from seqconv.data.augmentation.settings import AugmentConfig, SpecMask
from seqconv.data.augmentation.transforms import (
    add_noise,
    frames_at,
    label_shares,
    mask_spectrum,
    mix_features,
    mix_labels,
    nearest_frames,
    shift_positions,
    stretch_positions,
    stretched_lengths,
)
from seqconv.errors import ConfigError
from seqconv.features import FeatureKind, extract_features, feature_statistics
from seqconv.features.audio.decoding import decode_audio
from seqconv.features.spectra import SILENCE
from seqconv.sources import ArraySource

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
LOG_MEL = FeatureKind(sample_rate=8000, n_fft=256, hop_length=80, n_mels=24)
EVERYTHING = {
    "time_stretch": {"rate": (0.7, 1.4), "probability": 0.8},
    "time_shift": {"fraction": 0.3},
    "gain": {},
    "noise": {"probability": 0.7},
    "mixup": {"alpha": 1.0, "probability": 0.8},
    "spec_mask": {"time_width": 0.3},
}


@pytest.fixture(scope="module")
def prompts():
    """Log-mel features of twelve prompts, by id."""
    paths = sorted(PROMPTS.glob("??/a*.ogg"))[::2]
    names = [path.relative_to(PROMPTS).as_posix() for path in paths]
    return dict(zip(names, (features_of(path) for path in paths), strict=True))


def features_of(path, settings=LOG_MEL, factor=1.0):
    samples, rate = decode_audio(path, sample_rate=8000)
    return extract_features(samples * np.float32(factor), rate, settings)


def augmentation(arrays, settings=None, **options):
    source = ArraySource(list(arrays.values()), list(arrays))
    mean, variance = feature_statistics(source)
    options = {"mean": mean, "deviation": np.sqrt(variance), "features": LOG_MEL, **options}
    return Augmentation(AugmentConfig(**(EVERYTHING if settings is None else settings)), source, **options)


def by_id(epoch):
    """Features, labels and weights of an epoch's entries by id."""
    ids = epoch.plan.source.ids
    labels, weights = epoch.mix(np.eye(len(ids)), np.ones(len(ids)))
    return {
        ids[index]: (epoch[entry], dict(zip(ids, labels[entry], strict=True)), weights[entry])
        for entry, index in enumerate(epoch.indices)
    }


def test_what_an_epoch_holds_hangs_on_seed_epoch_and_id_alone(prompts):
    forwards = by_id(augmentation(prompts).epoch(3))
    backwards = by_id(augmentation(dict(reversed(prompts.items()))).epoch(3))
    for name, (features, labels, weight) in forwards.items():
        np.testing.assert_array_equal(features, backwards[name][0])
        assert (labels, weight) == (backwards[name][1], backwards[name][2])
    for other in (augmentation(prompts).epoch(4), augmentation(prompts, seed=1).epoch(3)):
        same = [np.array_equal(features, by_id(other)[name][0]) for name, (features, *_) in forwards.items()]
        assert not any(same)


def test_the_order_of_reading_changes_nothing(prompts):
    epoch, again = augmentation(prompts).epoch(0), augmentation(prompts).epoch(0)
    expected = [epoch[index].copy() for index in range(len(epoch))]
    for index in reversed(range(len(again))):
        np.testing.assert_array_equal(again[index], expected[index])
        assert len(again[index]) == again.lengths[index]
    assert len(set(again.lengths.tolist()) - {len(array) for array in prompts.values()}) > 3


def test_a_transform_more_does_not_change_what_the_others_draw(prompts):
    plain = augmentation(prompts, {"gain": {}}).epoch(2)
    more = augmentation(prompts, {"gain": {}, "time_shift": {}, "mixup": {}, "spec_mask": {}}).epoch(2)
    np.testing.assert_array_equal(plain.gains, more.gains)
    assert np.ptp(plain.gains) > 3


def test_nothing_named_is_nothing_done(prompts):
    epoch = augmentation(prompts, {}).epoch(1)
    for index, array in enumerate(prompts.values()):
        np.testing.assert_array_equal(epoch[index], array)
    assert not epoch.plan.changes_lengths


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_a_probability_is_kept(name):
    arrays = {f"sequence {index}": np.random.default_rng(index).normal(size=(40, 4)) for index in range(400)}
    settings = {name: {**EVERYTHING[name], "probability": 0.25}}
    epoch = augmentation(arrays, settings, features=FeatureKind(kind="precomputed")).epoch(0)
    count = sum(not np.array_equal(epoch[index], epoch.plan.source[index]) for index in range(400))
    # Masks may come out of width 0, mixtures with a share of 0, shifts of no frames.
    assert 60 < count < 140


@pytest.mark.parametrize("kind", ["log_mel", "log_spectrogram", "mfcc", "waveform"])
@pytest.mark.parametrize("decibels", [-12.0, 6.0])
def test_gain_is_what_a_louder_recording_gives(kind, decibels):
    options = {"delta": 1} if kind in ("log_mel", "mfcc") else {}
    bands = {"n_mels": LOG_MEL.n_mels} if options else {}
    settings = FeatureKind(kind=kind, sample_rate=8000, n_fft=256, hop_length=80, **bands, **options)
    for path in sorted(PROMPTS.glob("fr/*.ogg"))[:3]:
        expected = features_of(path, settings, 10 ** (decibels / 20))
        found = settings.with_gain(features_of(path, settings), decibels)
        # What a gain brings up to the floor of -100 dB, or down to it, cannot be known; MFCC mix such bands.
        np.testing.assert_allclose(np.median(np.abs(found - expected)), 0, atol=1e-3)
        if kind == "waveform":
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_silence_is_no_louder():
    silence = extract_features(np.zeros(4000), 8000, LOG_MEL)
    np.testing.assert_array_equal(LOG_MEL.with_gain(silence, 12.0), silence)
    assert LOG_MEL.with_gain(np.full((2, 24), -95, np.float32), -12.0).min() == SILENCE


def test_noise_is_measured_by_the_deviation_of_each_feature():
    deviation = np.array([0.0, 1.0, 4.0], np.float32)
    noise = add_noise(np.zeros((20_000, 3), np.float32), deviation, 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(noise.std(axis=0), deviation / 2, rtol=0.02)
    assert noise.dtype == np.float32


@given(length=st.integers(1, 80), bands=st.integers(1, 30), orders=st.integers(1, 3), seed=st.integers(0, 999))
def test_masks_hold_the_fill_and_nothing_else_changes(length, bands, orders, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(length, bands * orders)).astype(np.float32)
    fill = np.arange(100, 100 + bands * orders, dtype=np.float32)
    settings = SpecMask(time_masks=2, time_width=0.25, feature_masks=1, feature_width=0.5)
    masked = mask_spectrum(features, settings, fill, rng, orders=orders)
    is_masked = masked != features
    np.testing.assert_array_equal(masked[is_masked], np.broadcast_to(fill, features.shape)[is_masked])
    frames, columns = is_masked.all(axis=1), is_masked[~is_masked.all(axis=1)].all(axis=0)
    assert frames.sum() <= 2 * int(0.25 * length)
    if not frames.all():
        assert columns.sum() <= orders * int(0.5 * bands)
        np.testing.assert_array_equal(columns.reshape(orders, bands), np.tile(columns[:bands], (orders, 1)))


@given(length=st.integers(1, 60), rate=st.floats(0.25, 4), shortest=st.integers(1, 12))
def test_a_stretch_keeps_both_ends_and_what_the_model_needs(length, rate, shortest):
    frames = int(stretched_lengths(np.array([length]), [rate], shortest=shortest)[0])
    assert min(length, shortest) <= frames <= max(4 * length, shortest)
    positions = stretch_positions(length, frames)
    assert len(positions) == frames
    assert positions.min() >= 0
    assert positions.max() <= length - 1
    if frames > 1 and length > 1:
        assert (positions[0], positions[-1]) == (0, length - 1)
    ramp = np.arange(length, dtype=np.float32)[:, None]
    np.testing.assert_allclose(frames_at(ramp, positions)[:, 0], positions, atol=1e-4)


def test_a_slower_prompt_has_the_features_of_the_slower_sound():
    path = sorted(PROMPTS.glob("es/*.ogg"))[3]
    samples, _ = decode_audio(path, sample_rate=8000)
    # Half the hop gives the frames between the frames.
    expected = extract_features(samples, 8000, {**LOG_MEL.model_dump(), "hop_length": 40})
    features = features_of(path)
    found = frames_at(features, stretch_positions(len(features), 2 * len(features) - 1))[: len(expected)]
    difference = np.abs(found - expected[: len(found)])
    assert np.median(difference) < 1.5
    assert np.median(difference) < 0.2 * np.median(np.abs(features - features.mean(axis=0)))


@pytest.mark.parametrize("fill", ["edge", "wrap"])
@pytest.mark.parametrize("shift", [-3, 0, 2])
def test_a_shift_moves_frames(fill, shift):
    moved = shift_positions(np.arange(10), shift, fill)
    inside = np.arange(max(shift, 0), 10 + min(shift, 0))
    np.testing.assert_array_equal(moved[inside], inside - shift)
    assert (len(set(moved.tolist())) == 10) == (fill == "wrap" or not shift)


@given(
    lengths=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    share=st.sampled_from([0.0, 0.01, 0.3, 0.5]),
    place=st.floats(0, 1, exclude_max=True),
)
def test_a_mixture_covers_the_frames_that_both_have(lengths, share, place):
    first, second = (np.full((length, 2), value, np.float32) for length, value in zip(lengths, (0, 1), strict=True))
    mixed = mix_features(first, second, share, place)
    assert mixed.shape == first.shape
    np.testing.assert_allclose(mixed.sum() / 2, share * min(lengths), rtol=1e-4)
    if share > 0:
        part = label_shares(np.array([share]), np.array([lengths[0]]), np.array([lengths[1]]))[0]
        np.testing.assert_allclose(mixed.mean(), part, rtol=1e-4)


def cross_entropy(logits, labels):
    return -(labels * (logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)))).sum(axis=-1)


def test_the_loss_of_a_mixture_is_that_of_both(rng):
    logits, labels = rng.normal(size=(6, 3)), np.eye(3)[rng.integers(3, size=6)]
    weights, shares, partners = rng.uniform(0, 2, 6), rng.uniform(0, 0.5, 6), rng.permutation(6)
    weights[2] = weights[partners[2]] = 0
    mixed, mixed_weights = mix_labels(labels, weights, partners, shares)
    np.testing.assert_allclose(
        mixed_weights * cross_entropy(logits, mixed),
        (1 - shares) * weights * cross_entropy(logits, labels)
        + shares * weights[partners] * cross_entropy(logits, labels[partners]),
    )
    np.testing.assert_allclose(mixed.sum(axis=1), 1)


def test_a_label_that_is_missing_in_one_is_missing_in_both_but_only_where_they_are_mixed():
    labels = np.array([[0, 1.0], [np.nan, 1]])
    mixed, _ = mix_labels(labels, np.ones(2), np.array([1, 0]), np.array([0.25, 0.25]))
    np.testing.assert_array_equal(np.isnan(mixed), [[True, False], [True, False]])
    kept, _ = mix_labels(labels, np.ones(2), np.array([1, 0]), np.array([0.0, 0.25]))
    np.testing.assert_array_equal(kept[0], labels[0])


def test_partners_are_spread_over_all_and_weigh_at_most_a_half():
    arrays = {f"{index}": np.zeros((5, 1)) for index in range(500)}
    epoch = augmentation(arrays, {"mixup": {"alpha": 1.0}}, features=FeatureKind(kind="precomputed")).epoch(0)
    counts = np.bincount(epoch.partners, minlength=500)
    assert counts.max() < 9
    assert 140 < np.count_nonzero(counts == 0) < 230
    np.testing.assert_allclose(epoch.shares.mean(), 0.25, atol=0.02)
    assert epoch.shares.max() <= 0.5


def test_a_sequence_that_an_epoch_draws_again_is_varied_anew(prompts):
    epoch = augmentation(prompts).epoch(0, [4, 2, 4, 4])
    first, _, *again = (epoch[entry] for entry in range(4))
    whole = augmentation(prompts, {"gain": {}}).epoch(0)
    assert not any(np.array_equal(first, other) for other in again)
    assert augmentation(prompts, {"gain": {}}).epoch(0, [4]).gains[0] == whole.gains[4]


def test_labels_of_frames_move_with_their_frames():
    values = {name: np.arange(50, dtype=np.float32)[:, None] for name in "abcdef"}
    settings = {"time_stretch": {"rate": (0.5, 2)}, "time_shift": {"fraction": 0.2, "fill": "wrap"}}
    variant = ArraySource([np.linspace(0, 49, 75)[:, None]] * 6, list(values))
    options = {"features": FeatureKind(kind="precomputed"), "variants": [variant]}
    epoch = augmentation(values, settings, **options).epoch(0)
    assert set(epoch.variant.tolist()) == {0, 1}
    labels = AugmentedFrameLabels([np.arange(50)[:, None] * np.ones(2)] * 6, epoch)
    for entry in range(6):
        rows = labels.encode(entry)
        assert rows.shape == (epoch.lengths[entry], 2)
        # Half a frame, and another half where the variant was rounded.
        np.testing.assert_allclose(rows[:, 0], epoch[entry][:, 0], atol=1.01)
        np.testing.assert_array_equal(labels.encode(entry, slice(3, None, 4)), rows[3::4])
    assert nearest_frames(np.array([0]), 1, 1).tolist() == [0]


def test_bounds_hold_in_every_epoch(prompts):
    short = ArraySource([array[: max(5, len(array) // 3)] for array in prompts.values()], list(prompts))
    plan = augmentation(prompts, {"time_stretch": {"rate": (0.8, 1.6)}}, variants=[short], shortest=30)
    fewest, most = plan.bounds()
    lengths = np.concatenate([plan.epoch(epoch).lengths for epoch in range(40)])
    assert fewest <= lengths.min()
    assert lengths.max() <= most
    assert lengths.min() >= min(30, plan.lengths[0].min())


def test_numbers_are_uniform_and_unrelated():
    keys = SequenceKeys([f"{index}" for index in range(4000)], seed=7)
    columns = np.array([keys.uniform(0, "a"), keys.uniform(1, "a"), keys.uniform(0, "b"),
                        SequenceKeys([f"{index}" for index in range(4000)], seed=8).uniform(0, "a")])  # fmt: skip
    assert np.abs(np.corrcoef(columns) - np.eye(4)).max() < 0.06
    np.testing.assert_allclose(np.histogram(columns, 10, (0, 1))[0] / columns.size, 0.1, atol=0.01)
    assert keys.generator(3, "noise", 5).random() == keys.generator(3, "noise", 5).random()
    # Anchored: the same on every machine, in every process, with every version.
    assert SequenceKeys(["a"], seed=0).uniform(0, "gain")[0] == 0.27686707608047445
    assert SequenceKeys(["a"], seed=0).generator(0, "noise", 0).random() == 0.6274634843893664


@pytest.mark.parametrize(
    ("sections", "match"),
    [
        (
            {"augment": {"spec_mask": {}}, "features": {"kind": "waveform"}},
            r"augment\.spec_mask: features\.kind 'wave",
        ),
        ({"augment": {"spec_mask": {}}, "features": {"kind": "mfcc"}}, r"spec_mask\.feature_masks: 2 bands .*to 0"),
        ({"augment": {"gain": {}}, "features": {"kind": "chroma"}}, r"augment\.gain: .*'chroma' is relative"),
        ({"augment": {"gain": {}}, "features": {"normalize": "recording"}}, r"augment\.gain: .*normalize 'recording'"),
        ({"augment": {"time_stretch": {}}, "features": {"kind": "waveform"}}, r"time_stretch: .*audio_augment\.speed"),
        ({"augment": {"mixup": {}}, "model": {"pooling": "frames"}}, r"augment\.mixup: the labels of frames"),
        ({"augment": {"spec_mask": {"time_masks": 0, "feature_masks": 0}}}, r"both 0, which masks nothing"),
        ({"augment": {"gain": {"decibels": [3, -3]}}}, r"augment\.gain\.decibels: .*3 is more than -3"),
        ({"augment": {"specmask": {}}}, r"augment\.specmask: unknown key; did you mean 'spec_mask'\?"),
        ({"augment": {"time_stretch": {"rate": [0.1, 1]}}}, r"time_stretch\.rate\.0: expected a number of at least"),
        ({"audio_augment": {"variants": 3}}, r"audio_augment: variants=3, but no transform is on"),
        ({"audio_augment": {"speed": {}}, "features": {"kind": "precomputed"}}, r"audio_augment\.speed: .*precomputed"),
        ({"audio_augment": {"room": {"folder": "x", "reverberation_time": [0, 1]}}}, r"room: reverberation_time=\[0\."),
        ({"audio_augment": {"others": [{"p": 1}]}}, r"audio_augment\.others: .*number 0 names no type"),
        ({"audio_augment": {"pitch": {"semitones": [-30, 0]}}}, r"pitch\.semitones: .*two octaves"),
    ],
)
def test_what_cannot_be_is_refused_by_name(sections, match):
    with pytest.raises(ConfigError, match=match):
        load_config(sections)


def test_mfcc_may_be_masked_over_time():
    config = load_config({"augment": {"spec_mask": {"feature_masks": 0}}, "features": {"kind": "mfcc"}})
    assert config.augment.names == ["spec_mask"]
