"""Tables with recordings inside: datasets of Hugging Face, and Parquet files like those of the Hub."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from support.extras import require
from support.hugging_face import with_bytes, with_paths
from support.training_data import MODEL, quick

from seqconv import Sequences, load_manifest
from seqconv.data.conversions import holds_recordings
from seqconv.data.manifest.readers.tables import read_table
from seqconv.errors import ConfigError, ManifestError
from seqconv.evaluation import evaluate
from seqconv.models import build_model
from seqconv.prediction import predict
from seqconv.training import train

RATE = 8000
FEATURES = {"kind": "log_mel", "sample_rate": RATE, "n_fft": 256, "hop_length": 128, "n_mels": 8}
LABELS = [0, 1] * 6
NAMES = ["low", "high"] * 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sounds")


@pytest.fixture(scope="module")
def paths(folder):
    """Tones of two heights, of different lengths and formats."""
    rng = np.random.default_rng(0)
    made = []
    for number, label in enumerate(LABELS):
        time = np.arange(1600 + 100 * number) / RATE
        samples = 0.3 * np.sin(2 * np.pi * (300, 1500)[label] * time) + 0.02 * rng.normal(size=len(time))
        made.append(folder / f"{number}.{('wav', 'flac', 'ogg')[number % 3]}")
        soundfile.write(made[-1], samples, RATE)
    return made


@pytest.fixture(scope="module")
def as_written(paths, folder):
    """The features of the same files, from an ordinary manifest."""
    frame = pd.DataFrame({"path": [str(path) for path in paths], "label": NAMES})
    return Sequences.from_manifest(frame, FEATURES, num_workers=0, cache_dir=folder / "plain")


@pytest.fixture
def config():
    return quick(features=FEATURES, data={"num_workers": 0})


@pytest.mark.parametrize("make", [with_paths, with_bytes])
def test_features_are_bit_for_bit_those_of_the_files(make, paths, as_written):
    found = Sequences.from_manifest(make(paths, LABELS), FEATURES, num_workers=0)
    assert found.labels == NAMES
    for ours, theirs in zip(found, as_written, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert found.ids == [path.name if make is with_bytes else str(path) for path in paths]


def test_rows_that_were_chosen_are_those_that_are_read(paths):
    data = with_bytes(paths, LABELS).shuffle(seed=3).select(range(5)).with_format("numpy")
    frame = load_manifest(data)
    assert len(frame) == 5
    assert frame["label"].tolist() == [NAMES[int(name.split(".")[0])] for name in frame["id"]]


def test_a_dataset_trains_evaluates_and_predicts(paths, as_written, config, tmp_path):
    require("datasets")
    from datasets import DatasetDict

    data = with_bytes(paths, LABELS)
    parts = DatasetDict(train=data.select(range(8)), validation=data.select([8, 9]), test=data.select([10, 11]))
    run = train(config, tmp_path / "run", train_data=parts)
    # What trains is what the same files give, split by split.
    splits = [as_written.subset(rows) for rows in (range(8), [8, 9], [10, 11])]
    same = train(config, tmp_path / "same", **dict(zip(("train_data", "valid_data", "test_data"), splits, strict=True)))
    for ours, theirs in zip(run.model.get_weights(), same.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert run.model.card.target.names == ("high", "low")
    score = evaluate(run.model, parts["test"], bootstrap=0).metrics
    assert score["loss"] == same.metrics["test"]["loss"]
    found = predict(run.model, parts["test"])
    assert found["id"].tolist() == [path.name for path in paths[10:]]
    np.testing.assert_allclose(found["p_low"], predict(run.model, paths[10:])["p_low"], rtol=1e-6)
    with pytest.raises(
        ConfigError, match=r"data has the splits 'train', 'validation', 'test'\. Pass one of them: data\["
    ):
        evaluate(run.model, parts)


def test_one_table_for_each_split_and_windows_are_cut(paths, config, tmp_path):
    data = with_paths(paths, LABELS)
    config["data"] |= {"windows": {"seconds": 0.1}}
    given = {"train_data": data.select(range(8)), "valid_data": data.select([8, 9]), "test_data": data.select([10, 11])}
    run = train(config, tmp_path / "run", **given)
    assert run.metrics["test"]["recordings"]["num_recordings"] == 2
    assert len(predict(run.model, data.select([10, 11]))) == len(predict(run.model, paths[10:])) > 2
    given["valid_data"] = Sequences([np.zeros((3, 8))], ["low"])
    with pytest.raises(ConfigError, match="train_data holds recordings, and 'valid_data' was passed, too"):
        train(config, tmp_path / "mixed", **given)


def test_a_table_of_paths_trains_as_it_is(paths, config, tmp_path):
    table = pd.DataFrame({"path": list(map(str, paths)), "label": NAMES})
    run = train({**config, "model": MODEL}, tmp_path / "run", train_data=table)
    assert sorted(run.model.card.target.names) == ["high", "low"]
    assert evaluate(run.model, table, bootstrap=0).metrics["num_sequences"] == 12
    assert predict(run.model, table)["id"].tolist() == table["path"].tolist()
    named = {**config, "data": {"num_workers": 0, "columns": {"path": "file", "label": "sound"}}, "features": FEATURES}
    table = table.rename(columns={"path": "file", "label": "sound"})
    assert train(named, tmp_path / "named", train_data=table).model.card.target.names == run.model.card.target.names
    with pytest.raises(ConfigError, match=r"for rows that are frames\. A table of recordings has a column 'path'"):
        train(config, tmp_path / "unnamed", train_data=table)
    stock = build_model({"blocks": [{"filters": 2}]}, num_features=8, num_outputs=2)
    with pytest.raises(
        ConfigError, match=r"does not say how to compute features from recordings\. Pass Sequences\.from"
    ):
        evaluate(stock, table.rename(columns={"file": "path"}), target=run.model.card.target)
    with pytest.raises(ConfigError, match=r"train_data is a path\. Read the manifest: load_manifest\('m\.csv'\)"):
        train(config, tmp_path / "path", train_data="m.csv")


def test_names_of_recordings_inside_say_what_paths_say(paths, tmp_path):
    data = with_bytes(paths, LABELS).remove_columns("label")
    (tmp_path / "test.txt").write_text("0.wav\n1.flac\n")
    layout = {"label_from": r"/(?P<label>\d+)\.\w+$", "split_lists": {"test": str(tmp_path / "test.txt")}}
    frame = load_manifest(data, layout=layout)
    assert frame["label"].tolist() == [str(number) for number in range(12)]
    assert frame["id"][frame["split"] == "test"].tolist() == ["0.wav", "1.flac"]


def test_predict_takes_whole_recordings(paths, config, tmp_path):
    table = pd.DataFrame({"path": list(map(str, paths)), "label": NAMES})
    run = train(config, tmp_path / "run", train_data=table)
    with pytest.raises(ConfigError, match=r"names parts of recordings \(start, end\), but predict takes whole ones"):
        predict(run.model, table.assign(start=0.05))


def test_parquet_of_the_hub(paths, as_written, folder):
    with_bytes(paths, LABELS, text=["a"] * 12, place=[[0.5, 1.5]] * 12).to_parquet(folder / "train.parquet")
    frame = load_manifest(folder / "train.parquet")
    assert frame["label"].tolist() == NAMES
    assert frame["text"].tolist() == ["a"] * 12
    assert "place" not in frame, "a list of real numbers is no cell"
    found = Sequences.from_manifest(folder / "train.parquet", FEATURES, num_workers=0)
    for ours, theirs in zip(found, as_written, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any("12 recordings inside the table are files in" in note for note in found.notes)
    assert any(note.startswith("'place': neither text nor numbers") for note in found.notes)


def test_a_recording_that_was_not_written_whole_is_written_again(paths):
    data = with_bytes(paths, LABELS)
    place = Path(load_manifest(data)["path"][2])
    place.write_bytes(place.read_bytes()[:100])
    assert Path(load_manifest(data)["path"][2]) == place
    assert place.read_bytes() == paths[2].read_bytes()
    assert [file.name for file in place.parent.iterdir()] == [place.name], "nothing else is left"


def test_several_parquet_files_are_one_table(paths, tmp_path):
    """As a clone of a repository of the Hub has them."""
    data = with_bytes(paths, LABELS)
    for part, rows in enumerate((range(4), range(4, 8))):
        data.select(rows).to_parquet(tmp_path / f"train-0000{part}-of-00002.parquet")
    data.select(range(8, 12)).to_parquet(tmp_path / "test-00000-of-00001.parquet")
    with pytest.raises(ManifestError, match="it holds tables, no recordings") as caught:
        load_manifest(tmp_path)
    manifest = {split: str(tmp_path / f"{split}-*.parquet") for split in ("train", "test")}
    assert all(f"{split}: {tmp_path}/{split}*.parquet" in str(caught.value) for split in manifest)
    frame = load_manifest(manifest)
    assert frame["split"].tolist() == ["train"] * 8 + ["test"] * 4
    assert frame["label"].tolist() == NAMES
    data.remove_columns("label").to_parquet(tmp_path / "train-00002-of-00002.parquet")
    with pytest.raises(ManifestError, match="' has other columns than"):
        load_manifest(manifest)
    with pytest.raises(ManifestError, match="there is no file"):
        load_manifest(tmp_path / "none-*.parquet")


def table(folder, audio, metadata=None, **columns):
    made = pa.table({"audio": pa.array(audio, pa.struct([("bytes", pa.binary()), ("path", pa.string())])), **columns})
    pq.write_table(made.replace_schema_metadata(metadata), folder / "m.parquet")
    return load_manifest(folder / "m.parquet")


def test_without_metadata_a_recording_is_known_by_its_form(paths, tmp_path):
    audio = [{"bytes": path.read_bytes(), "path": None} for path in paths[:2]]
    frame = table(tmp_path, audio, label=["a", "b"])
    assert frame["id"].tolist() == ["0", "1"], "it has no names"
    for path, file in zip(paths, frame["path"], strict=False):
        assert path.read_bytes() == Path(file).read_bytes()
    pictures = {b"huggingface": b'{"info": {"features": {"audio": {"_type": "Image"}}}}'}
    with pytest.raises(ManifestError, match="there is no column 'path'; the columns are 'label'"):
        table(tmp_path, audio, pictures, label=["a", "b"])


def test_tables_of_arrow_in_memory(paths, config, tmp_path):
    audio = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    made = pa.table({"sound": audio, "label": NAMES})
    assert load_manifest(made)["id"].tolist() == [path.name for path in paths]
    run = train(config, tmp_path / "run", train_data=made)
    assert evaluate(run.model, made, bootstrap=0).metrics["num_sequences"] == 12
    assert predict(run.model, made.slice(3, 2))["id"].tolist() == [path.name for path in paths[3:5]]


def test_tables_by_the_interface_of_arrow(paths):
    """Polars and others have it; this table has nothing else."""

    class DataFrame:
        def __init__(self, table):
            self._table = table

        def __arrow_c_stream__(self, requested_schema=None):
            return self._table.__arrow_c_stream__(requested_schema)

    table = DataFrame(pa.table({"path": list(map(str, paths)), "label": NAMES}))
    assert load_manifest(table)["label"].tolist() == NAMES
    assert holds_recordings(table)
    assert not holds_recordings(DataFrame(pa.table({"x": [1.0]})))


def test_datasets_without_the_type_of_recordings(paths):
    require("datasets")
    import datasets

    audio = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    # Without the type Audio, by their form.
    plain = datasets.Dataset.from_dict({"sound": audio, "label": NAMES})
    assert holds_recordings(plain)
    assert load_manifest(plain)["id"].tolist() == [path.name for path in paths]


def test_what_a_table_inside_itself_may_be(paths, tmp_path):
    audio = [{"bytes": None, "path": path.name} for path in paths[:2]]
    for path in paths[:2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    frame = table(tmp_path, audio, path=["gone/x.mp3", "gone/y.mp3"], label=pa.array([["a", "b"], ["b"]]))
    assert frame["path"].tolist() == [str(tmp_path / path.name) for path in paths[:2]], "it is beside the table"
    assert frame["label"].tolist() == ["a;b", "b"]
    with pytest.raises(ManifestError, match="row 1, 'label': the label 'a;b' holds ';'"):
        table(tmp_path, audio, label=pa.array([["a;b"], ["b"]]))
    audio[1]["path"] = None
    with pytest.raises(ManifestError, match="1 rows have an empty 'path'"):
        table(tmp_path, audio, label=["a", "b"])


def test_classes_are_their_names(paths):
    require("datasets")
    import datasets

    frame = load_manifest(with_paths(paths[:4], [1, -1, 0, 1]))
    assert frame["label"].tolist() == ["high", None, "low", "high"], "-1 is none"
    tags = datasets.Sequence(datasets.ClassLabel(names=["a", "b"]))
    data = with_paths(paths[:3], [0, 1, 0], tags=[[0, 1], [-1], [1, -1]]).cast_column("tags", tags)
    assert load_manifest(data)["tags"].tolist() == ["a;b", None, "b"]


def test_splits_of_a_dataset_are_named_or_asked_for(paths):
    require("datasets")
    from datasets import DatasetDict

    data = with_bytes(paths, LABELS)
    parts = {"train": data.select(range(8)), "dev": data.select([8, 9]), "eval": data.select([10, 11])}
    frame = load_manifest(DatasetDict(parts))
    assert frame["split"].value_counts().to_dict() == {"train": 8, "valid": 2, "test": 2}
    with pytest.raises(
        ConfigError, match=r"the dataset has the splits 'train\.clean', 'test', but splits are train, valid"
    ):
        load_manifest(DatasetDict({"train.clean": parts["train"], "test": parts["eval"]}))


def test_what_cannot_be_read_row_by_row_is_refused(paths):
    data = with_paths(paths, LABELS)
    with pytest.raises(ManifestError, match="it is a stream"):
        load_manifest(data.to_iterable_dataset())
    with pytest.raises(ManifestError, match=r"it has a transform .* Apply it with map"):
        load_manifest(data.with_transform(lambda rows: rows))


def test_lists_are_judged_by_the_whole_column(tmp_path):
    """The last of many rows, alone in its batch, looks like one that says of each class whether it applies."""
    rows = [[number % 5, number % 3 + 5] for number in range(256)] + [[0, 1]]
    table = pa.table({"path": ["x.wav"] * 257, "id": [str(number) for number in range(257)], "label": rows})
    pq.write_table(table, tmp_path / "m.parquet")
    assert read_table(tmp_path / "m.parquet")["label"].tolist()[-1] == "0;1"
