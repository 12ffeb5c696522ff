"""Manifests of lhotse, written by lhotse itself and read without it: the same parts of the same files, or a refusal."""

import gzip
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from support.extras import require

from seqconv import Sequences, load_manifest
from seqconv.data.conversions import as_sequences
from seqconv.errors import ConfigError, ManifestError
from seqconv.features import extract_features

require("lhotse")

RATE = 8000
FEATURES = {"kind": "log_mel", "sample_rate": RATE, "n_fft": 256, "hop_length": 128, "n_mels": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lhotse")


@pytest.fixture(scope="module")
def recordings(folder):
    """Two mono files of noise, and one of two channels."""
    from lhotse import Recording, RecordingSet

    rng = np.random.default_rng(0)
    for number, channels in enumerate((1, 1, 2)):
        soundfile.write(folder / f"r{number}.wav", 0.1 * rng.normal(size=(RATE, channels)), RATE)
    return RecordingSet.from_recordings(Recording.from_file(folder / f"r{number}.wav") for number in range(3))


@pytest.fixture(scope="module")
def supervisions():
    from lhotse import SupervisionSegment, SupervisionSet

    return SupervisionSet.from_segments(
        SupervisionSegment(
            id=f"s{number}",
            recording_id=f"r{number // 2}",
            start=(0.1, 0.5)[number % 2],
            duration=0.3,
            text=f"word {number}",
            speaker=f"p{number}",
            language="de" if number else None,
            custom={"emotion": "sad", "snr": 12, "tags": ["a", "b"]},
        )
        for number in range(4)
    )


@pytest.fixture(scope="module")
def cuts(recordings, supervisions):
    """Two cuts of two supervisions each, one of two channels and none."""
    from lhotse import CutSet

    return CutSet.from_manifests(recordings=recordings, supervisions=supervisions)


def written(manifest, folder, name="cuts.jsonl.gz"):
    manifest.to_file(folder / name)
    return f"lhotse:{folder / name}"


def test_cuts_are_parts_of_files_with_their_labels(cuts, folder):
    apart = cuts.trim_to_supervisions(keep_overlapping=False)
    frame = load_manifest(written(apart, folder), layout={"columns": {"label": "supervision.custom.emotion"}})
    assert frame["id"].tolist() == [cut.id for cut in apart]
    assert frame[["start", "end"]].to_numpy().tolist() == [[0.1, 0.4], [0.5, 0.8]] * 2
    assert frame["label"].tolist() == ["sad"] * 4
    assert frame["group"].tolist() == ["p0", "p1", "p2", "p3"]
    assert frame["supervision.language"].tolist() == [None, "de", "de", "de"]
    assert frame["supervision.custom.tags"].tolist() == ["a;b"] * 4
    assert frame["recording"].tolist() == ["r0", "r0", "r1", "r1"]


def test_features_are_those_of_what_lhotse_would_load(cuts, folder):
    """Parts, whole recordings, and all channels, of which both take the mean."""
    some = [*cuts.trim_to_supervisions(keep_overlapping=False), list(cuts)[2].drop_supervisions()]
    from lhotse import CutSet

    found = Sequences.from_manifest(written(CutSet.from_cuts(some), folder), FEATURES, label=None, num_workers=0)
    for cut, features in zip(some, found, strict=True):
        samples = cut.load_audio().mean(axis=0)
        np.testing.assert_allclose(features, extract_features(samples, RATE, FEATURES), atol=1e-4)
    assert found.metadata["start"].isna().tolist() == [False] * 4 + [True], "a whole recording is no part"


def test_supervisions_are_read_with_their_recordings(cuts, recordings, supervisions, folder):
    expected = load_manifest(written(cuts.trim_to_supervisions(keep_overlapping=False), folder))
    place = written(supervisions, folder, "train_supervisions.jsonl.gz")
    with pytest.raises(
        ManifestError, match=r"its? lists supervisions, .* 'train_recordings\.jsonl\.gz' beside it, which"
    ):
        load_manifest(place)
    written(recordings, folder, "train_recordings.jsonl.gz")
    found = load_manifest(place)
    columns = ["path", "start", "end", "group", "supervision.text", "supervision.custom.snr", "recording"]
    assert found[columns].equals(expected[columns])
    assert found["id"].tolist() == ["s0", "s1", "s2", "s3"]
    whole = load_manifest(f"lhotse:{folder / 'train_recordings.jsonl.gz'}")
    assert whole["id"].tolist() == ["r0", "r1", "r2"]
    assert whole[["start", "end"]].isna().all(axis=None)


def test_windows_of_lhotse_have_the_labels_of_their_supervisions(cuts, folder):
    some = cuts.trim_to_supervisions(keep_overlapping=False).extend_by(duration=0.1, direction="right")
    found = Sequences.from_manifest(written(some, folder), FEATURES, label="supervision.text", num_workers=0)
    assert found.labels == [f"word {number}" for number in range(4)]
    assert any("4 cuts are longer than their supervisions" in note for note in found.notes)


def mono_of_stereo(cuts):
    return [cuts["r2-2"].to_mono()[1]]


def features_alone(cuts):
    from lhotse import Features

    place = {"storage_type": "lilcom_files", "storage_path": "fbank", "storage_key": "a.llc", "channels": 0}
    time = {"frame_shift": 0.01, "sampling_rate": RATE, "start": 0, "duration": 1.0}
    features = Features("fbank", num_frames=100, num_features=80, recording_id="r0", **place, **time)
    return [replace(cuts["r0-0"].drop_supervisions(), features=features, recording=None)]


REFUSALS = {
    "several": (lambda cuts: cuts, r"2 cuts .* hold several supervisions. Cut them apart: cuts\.trim_to_supervisions"),
    "mixed": (lambda cuts: [cuts["r0-0"].append(cuts["r1-1"])], r"are mixed, padded or empty. .*cuts\.save_audios"),
    "padded": (lambda cuts: cuts.pad(duration=2.0), r"3 cuts .* are mixed, padded or empty"),
    "faster": (lambda cuts: cuts.drop_supervisions().perturb_speed(1.1), r"3 cuts .* are changed as they are read"),
    "resampled": (lambda cuts: cuts.drop_supervisions().resample(4000), "are changed as they are read"),
    "a channel": (mono_of_stereo, r"1 cuts .* take some channels of a file that has more, but features\.channel"),
    "features": (features_alone, "1 cuts .* have no recording"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_more_than_a_part_of_a_file_is_refused(case, cuts, folder):
    from lhotse import CutSet

    change, message = REFUSALS[case]
    changed = change(cuts)
    place = written(changed if isinstance(changed, CutSet) else CutSet.from_cuts(changed), folder)
    with pytest.raises(ManifestError, match=message):
        load_manifest(place)


def test_cuts_in_memory_are_written_first(cuts, folder, monkeypatch):
    monkeypatch.chdir(folder)
    data = cuts.trim_to_supervisions(keep_overlapping=False)
    with pytest.raises(
        ConfigError, match=r"of type CutSet\. .*: Sequences\.from_manifest\('lhotse:cuts\.jsonl\.gz'"
    ) as caught:
        as_sequences(data, "train_data")
    line, first = re.search(r": (Sequences\.from_manifest.*), after (.*)\. Arrays", str(caught.value)).groups()
    eval(first, {"data": data})
    found = eval(line, {"Sequences": Sequences, "features": FEATURES, "COLUMN": "supervision.text"})
    assert found.labels == [f"word {number}" for number in range(4)]
    with pytest.raises(ConfigError, match=r"a manifest is a path, .* or a dataset, not CutSet"):
        load_manifest(data)


def test_commands_are_not_run(folder):
    source = {"type": "command", "channels": [0], "source": f"touch {folder / 'was_run'}"}
    length = {"sampling_rate": RATE, "num_samples": RATE, "duration": 1.0}
    (folder / "recordings.jsonl").write_text(json.dumps({"id": "c", "sources": [source], **length}))
    with pytest.raises(
        ManifestError, match=r"1 cuts \('c'\) have recordings that are no files .*command.* are not run"
    ):
        load_manifest(f"lhotse:{folder / 'recordings.jsonl'}")
    assert not (folder / "was_run").exists()


def test_damaged_manifests(cuts, folder):
    place = folder / "damaged_cuts.jsonl.gz"
    text = gzip.compress("".join(f'{{"id": "{number}"}}\n' for number in range(10_000)).encode())
    place.write_bytes(text[: len(text) // 2])
    with pytest.raises(ManifestError, match=r"cannot be unpacked after line \d+ .*is it whole\?"):
        load_manifest(f"lhotse:{place}")
    cut = b'{"id": "a", "start": 0, "duration": 1, "channel": 0, "recording": {"sources": 3}}\n'
    for content, message in (
        (cut, r"'a' is no cut, supervision or recording of lhotse \(KeyError: 'duration'\)"),
        (b'{"id": "a"\n', "line 1 is not JSON"),
        (b"[1]\n", "line 1 is no cut"),
        (b"", "it is empty"),
    ):
        place.write_bytes(gzip.compress(content))
        with pytest.raises(ManifestError, match=message):
            load_manifest(f"lhotse:{place}")
    for name, message in (("gone.jsonl", "no such file"), ("x.json", r"lhotse copy x\.json NEW\.jsonl\.gz")):
        if name == "x.json":
            (folder / name).write_text("[]")
        with pytest.raises(ManifestError, match=message):
            load_manifest(f"lhotse:{folder / name}")
