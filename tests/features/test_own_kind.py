"""A feature kind of a user's own: checked, extracted, stored, trained on and heard as ours are."""

from typing import ClassVar, Literal

import numpy as np
import pytest
import soundfile
from pydantic import Field
from support.registries import registered

from seqconv import train
from seqconv.config import load_config
from seqconv.config.loading import config_schema
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ModelError, StoreError
from seqconv.features import FeatureKind, RecordedKind, extract_features, num_features, open_features
from seqconv.features.kinds.spectral import MelKind, SpectralKind
from seqconv.features.store import FeatureStore, build_store
from seqconv.models import load_model
from seqconv.parts.registry import Origin
from seqconv.prediction import predict

RATE = 8000


class Crossings(RecordedKind):
    """Energy and zero crossings of each frame that the recording fills: fewer frames than other kinds have."""

    kind: Literal["toy_crossings"] = "toy_crossings"
    bands: int = Field(default=2, ge=1)

    @property
    def num_features(self):
        return 1 + self.bands

    def count_frames(self, num_samples):
        return 1 + max(num_samples - self.n_fft, 0) // self.hop_length

    def transform(self, frames):
        energy = np.log(np.square(frames).mean(axis=1) + 1e-6)
        parts = np.array_split(np.diff(np.signbit(frames), axis=1), self.bands, axis=1)
        return np.stack([energy, *(part.mean(axis=1) for part in parts)], axis=1).astype(np.float32)


SETTINGS = {"kind": "toy_crossings", "sample_rate": RATE, "n_fft": 200, "hop_length": 120, "bands": 3}


@pytest.fixture(autouse=True)
def own_kind():
    with registered(Crossings):
        yield


@pytest.fixture
def recordings(tmp_path):
    """A manifest of low and high tones."""
    rng = np.random.default_rng(0)
    lines = ["path,label,split"]
    for number in range(20):
        seconds, tone = rng.uniform(0.2, 0.6), (300, 1500)[number % 2]
        times = np.arange(int(RATE * seconds)) / RATE
        soundfile.write(
            tmp_path / f"{number}.wav",
            0.3 * np.sin(2 * np.pi * tone * times) + 0.01 * rng.normal(size=len(times)),
            RATE,
        )
        lines.append(f"{number}.wav,{('low', 'high')[number % 2]},{'train' if number < 14 else 'valid'}")
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(lines))
    return path


def test_its_settings_are_its_own():
    settings = load_config({"features": SETTINGS}).features
    assert settings == FeatureKind(**SETTINGS) == Crossings(sample_rate=RATE, n_fft=200, hop_length=120, bands=3)
    assert (num_features(SETTINGS), settings.seconds_per_frame) == (4, 0.015)
    assert config_schema()["$defs"]["Crossings"]["properties"]["bands"]["minimum"] == 1
    with pytest.raises(ConfigError, match="bands=3 has no effect on kind 'log_mel': remove it or use kind toy_cross"):
        load_config({"features": {"bands": 3}})
    with pytest.raises(ConfigError, match=r"features\.bands: expected a number of at least 1, got 0"):
        load_config({"features": {**SETTINGS, "bands": 0}})


def test_pieces_are_the_whole(recordings):
    samples, _ = soundfile.read(recordings.parent / "3.wav", dtype="float32")
    whole = extract_features(samples, RATE, SETTINGS)
    assert whole.shape == (1 + (len(samples) - 200) // 120, 4)
    pieces = open_features(recordings.parent / "3.wav", SETTINGS, piece_frames=7)
    assert pieces.num_frames == len(whole)
    # What is written has 16 bits.
    np.testing.assert_allclose(np.concatenate(list(pieces)), whole, atol=1e-6)


def test_a_model_is_trained_on_it_and_predicts_recordings(recordings, tmp_path, monkeypatch):
    config = {
        "data": {"manifest": str(recordings), "cache_dir": str(tmp_path / "cache")},
        "features": SETTINGS,
        "model": {"blocks": [{"filters": 6, "kernel_size": 3}]},
        "training": {"epochs": 2},
        "evaluation": {"bootstrap": 0, "report": False},
    }
    for strategy in ("packed", "padded"):
        run = train({**config, "batching": {"strategy": strategy}}, tmp_path / strategy)
    data = Sequences.from_manifest(recordings, SETTINGS, cache_dir=tmp_path / "cache")
    by_layout = [predict(run.model, data, strategy=strategy) for strategy in ("packed", "padded", "single")]
    columns = [name for name in by_layout[0] if name.startswith("probability")]
    for table in by_layout[1:]:
        np.testing.assert_allclose(table[columns], by_layout[0][columns], atol=1e-5)
    loaded = load_model(tmp_path / "padded" / "model.keras")
    from_files = predict(loaded, [recordings.parent / "0.wav"])
    np.testing.assert_allclose(from_files[columns], by_layout[0][columns][:1], atol=1e-5)
    with monkeypatch.context() as without:
        without.delitem(Crossings.registry._parts, "toy_crossings")
        with pytest.raises(ModelError, match=r"feature kind 'toy_crossings', version 1, of test_own_kind\.py"):
            load_model(tmp_path / "padded" / "model.keras")


def test_an_edited_kind_is_not_served_from_an_old_store(recordings, tmp_path, monkeypatch):
    manifest = Sequences.from_manifest(recordings, SETTINGS, cache_dir=tmp_path).metadata
    first, again = (build_store(manifest, SETTINGS, cache_dir=tmp_path, progress=False) for _ in range(2))
    assert (first.path, first.num_extracted, again.num_extracted) == (again.path, 0, 0)
    names = {first.path}
    monkeypatch.setitem(Crossings.registry._origins, "toy_crossings", Origin("test_own_kind.py", "edited"))
    names.add(build_store(manifest, SETTINGS, cache_dir=tmp_path, progress=False).path)
    monkeypatch.setattr(Crossings, "version", 2)
    third = build_store(manifest, SETTINGS, cache_dir=tmp_path, progress=False)
    assert third.num_extracted == len(third)
    assert len(names | {third.path}) == 3
    with pytest.raises(StoreError, match=r"holds features of other settings \(part=\{.*'version': 1"):
        build_store(manifest, SETTINGS, first.path, progress=False)
    with pytest.raises(StoreError, match="the feature kind 'toy_crossings' was changed since this store was built"):
        FeatureStore(first.path)
    Crossings.registry._parts.pop("toy_crossings")
    with pytest.raises(StoreError, match=r"of the kind 'toy_crossings' of test_own_kind\.py, which is not registered"):
        FeatureStore(first.path)
    Crossings.registry._parts["toy_crossings"] = Crossings


def test_a_version_of_ours_is_part_of_stores_too(monkeypatch):
    from seqconv.features.store.index import identity

    assert identity(FeatureKind(kind="log_mel"))["part"] == {"name": "log_mel", "version": 1, "base_version": 2}
    waveform = FeatureKind(kind="waveform")
    assert "part" not in identity(waveform)
    monkeypatch.setattr(type(waveform), "version", 3)
    assert identity(waveform)["part"] == {"name": "waveform", "version": 3}


@pytest.mark.parametrize("own_version", [1, 5])
def test_an_own_kind_of_spectra_keeps_its_version_when_ours_is_raised(monkeypatch, own_version):
    """What it is derived from gives other numbers: its stores are built again, and its models load as before."""
    from seqconv.features.store.index import part_of
    from seqconv.models.settings import ModelConfig, find_own_parts, find_part_problems

    class ToyMel(MelKind):
        kind: Literal["toy_mel"] = "toy_mel"
        version: ClassVar[int] = own_version

        def transform(self, frames):
            return self.log_mel(frames)

    with registered(ToyMel):
        settings = FeatureKind(kind="toy_mel")
        now = part_of(settings)
        assert (now["version"], now["base_version"]) == (own_version, 2)
        monkeypatch.delattr(SpectralKind, "base_version")
        saved, before = find_own_parts(ModelConfig(), settings), part_of(settings)
        monkeypatch.setattr(SpectralKind, "base_version", 3, raising=False)
        assert before == {name: value for name, value in now.items() if name != "base_version"}
        assert part_of(settings) == {**now, "base_version": 3}
        assert find_part_problems(saved) == []
        assert find_part_problems([{**each, "version": own_version + 1} for each in saved])


def test_a_card_of_an_earlier_version_names_all_keys():
    values = {"kind": "log_mel", "n_mfcc": 20, "n_chroma": 12, "columns": None, "key": None, "frame_rate": None}
    assert FeatureKind.model_validate(values) == FeatureKind()
