"""Long tables, with a row for each frame: `data.rows` says which rows are a sequence."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqconv.cli.commands.evaluate import main as evaluate
from seqconv.cli.commands.inspect import main as inspect
from seqconv.cli.commands.predict import main as predict
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.manifest import load_manifest
from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.loading import read_manifest
from seqconv.data.sequences import Sequences
from seqconv.data.settings import DataConfig
from seqconv.errors import ConfigError, ManifestError
from seqconv.features.cases import read_cases
from seqconv.features.cases.detection import propose_rows
from seqconv.features.kinds import Precomputed
from seqconv.features.store import build_store
from seqconv.training import train

NAMES = ["user", "activity", "timestamp", "x", "y", "z"]
MEANT = {"label": "activity", "group": "user"}
BY = ["user", "activity"]


def sensors(users=3, activities=("walk", "sit", "walk"), length=12, pause=10_000) -> pd.DataFrame:
    """Rows of users who do one thing after the other; the length differs from run to run."""
    rng, rows, clock = np.random.default_rng(7), [], 0
    for user in range(users):
        for number, activity in enumerate(activities):
            clock += pause
            steps = range(length + 3 * user + number)
            rows += [(f"u{user}", activity, clock + 50 * step, *rng.normal(size=3).round(4)) for step in steps]
            clock = rows[-1][2]
    return pd.DataFrame(rows, columns=NAMES)


def runs_of(table: pd.DataFrame, columns=("x", "y", "z")) -> list[np.ndarray]:
    """The runs of neighbors with one user and activity, found row by row."""
    runs: list[list] = []
    before = None
    for row in table.to_dict("records"):
        if (row["user"], row["activity"]) != before:
            runs.append([])
        before = row["user"], row["activity"]
        runs[-1].append([row[name] for name in columns])
    return [np.array(run, np.float32) for run in runs]


def read(path, tmp_path, features=None, names=None, columns=MEANT, **rows):
    layout = {"rows": {"by": BY, **rows}, "columns": columns} | ({"names": names} if names else {})
    frame = load_manifest(path, layout=layout)
    return Sequences.from_manifest(frame, {"kind": "precomputed", **(features or {})}, cache_dir=tmp_path / "cache")


def same(sequences, arrays):
    assert len(sequences) == len(arrays)
    for sequence, array in zip(sequences, arrays, strict=True):
        np.testing.assert_array_equal(sequence, array)


WRITERS = {
    "wisdm.txt": lambda table, path: path.write_text(
        "".join(",".join(map(str, row)) + ";\n" for row in table.to_numpy().tolist())
    ),
    "table.csv": lambda table, path: table.to_csv(path, index=False),
    "quoted.csv": lambda table, path: table.to_csv(path, index=False, quoting=2),
    "windows.csv": lambda table, path: table.to_csv(path, index=False, lineterminator="\r\n", encoding="utf-8-sig"),
    "table.tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "table.parquet": lambda table, path: table.to_parquet(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_runs_of_rows_are_sequences_in_every_format(name, tmp_path):
    table, path = sensors(), tmp_path / name
    WRITERS[name](table, path)
    data = read(path, tmp_path, names=NAMES if name == "wisdm.txt" else None, order="timestamp", sequence="run")
    same(data, runs_of(table))
    assert data.labels == ["walk", "sit", "walk"] * 3
    assert data.groups == [f"u{user}" for user in range(3) for _ in range(3)]
    assert data.ids[:4] == ["u0/walk/0", "u0/sit", "u0/walk/1", "u1/walk/0"]
    assert data.table_names.used == ("x", "y", "z")


def test_a_table_between_spaces_without_header_names_further_columns_by_numbers(tmp_path):
    table, path = sensors(), tmp_path / "subject.dat"
    table[["timestamp", "user", "activity", "x", "y", "z"]].to_csv(path, sep=" ", header=False, index=False)
    layout = {"separator": " ", "names": ["time", "user", "activity", "..."], "columns": MEANT}
    frame = load_manifest(path, layout=layout | {"rows": {"by": BY, "order": "time", "sequence": "run"}})
    data = Sequences.from_manifest(frame, {"kind": "precomputed"}, cache_dir=tmp_path / "cache")
    same(data, runs_of(table))
    assert data.table_names.used == ("4", "5", "6")


def test_where_runs_and_keys_differ_the_user_is_asked(tmp_path):
    path = tmp_path / "t.csv"
    sensors().to_csv(path, index=False)
    message = (
        r"6 keys \(user, activity\), but 9 runs .* 'u0/walk' begins in row 1, and again in row 26. Say .* run .* key"
    )
    with pytest.raises(ManifestError, match=message):
        read(path, tmp_path)
    sensors(activities=("walk", "sit")).to_csv(path, index=False)
    assert len(read(path, tmp_path)) == 6


def test_all_rows_of_a_key_are_a_sequence_wherever_they_stand(tmp_path):
    path = tmp_path / "t.csv"
    one, other = sensors(users=1, activities=("walk",)), sensors(users=1, activities=("walk",)).assign(user="u9")
    other[["x", "y", "z"]] += 5
    # Two users at the same times, in turn.
    mixed = pd.concat([one, other]).sort_values("timestamp", kind="stable")
    assert mixed["user"].tolist()[:3] == ["u0", "u9", "u0"]
    mixed.to_csv(path, index=False)
    same(read(path, tmp_path, order="timestamp", sequence="key"), runs_of(one) + runs_of(other))
    layout = {"rows": {"by": BY, "sequence": "run"}, "columns": MEANT}
    assert len(load_manifest(path, layout=layout)) == len(mixed)


def test_pieces_of_a_key_are_put_in_the_order_of_their_times(tmp_path):
    path, table = tmp_path / "t.csv", sensors(users=1, activities=("walk",), length=20)
    turned = pd.concat([table[12:], table[:12]])
    turned.to_csv(path, index=False)
    same(read(path, tmp_path, order="timestamp", sequence="key"), runs_of(table))
    with pytest.raises(ManifestError, match=r"'timestamp' goes back from 10950 to 10000 in row 9, within 'u0/walk'"):
        read(path, tmp_path, order="timestamp", sequence="run")
    # Unsaid, rows are not put in order either.
    with pytest.raises(ManifestError, match="goes back from 10950 to 10000 in row 9"):
        read(path, tmp_path, order="timestamp")


def test_sorting_never_merges_sessions(tmp_path):
    path, table = tmp_path / "t.csv", sensors(users=1, activities=("walk",))
    # The clock begins again, at times between those of the first session.
    second = table.assign(timestamp=table["timestamp"] + 13, x=table["x"] + 5)
    pd.concat([table, second]).to_csv(path, index=False)
    with pytest.raises(
        ManifestError, match=r"'u0/walk' go back in row 13 \('timestamp'\), .* two sessions .* disorder"
    ):
        read(path, tmp_path, order="timestamp", sequence="key")
    with pytest.raises(ManifestError, match=r"goes back .* in row 13"):
        read(path, tmp_path, order="timestamp")
    same(read(path, tmp_path, order="timestamp", max_step=1000), runs_of(table) + runs_of(second))


def test_a_pause_ends_a_sequence_or_is_asked_about(tmp_path):
    path, table = tmp_path / "t.csv", sensors(users=1, activities=("walk", "walk"), pause=6000)
    table.to_csv(path, index=False)
    whole = runs_of(table)[0]
    message = (
        r"rises by 6000, and mostly by 50 in row 13, within 'u0/walk' \(1 place of this kind\)\..*data.rows.max_step"
    )
    with pytest.raises(ManifestError, match=message):
        read(path, tmp_path, order="timestamp")
    same(read(path, tmp_path, order="timestamp", max_step=500), [whole[:12], whole[12:]])
    same(read(path, tmp_path, order="timestamp", max_step=6000), [whole])
    # Without an order nobody can know.
    assert read(path, tmp_path).lengths.tolist() == [25]


def test_the_order_may_be_dates(tmp_path):
    path, table = tmp_path / "t.csv", sensors(users=1, activities=("walk", "walk"), pause=60_000)
    dated = table.assign(timestamp=pd.to_datetime(table["timestamp"], unit="ms").dt.strftime("%Y-%m-%d %H:%M:%S.%f"))
    dated.to_csv(path, index=False)
    whole = runs_of(table)[0]
    same(read(path, tmp_path, order="timestamp", max_step=1.5), [whole[:12], whole[12:]])
    resampled = {"clock": "timestamp", "resample": 20, "max_gap": 0.2}
    same(read(path, tmp_path, features=resampled, order="timestamp", max_step=1.5), [whole[:12], whole[12:]])


def test_a_label_that_changes_is_named_with_both_ways_out(tmp_path):
    path = tmp_path / "t.csv"
    sensors().to_csv(path, index=False)
    message = r"the label 'activity' changes within a sequence: in 'u0' it is 'walk' up to row 12 and 'sit' in row 13"
    for columns in (MEANT, {"group": "user"}):
        labels = {"label": "activity"} if "label" not in columns else {"label": "label"}
        with pytest.raises(ManifestError, match=message + r"\. Add it to data\.rows\.by, .* data\.windows"):
            load_manifest(path, layout={"rows": {"by": ["user"]}, "columns": columns}, **labels)
    with pytest.raises(ManifestError, match=r"the column 'x' changes within a sequence: .* data.columns: {MEANING: nu"):
        load_manifest(path, layout={"rows": {"by": BY, "sequence": "run"}, "columns": {"group": "x"}})


def test_sequences_that_end_with_their_label_say_that_predictions_cannot():
    note = "sequences end where the label ('activity') changes, where a prediction, which does not know it, cannot"
    settings = {"rows": {"by": BY, "sequence": "run"}, "columns": MEANT}
    said = "data.rows: 9 sequences, each a run of neighboring rows with equal 'user', 'activity'"
    first, second = _notes(settings)
    assert note in first
    assert second == said
    assert _notes(settings, DataConfig, windows={"seconds": 1}) == (said,)


def _notes(settings, kind=CollectionSettings, **more):
    path = Path(tempfile.mkdtemp()) / "t.csv"
    sensors().to_csv(path, index=False)
    return read_manifest(path, collection=kind(**settings, **more)).notes


def test_numbers_that_say_something_of_a_sequence_are_no_features(tmp_path):
    path, table = tmp_path / "t.csv", sensors(activities=("1", "2"))
    table.insert(3, "age", table["user"].str[1:].astype(int) + 30)
    table.insert(0, "remark", [f"row {row}" for row in range(len(table))])
    table.to_csv(path, index=False)
    data = read(path, tmp_path, columns={"group": "user"}, order="timestamp")
    # The label is a column of numbers here, and no setting says that it is the label.
    assert data.table_names == (("x", "y", "z"), ("remark",))
    frame = load_manifest(path, layout={"rows": {"by": BY}}, label="activity")
    assert frame["age"].tolist() == ["30", "30", "31", "31", "32", "32"]
    notes = read_manifest(path, collection=CollectionSettings(rows={"by": BY})).notes
    assert notes[0].endswith("no features, unless features.columns names them: 'age'")
    chosen = read(path, tmp_path, features={"columns": ["z", "age"]})
    same(chosen, [np.column_stack([run[:, 1], run[:, 0]]) for run in runs_of(table, ("age", "z"))])


def test_text_among_numbers_and_empty_cells_are_named_with_their_row(tmp_path):
    path, table = tmp_path / "t.csv", sensors().astype(object)
    table.loc[3, "y"] = "1,5"
    table.to_csv(path, index=False)
    with pytest.raises(ManifestError, match="'1,5' in row 4 of column 'y' is not a number, but other cells of it are"):
        read(path, tmp_path, sequence="run")
    table.loc[3, "y"] = np.nan
    table.to_csv(path, index=False)
    with pytest.raises(ManifestError, match=r"1 cells of 'y' are empty or not a number.* features.missing"):
        read(path, tmp_path, sequence="run")
    filled = read(path, tmp_path, features={"missing": "interpolate", "max_gap": 1}, order="timestamp", sequence="run")
    assert filled[0][3, 1] == pytest.approx((table.loc[2, "y"] + table.loc[4, "y"]) / 2)


@pytest.mark.parametrize(
    ("cell", "rows", "message"),
    [
        (("user", 4, ""), {}, "row 5 has no 'user', which is in data.rows.by"),
        (
            ("timestamp", 4, ""),
            {"order": "timestamp"},
            "row 5 has no time in 'timestamp', which is data.rows.order; 1 row in all",
        ),
        (None, {"by": ["person"]}, "lacks 'person' of data.rows; it has 'user'"),
        (None, {"order": "time"}, "lacks 'time' of data.rows"),
    ],
)
def test_what_is_not_there_is_named(cell, rows, message, tmp_path):
    path, table = tmp_path / "t.csv", sensors().astype(object)
    if cell is not None:
        name, row, value = cell
        table.loc[row, name] = value
    table.to_csv(path, index=False)
    with pytest.raises(ManifestError, match=message):
        read(path, tmp_path, **{"sequence": "run", **rows})


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"root": "elsewhere"}, "rows says that the frames are in the table itself, so that root has no place"),
        ({"path": "{user}.wav"}, "so that path has no place"),
        ({"columns": {"path": "x"}}, "so that columns.path has no place"),
    ],
)
def test_paths_have_no_place_beside_rows(layout, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        load_manifest(tmp_path, layout={"rows": {"by": BY}, **layout})


def test_frames_in_tables_are_no_sounds(tmp_path):
    with pytest.raises(
        ConfigError, match=r"data.rows: the frames are the rows of a table.* features.kind to precomputed"
    ):
        load_config({"data": {"manifest": "t.csv", "rows": {"by": BY}}})
    with pytest.raises(ManifestError, match=r"data.rows divides the rows of a file, but a DataFrame was given"):
        load_manifest(sensors(), layout={"rows": {"by": BY}})


def test_a_malformed_row_is_named_as_in_other_tables(tmp_path):
    path = tmp_path / "wisdm.txt"
    WRITERS["wisdm.txt"](sensors(), path)
    lines = path.read_text().splitlines()
    # Two rows in one line are two rows: each ends with a semicolon.
    joined = [*lines[:60], lines[60] + lines[61], *lines[62:]]
    path.write_text("\n".join(joined) + "\n")
    same(read(path, tmp_path, names=NAMES, order="timestamp", sequence="run"), runs_of(sensors()))
    path.write_text("\n".join([*lines[:60], "u0,walk,5;", *lines[60:]]))
    with pytest.raises(ManifestError, match="line 61 has 3 cells, but names are given for 6 columns"):
        read(path, tmp_path, names=NAMES, sequence="run")


def test_the_quick_reader_is_as_strict_as_the_other(tmp_path):
    """Quotation marks make a table one for the strict reader; what it holds is the same."""
    table, rows = sensors().astype(object), {"by": BY, "sequence": "run"}
    # Numbers as nobody writes them, and text that is a number to some.
    table.loc[:5, "y"] = [" 1.5", "+2", "1e3", ".5", "7.", "-0"]
    table.loc[:2, "z"] = ["NaN", "nan", "0x10"]
    table["x"] = table["x"].map(lambda value: f"{value:.17g}")
    table["who"] = ["001", "1", "NA"] * (len(table) // 3) + ["1"] * (len(table) % 3)
    kept = {}
    for name, quoting in (("plain.csv", 0), ("quoted.csv", 2)):
        table.to_csv(tmp_path / name, index=False, quoting=quoting)
        cases = read_cases(tmp_path / name, CollectionSettings(rows=rows).form)
        chosen = Precomputed(columns=("x", "y"))
        kept[name] = [cases.read(number, chosen).values.tolist() for number in range(len(cases))]
        with pytest.raises(ManifestError, match="'0x10' in row 3 of column 'z' is not a number"):
            cases.read(0, Precomputed())
        assert cases.columns["user"][0] == "u0"
        assert "'001' up to row 1 and '1' in row 2" in cases.changes["who"]
    assert kept["plain.csv"] == kept["quoted.csv"]
    assert [row[1] for row in kept["plain.csv"][0][:6]] == [1.5, 2, 1000, 0.5, 7, 0]
    assert kept["plain.csv"][0][7][0] == float(table.loc[7, "x"])


@pytest.mark.parametrize(
    "text", [b"user,x\na,1\na,2,3\n", b"user,x\na,1\n\nb\n", b"user,x\na,\xff\na,2\n", b"", b"user,x\n"]
)
def test_malformed_tables_get_an_error_of_ours(text, tmp_path):
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(ManifestError, match=r"line|empty|no row"):
        load_manifest(tmp_path / "t.csv", layout={"rows": {"by": ["user"]}})


def test_rows_in_disorder_are_noticed(tmp_path):
    path = tmp_path / "t.csv"
    sensors().sample(frac=1, random_state=3).to_csv(path, index=False)
    with pytest.raises(ManifestError, match="if rows are in disorder, sort the table"):
        read(path, tmp_path, order="timestamp", sequence="key")
    notes = read_manifest(path, collection=CollectionSettings(rows={"by": BY, "sequence": "run"})).notes
    assert "sequences have a single row: are its rows in disorder?" in notes[0]


def test_tables_by_split_have_ids_of_their_own(tmp_path):
    table = sensors()
    for split, users in {"train": ["u0", "u1"], "test": ["u2"]}.items():
        table[table["user"].isin(users)].assign(user="u").to_csv(tmp_path / f"{split}.csv", index=False)
    parts = {split: tmp_path / f"{split}.csv" for split in ("train", "test")}
    rows = {"by": BY, "order": "timestamp", "sequence": "run", "max_step": 1000}
    layout = {"rows": rows, "columns": {"label": "activity"}}
    frame = load_manifest(parts, layout=layout)
    assert frame["id"].tolist()[:2] == ["train/u/walk/0", "train/u/sit/0"]
    data = Sequences.from_manifest(frame, {"kind": "precomputed"}, cache_dir=tmp_path / "cache", split="test")
    same(data, runs_of(table)[6:])


def test_a_folder_of_long_tables(tmp_path):
    folder = tmp_path / "Protocol"
    folder.mkdir()
    for number in range(3):
        sensors(users=1, length=10 + number).drop(columns="user").to_csv(folder / f"subject10{number}.csv", index=False)
    (folder / "readme.md").write_text("all about it")
    rows = {"by": ["activity"], "order": "timestamp", "sequence": "run"}
    layout = {"rows": rows, "label_from": r"subject(?P<group>\d+)", "columns": {"label": "activity"}}
    frame = load_manifest(folder, layout=layout)
    assert frame["id"].tolist()[:4] == [
        *(f"subject100/{name}" for name in ("walk/0", "sit", "walk/1")),
        "subject101/walk/0",
    ]
    assert frame["group"].tolist() == [f"10{number}" for number in range(3) for _ in range(3)]
    left = load_manifest(folder, layout={**layout, "ignore": {"activity": ["si*"], "path": ["*2.csv"]}})
    assert left["id"].tolist() == [f"subject10{number}/walk/{piece}" for number in range(2) for piece in range(2)]
    data = Sequences.from_manifest(left, {"kind": "precomputed"}, cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(data[3], runs_of(sensors(users=1, length=11))[2])
    with pytest.raises(ManifestError, match=r"data.ignore names the column 'activty', .* did you mean 'activity'"):
        load_manifest(folder, layout={**layout, "ignore": {"activty": ["0"]}})


@pytest.mark.parametrize("name", ["id", "path", "case"])
def test_columns_named_like_those_of_sequences_are_asked_about(name, tmp_path):
    path = tmp_path / "t.csv"
    sensors().rename(columns={"user": name}).to_csv(path, index=False)
    layout = {"rows": {"by": [name, "activity"], "sequence": "run"}, "columns": {"label": "activity"}}
    with pytest.raises(ManifestError, match=rf"its column '{name}' has the name of .* data.columns: {{group: {name}}}"):
        load_manifest(path, layout=layout)
    frame = load_manifest(path, layout=layout | {"columns": {"label": "activity", "group": name}})
    assert frame["group"].tolist() == [f"u{user}" for user in range(3) for _ in range(3)]
    assert frame["id"].is_unique
    assert frame["case"].tolist() == list(range(9))
    assert set(frame["path"]) == {str(path)}


def test_the_weight_of_a_person_is_no_weight_of_a_sequence(tmp_path):
    path, table = tmp_path / "t.csv", sensors(activities=("walk", "sit"))
    table.assign(weight=table["user"].map({"u0": 60, "u1": 70, "u2": 85})).to_csv(path, index=False)
    layout = {"rows": {"by": BY}, "columns": MEANT}
    with pytest.raises(
        ManifestError, match=r"'weight' .* write data\.columns: {weight: weight}; if not, {weight: null}"
    ):
        load_manifest(path, layout=layout)
    assert load_manifest(path, layout=layout | {"columns": {**MEANT, "weight": None}})["weight"].tolist() == [1.0] * 6
    weighted = load_manifest(path, layout=layout | {"columns": {**MEANT, "weight": "weight"}})
    assert weighted["weight"].tolist() == [60, 60, 70, 70, 85, 85]
    table.assign(start=0.5).to_csv(path, index=False)
    with pytest.raises(ManifestError, match=r"'start' .* Leave it out: data\.columns: {start: null}"):
        load_manifest(path, layout=layout)


def test_rows_are_of_tables(tmp_path):
    with pytest.raises(ManifestError, match=r"data.rows divides tables, and 'channels:' reads something else"):
        load_manifest(f"channels:{tmp_path}", layout={"rows": {"by": BY}})


def test_an_id_of_each_sequence_is_its_id(tmp_path):
    path, table = tmp_path / "t.csv", sensors(activities=("walk", "sit"))
    table.assign(id=table["user"] + table["activity"].str[0]).to_csv(path, index=False)
    frame = load_manifest(path, layout={"rows": {"by": BY}, "columns": MEANT})
    assert frame["id"].tolist() == ["u0w", "u0s", "u1w", "u1s", "u2w", "u2s"]


def test_parquet_with_types_of_its_own(tmp_path):
    path, table = tmp_path / "t.parquet", sensors()
    table["steady"] = True
    table["moved"] = table["x"] > 0
    table["count"] = pd.array([None, *range(1, len(table))], dtype="Int64")
    times = pd.to_datetime(table["timestamp"], unit="ms", utc=True)
    table.astype({"activity": "category", "x": "float32"}).assign(timestamp=times).to_parquet(path)
    layout = {"rows": {"by": BY, "order": "timestamp", "sequence": "run", "max_step": 1}, "columns": MEANT}
    frame = load_manifest(path, layout=layout)
    assert frame["label"].tolist() == ["walk", "sit", "walk"] * 3
    assert frame["steady"].tolist() == ["true"] * 9
    settings = {"kind": "precomputed", "columns": ["x", "moved", "count"], "missing": "mask"}
    data = Sequences.from_manifest(frame, settings, cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(data[1][:, 0], runs_of(table)[1][:, 0])
    assert data[0][:2, 1].tolist() == [float(value > 0) for value in table["x"][:2]]
    assert data[0][:3, 2:].tolist() == [[1, 1], [1, 0], [2, 0]]


def test_other_files_have_no_rows(tmp_path):
    path = tmp_path / "t.jsonl"
    sensors().to_json(path, orient="records", lines=True)
    with pytest.raises(
        ManifestError, match=r"rows are read from \.csv, .*\.parquet, not '\.jsonl'\. Save it as one of"
    ):
        load_manifest(path, layout={"rows": {"by": BY}})


def test_each_file_may_be_one_sequence(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, run in enumerate(runs_of(sensors(users=1))):
        text = "\n".join(
            " ".join(f"{value:.4f}" for value in (step / 20, *row)) for step, row in enumerate(run.tolist())
        )
        (folder / f"walk_{number}.txt").write_text(text)
    layout = {"rows": {"by": [], "order": "time"}, "names": ["time", "x", "y", "z"], "separator": " "}
    frame = load_manifest(folder, layout={**layout, "label_from": "(?P<label>[a-z]+)_"})
    assert frame[["id", "label"]].to_numpy().tolist() == [[f"walk_{number}", "walk"] for number in range(3)]
    data = Sequences.from_manifest(frame, {"kind": "precomputed"}, cache_dir=tmp_path / "cache")
    same(data, runs_of(sensors(users=1)))
    assert load_manifest(folder / "walk_1.txt", layout=layout)["id"].tolist() == ["walk_1"]
    cut = load_manifest(folder, layout={**layout, "rows": {"by": [], "order": "time", "max_step": 0.01}})
    assert cut["id"].tolist()[:2] == ["walk_0/0", "walk_0/1"]


def test_a_table_is_read_once_and_stores_of_other_divisions_differ(tmp_path, monkeypatch):
    from seqconv.features.cases import long_tables

    reads = []
    read_cells = long_tables.read_cells
    monkeypatch.setattr(long_tables, "read_cells", lambda path, **more: reads.append(path) or read_cells(path, **more))
    path, table = tmp_path / "t.csv", sensors(users=4, activities=("walk", "sit"))
    table.to_csv(path, index=False)
    settings = {"kind": "precomputed"}
    by_both = load_manifest(path, layout={"rows": {"by": BY, "order": "timestamp"}})
    store = build_store(by_both, settings, tmp_path / "store", progress=False)
    assert len(reads) == 1
    assert build_store(by_both, settings, tmp_path / "store", progress=False).num_extracted == 0
    # Case 0 of the same file is another sequence now.
    by_user = load_manifest(
        path, layout={"rows": {"by": ["user"], "order": "timestamp", "max_step": 1e6}, "columns": {"group": "user"}}
    )
    other = build_store(by_user, settings, tmp_path / "store", progress=False)
    assert other.lengths.tolist() == [n + m for n, m in zip(*[iter(store.lengths.tolist())] * 2, strict=True)]
    assert other.digest(0) != store.digest(0)
    # In workers, too.
    far = build_store(by_both, settings, tmp_path / "workers", progress=False, num_workers=1)
    same(far, runs_of(table))


MODEL = {
    "features": {"kind": "precomputed", "frame_rate": 20},
    "model": {"blocks": [{"filters": 4, "kernel_size": 3}]},
    "training": {"epochs": 1, "warmup_epochs": 0},
    "evaluation": {"bootstrap": 0, "report": False},
}


@pytest.mark.filterwarnings("default:.*is divided by")
def test_another_table_is_evaluated_and_predicted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sensors(users=8).to_csv("seen.csv", index=False)
    unseen = sensors(users=2, length=16)
    unseen[["y", "z", "timestamp", "activity", "x", "user"]].to_csv("unseen.csv", index=False)
    rows = {"by": BY, "order": "timestamp", "sequence": "run"}
    config = load_config(
        {"data": {"manifest": "seen.csv", "rows": rows, "columns": MEANT, "cache_dir": "cache"}, **MODEL}
    )
    data = load_datasets(config.data_spec)
    groups = [set(part.groups) for part in data.parts().values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 8
    train(config, "run")
    evaluate(["--model", "run", "--manifest", "unseen.csv", "--split", "all"])
    scored = pd.read_csv("run/predictions.csv").set_index("id")
    assert scored["label"].tolist() == ["walk", "sit", "walk"] * 2
    predict(["--model", "run", "unseen.csv", "--output", "with.csv"])
    table = pd.read_csv("with.csv")
    assert table["id"].tolist() == [f"unseen.csv/{name}" for name in scored.index]
    np.testing.assert_allclose(table["p_walk"], scored["p_walk"], atol=1e-5)
    # A table of sequences, without the rows of the run.
    for name, array in {"a": unseen[:20], "b": unseen[20:]}.items():
        array[["x", "y", "z"]].to_csv(f"{name}.csv", index=False)
    Path("plain.csv").write_text("path,label\na.csv,walk\nb.csv,sit\n")
    plain = ["--model", "run", "--manifest", "plain.csv", "--split", "all"]
    assert evaluate(plain) == 2
    assert "add --set data.rows=null" in capsys.readouterr().err
    assert evaluate([*plain, "--set", "data.rows=null", "--set", "data.columns=null"]) == 0
    assert inspect(["run", "--recording", "unseen.csv/1"]) == 0
    assert inspect(["run", "--recording", "unseen.csv"]) == 2
    assert "'unseen.csv' holds many sequences. Say which: --recording unseen.csv/0" in capsys.readouterr().err
    # Without the label, the table is divided by what is left.
    unseen.drop(columns="activity").to_csv("bare.csv", index=False)
    with pytest.raises(ManifestError, match=r"goes back|rises by 10000"):
        load_manifest("bare.csv", layout={"rows": {"by": ["user"], "order": "timestamp"}})
    capsys.readouterr()
    assert predict(["--model", "run", "bare.csv"]) == 2
    assert "rises by 10000, and mostly by 50" in capsys.readouterr().err
    short = unseen.drop(columns="activity").assign(timestamp=range(len(unseen)))
    short.to_csv("bare.csv", index=False)
    predict(["--model", "run", "bare.csv", "--output", "bare_out.csv"])
    assert capsys.readouterr().err.count("it has no 'activity', and is divided by 'user' alone") == 1
    found = pd.read_csv("bare_out.csv")
    assert found["id"].tolist() == ["bare.csv/u0", "bare.csv/u1"]
    assert found["num_frames"].tolist() == unseen.groupby("user").size().tolist()
    unseen.drop(columns="user").to_csv("bare.csv", index=False)
    assert predict(["--model", "run", "bare.csv"]) == 2
    assert "lacks 'user' of data.rows" in capsys.readouterr().err


@pytest.mark.filterwarnings("default:.*is divided by")
def test_windows_of_long_tables_are_the_same_in_training_and_prediction(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sensors(users=8, length=40).to_csv("seen.csv", index=False)
    rows = {"by": BY, "order": "timestamp", "sequence": "run"}
    data = {"manifest": "seen.csv", "rows": rows, "columns": MEANT, "cache_dir": "cache", "windows": {"seconds": 1.0}}
    train(load_config({"data": data, **MODEL}), "run")
    sensors(users=1, length=40, pause=50).drop(columns="activity").to_csv("new.csv", index=False)
    predict(["--model", "run", "new.csv", "--output", "out.csv"])
    assert "divided by 'user' alone" in capsys.readouterr().err
    starts = pd.read_csv("out.csv")["start"].tolist()
    assert starts == [0, 1, 2, 3, 4, 5, pytest.approx(5.15)]


@pytest.mark.parametrize("name", WRITERS)
def test_long_tables_are_found_and_others_are_not(name, tmp_path):
    WRITERS[name](sensors(), tmp_path / name)
    found = propose_rows(tmp_path / name, names=NAMES if name == "wisdm.txt" else None)
    assert (found.by, found.order) == (("user", "activity"), "timestamp")


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(
            {"path": [f"{number}.wav" for number in range(30)], "label": ["a", "b"] * 15, "fold": [1, 2, 3] * 10}
        ),
        pd.DataFrame({"time": np.arange(30) / 10, "x": np.arange(30) % 7 / 3, "y": np.arange(30) % 5 / 3}),
    ],
    ids=["manifest", "one recording"],
)
def test_no_long_table_is_found_in_others(table, tmp_path):
    table.to_csv(tmp_path / "t.csv", index=False)
    assert propose_rows(tmp_path / "t.csv") is None
