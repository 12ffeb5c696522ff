"""Without PyAV, M4A and the like never vanish: each way of giving them says how many there are, and what reads them."""

import sys

import pandas as pd
import pytest
from support.streams import encode, noise

from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.sources import find_source
from seqconv.data.manifest import load_manifest
from seqconv.errors import AudioError, ManifestError
from seqconv.features import FeatureKind
from seqconv.features.audio.decoding import count_samples, decode_audio
from seqconv.prediction.entries import find_entries

# How every such file begins; what follows is not looked at here.
M4A = b"\0\0\0\x1cftypM4A " + bytes(99)
REMEDY = r"PyAV does: pip install 'seqconv\[media\]'"


@pytest.fixture
def without_av(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.fixture
def folder(tmp_path):
    """A class of WAV, one of M4A, and a film of the third."""
    for name in ("dog/1.wav", "dog/2.wav", "cat/1.m4a", "cat/2.M4A", "cow/1.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(noise(800), 8000, "WAV") if name.endswith("wav") else M4A)
    return tmp_path


@pytest.mark.usefixtures("without_av")
class TestWithout:
    def test_a_recording_says_what_reads_it(self, folder):
        for ask in (decode_audio, count_samples):
            with pytest.raises(
                AudioError, match=rf"1\.m4a: libsndfile does not read this format\. {REMEDY}; or convert"
            ):
                ask(folder / "cat/1.m4a")

    def test_a_folder_names_suffixes_counts_and_classes(self, folder):
        message = (
            rf"holds 2 \.m4a, 1 \.mp4: libsndfile does not read these formats\. {REMEDY}\. .*\(2 in 'cat', 1 in 'cow'\)"
        )
        for read in (load_manifest, lambda path: find_source(Place(path))):
            with pytest.raises(ManifestError, match=message):
                read(folder)
        with pytest.raises(ManifestError, match=r"data\.ignore: \['\*\.m4a'\]"):
            load_manifest(folder)
        left = load_manifest(folder, layout={"ignore": ["*.m4a", "*.M4A", "*.mp4"]})
        assert set(left["label"]) == {"dog"}

    def test_a_table_names_them_unless_their_content_is_another(self, folder):
        paths = ["dog/1.wav", "cat/1.m4a", "cat/2.M4A"]
        pd.DataFrame({"path": paths, "label": ["a", "b", "b"]}).to_csv(folder / "m.csv", index=False)
        message = rf"names 2 \.m4a: .*{REMEDY}. 2 rows have them: row 2 \('cat/1.m4a'\), row 3 \('cat/2.M4A'\)"
        for read in (load_manifest, lambda path: find_source(Place(path))):
            with pytest.raises(ManifestError, match=message):
                read(folder / "m.csv")
        for path in paths[1:]:
            (folder / path).write_bytes(encode(noise(800), 8000, "WAV"))
        assert len(load_manifest(folder / "m.csv")) == 3

    def test_a_folder_to_predict_says_what_it_leaves_out(self, folder):
        settings = FeatureKind(kind="log_mel")
        with pytest.warns(UserWarning, match=rf"holds 2 \.m4a, 1 \.mp4: .*{REMEDY}\. They are left out"):
            assert len(find_entries([folder], settings)) == 2
        with pytest.raises(AudioError, match=rf"cat' holds 2 \.m4a: .*{REMEDY}"):
            find_entries([folder / "cat"], settings)


def test_with_it_they_are_recordings_like_others(folder):
    from support.extras import require

    require("av")
    assert load_manifest(folder)["label"].value_counts().to_dict() == {"dog": 2, "cat": 2, "cow": 1}
    assert len(find_entries([folder], FeatureKind(kind="log_mel"))) == 5
    assert len(find_source(Place(folder)).frame) == 5
