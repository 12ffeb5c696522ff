"""Names of labels from a file beside the table."""

import pytest

from seqconv.cli.drafting import draft_config
from seqconv.config import load_config
from seqconv.data.manifest import load_manifest
from seqconv.data.manifest.loading import read_manifest
from seqconv.errors import ManifestError


@pytest.fixture
def table(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.wav").touch()
    path = tmp_path / "m.csv"
    path.write_text("path,label,other\na.wav,1,5\nb.wav,02,6\nc.wav,,7\nd.wav,1,8\n")
    return path


def named(table, text, encoding="utf-8"):
    names = table.with_name("names.txt")
    names.write_text(text, encoding=encoding)
    return load_manifest(table, layout={"label_names": str(names)})


@pytest.mark.parametrize(
    "text",
    [
        "1 walking\n02 walking up stairs\n",
        "1  walking\r\n02\t walking up stairs\r\n\r\n",
        "1,walking\n02,walking up stairs\n3,sitting, at last\n",
        "1\twalking\n02\twalking up stairs",
        '1;"walking"\n02;walking up stairs',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_labels_get_their_names_and_nothing_else_does(table, text, encoding):
    frame = named(table, text, encoding)
    assert frame["label"].tolist() == ["walking", "walking up stairs", None, "walking"]
    assert frame["other"].tolist() == ["5", "6", "7", "8"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # As text, '02' is no 2.
        ("1 walking\n2 running\n", r"names\.txt' has no name for '02', only for '1', '2'\. Add a line"),
        ("1 walking\n02 running\n1 sitting\n", r"has two names for '1': 'walking' and 'sitting'"),
        ("1 walking\n02\n", r"must have a label and its name on each line, such as '1 WALKING', but has '02'"),
        ("\n \n", "is empty"),
    ],
)
def test_a_file_that_does_not_fit_is_named(table, text, message):
    with pytest.raises(ManifestError, match=rf"data\.label_names: .*{message}"):
        named(table, text)


def test_a_file_that_cannot_be_read_is_named(table):
    with pytest.raises(ManifestError, match=r"data\.label_names: '.*absent\.txt' cannot be read"):
        load_manifest(table, layout={"label_names": str(table.with_name("absent.txt"))})
    table.with_name("names.txt").write_bytes(b"1 \xff\n")
    with pytest.raises(ManifestError, match=r"data\.label_names: '.*names\.txt': it is not UTF-8 text: line 1"):
        load_manifest(table, layout={"label_names": str(table.with_name("names.txt"))})


def test_a_table_without_the_column_is_told(table):
    table.with_name("names.txt").write_text("5 x\n6 y\n7 z\n8 w\n")
    names = {"label_names": str(table.with_name("names.txt"))}
    assert load_manifest(table, layout={**names, "columns": {"label": "other"}})["label"].tolist() == [*"xyzw"]
    table.write_text("path,other\na.wav,5\n")
    with pytest.raises(ManifestError, match=r"names for the column 'label', which is not there\. Say which"):
        load_manifest(table, layout=names)


def test_cells_are_left_out_by_what_the_table_has(table):
    table.with_name("names.txt").write_text("1 walking\n")
    layout = {"label_names": str(table.with_name("names.txt")), "ignore": {"label": ["02"]}}
    assert load_manifest(table, layout=layout)["label"].tolist() == ["walking", None, "walking"]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"labels.txt": "1 sit\n2 stand\n3 lie\n"}, {"sit", "stand"}),
        ({"class_names.txt": "1 sit\n2 stand\n"}, {"sit", "stand"}),
        # Not all labels; something else; which of two?
        ({"labels.txt": "1 sit\n"}, {"1", "2"}),
        ({"notes.txt": "1 sit\n2 stand\n"}, {"1", "2"}),
        ({"labels.txt": "1 sit\n2 stand\n", "classes.txt": "1 x\n2 y\n"}, {"1", "2"}),
    ],
)
def test_init_takes_the_only_file_that_names_all_labels(tmp_path, monkeypatch, files, found):
    monkeypatch.chdir(tmp_path)
    channels = tmp_path / "har" / "train" / "Signals"
    channels.mkdir(parents=True)
    for channel in "xy":
        lines = [" ".join(f"{row * 7 % 5 + step % 3}" for step in range(9)) for row in range(24)]
        (channels / f"{channel}_train.txt").write_text("\n".join(lines))
    (channels.parent / "y_train.txt").write_text("\n".join(str(1 + row % 2) for row in range(24)))
    (channels.parent / "subject_train.txt").write_text("\n".join(str(row // 2) for row in range(24)))
    for name, text in files.items():
        (tmp_path / "har" / name).write_text(text)
    draft = draft_config("har", "x.yaml")
    (tmp_path / "x.yaml").write_text(draft.text)
    for config in (draft.config, load_config("x.yaml")):
        frame = read_manifest(config.data.manifest, collection=config.data).frame
        assert set(frame["label"]) == found
