"""What `init` finds: events, tables beside the folder and without header, fields of names, arrays, clocks, levels."""

import re
import shlex
import subprocess
import sys
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import soundfile
from support.miniatures import MINIATURES, RATE, record, sounds, write

from seqconv.cli.commands.init import main as init
from seqconv.cli.drafting.names import find_labels
from seqconv.cli.drafting.places import Place
from seqconv.config import load_config
from seqconv.data.events.annotations import read_annotations
from seqconv.data.manifest.loading import read_manifest
from seqconv.training import train


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def draft(here, capsys):
    """Run `init`; return the config, the rows of its manifest and what was printed, on one line."""

    def run(*arguments):
        Path("drafted.yaml").unlink(missing_ok=True)
        code = init([*arguments, "--output", "drafted.yaml"])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        config = load_config("drafted.yaml")
        frame = read_manifest(config.data.manifest, collection=config.data).frame
        return config, frame, " ".join(printed.out.split())

    return run


def test_events_of_each_split_leave_out_tables_without_times(here, draft):
    parts = {"train/weak": 0, "train/soundscapes": 4, "validation/validation": 4, "eval/public": 4}
    for start, (part, count) in enumerate(parts.items()):
        rows = ["filename\tonset\toffset\tevent_label"]
        for row in range(4):
            record(here / "audio" / part / f"{part[0]}{start}_{row}.wav", 4 * start + row)
            rows += [
                f"{part[0]}{start}_{row}.wav\t{onset}\t{onset + 0.2}\t{label}"
                for onset, label in ((0.1, "Dog"), (0.2, "Cat"))
            ]
        if not count:
            rows = ["filename\tevent_labels", *(f"t0_{row}.wav\tDog,Cat" for row in range(4))]
        write(here / "metadata" / f"{part}.tsv", *rows)
    config, frame, said = draft(".")
    assert frame.groupby("split").size().to_dict() == {"test": 4, "train": 4, "valid": 4}
    assert {Path(path).parent.name for path in frame["path"]} == {"soundscapes", "validation", "public"}
    assert set(config.data.events) == {"train", "valid", "test"}
    _, annotations = read_annotations(frame, config.data.events)
    assert {events.labels for events in annotations.by_id.values()} == {("Dog", "Cat")}
    # They overlap.
    assert (config.target.task, config.target.background) == ("multilabel", None)
    assert "not used, since they are no tables of events: 'metadata/train/weak.tsv'" in said
    assert "not used, in other folders: 4 recordings, such as 'audio/train/weak/t0_0.wav'" in said


def test_rows_with_start_and_end_are_events_or_those_of_a_manifest(here, draft):
    rows = [(f"{number}.wav", start, start + 0.15, "xy"[number % 2]) for number in range(8) for start in (0.0, 0.2)]
    for number in range(8):
        record(here / "tapes" / f"{number}.wav", number)
    write(here / "tapes" / "all.csv", "path,start,end,label", *(",".join(map(str, row)) for row in rows))
    config, _, said = draft("tapes")
    assert config.data.events == str(here / "tapes" / "all.csv")
    assert "8 recordings: events in 'all.csv' in 'tapes'" in said
    # Ids of their own make them sequences.
    named = [f"part{place},{','.join(map(str, row))}" for place, row in enumerate(rows)]
    write(here / "tapes" / "all.csv", "id,path,start,end,label", *named)
    config, frame, said = draft("tapes")
    assert (config.data.events, len(frame), frame["end"].iloc[1]) == (None, 16, 0.35)
    assert "16 sequences: 'all.csv' in 'tapes'" in said


@pytest.mark.parametrize("place", [".", "sound"])
def test_label_tracks_in_a_folder_of_their_own(here, draft, capsys, place):
    for row in range(8):
        record(here / "sound" / f"night{row}.wav", row)
        if row < 6:
            write(here / "labels" / f"night{row}.txt", f"0.05\t0.25\t{('owl', 'fox')[row % 2]}")
    assert init([place]) == 2
    said = capsys.readouterr().err
    assert "2 of 8 recordings have no event, such as 'night6'" in said
    assert f"seqconv init {place} --set data.unlabeled=negative" in said
    config, frame, _ = draft(place, "--set", "data.unlabeled=ignore")
    kept, annotations = read_annotations(frame, config.data.events, config.data.unlabeled)
    assert len(kept) == 6
    assert annotations.by_id["night1"].labels == ("fox",)
    assert (config.data.windows.seconds, config.target.background) == (0.2, "nothing")


def test_a_table_beside_the_folder(here, draft):
    for row in range(8):
        record(here / "clips" / f"{row}.wav", row)
    # Ages are numbers of recordings, too, but of fewer.
    write(
        here / "labels.csv", "age,clip,emotion", *(f"{row // 2},{row},{('sad', 'happy')[row % 2]}" for row in range(8))
    )
    # What a run writes names the recordings, too.
    write(here / "run" / "splits.csv", "id,label", *(f"{row},{('x', 'y')[row % 2]}" for row in range(8)))
    _, frame, said = draft("clips")
    assert frame["label"].tolist() == ["sad", "happy"] * 4
    assert "8 sequences: '../labels.csv' beside 'clips'" in said
    assert "columns that are kept, and not used: 'age'" in said


def test_a_table_in_a_folder_beside_it_whose_paths_start_above(here, draft):
    for row in range(8):
        record(here / "audio" / f"{row}.wav", row)
    write(here / "meta" / "info.csv", "file;sex", *(f"audio/{row}.wav;{('f', 'm')[row % 2]}" for row in range(8)))
    config, frame, said = draft("audio")
    assert frame[config.target.column].tolist() == ["f", "m"] * 4
    assert "LOOK AT THIS: column 'sex' is taken for what is to be learned" in said
    _, of_table, _ = draft("meta/info.csv")
    assert of_table["path"].tolist() == frame["path"].tolist()


def test_a_table_beside_the_folder_with_recordings_of_its_own_is_of_others(here, draft):
    for row in range(8):
        label = ("a", "b")[row % 2]
        for project in ("mine", "other"):
            record(here / project / label / f"{row}.wav", row)
    write(here / "other" / "m.csv", "path,label", *(f"{'ab'[row % 2]}/{row}.wav,{row % 3}" for row in range(8)))
    config, frame, _ = draft("mine")
    assert frame[config.target.column].unique().tolist() == ["a", "b"]


def test_a_column_of_splits_and_the_only_one_of_classes(here, draft):
    for row in range(12):
        record(here / "wav" / f"{100 + row}.wav", row)
    parts = ("train", "train", "train", "val", "test", "test")
    write(
        here / "list.csv",
        "item,subset,bird,text",
        *(f"{100 + row},{parts[row % 6]},{row // 6},what is {row}?" for row in range(12)),
    )
    config, frame, said = draft(".")
    assert frame.groupby("split").size().to_dict() == {"test": 4, "train": 6, "valid": 2}
    assert config.target.column == "bird"
    assert "column 'subset' says the splits" in said


def test_a_table_without_header_or_suffix(here, draft, capsys):
    for row in range(12):
        record(here / "flac" / f"LA_T_{row}.flac", row)
    lines = [
        f"LA_{row // 3:04d} LA_T_{row} - {('-', 'A01')[row % 2]} {('bonafide', 'spoof')[row % 2]}" for row in range(12)
    ]
    write(here / "protocols" / "train.trn.txt", *lines)
    assert init(["."]) == 2
    said = capsys.readouterr().err
    assert "column5 (2 values such as 'bonafide', 'spoof'):\n    seqconv init . --label column5" in said
    config, frame, _ = draft(".", "--label", "column5")
    assert frame.set_index("column2").loc["LA_T_3", config.target.column] == "spoof"


def test_transcripts_are_no_table_of_the_recordings(here, draft):
    for speaker in ("anna", "bob"):
        for row in range(6):
            record(here / "speech" / speaker / f"{speaker}-{row // 3}-{row}.flac", row + 6 * (speaker == "bob"))
        for chapter in (0, 1):
            lines = [f"{speaker}-{chapter}-{row} HELLO YOU" for row in range(3 * chapter, 3 * chapter + 3)]
            write(here / "speech" / speaker / f"{chapter}.trans.txt", *lines)
    _, frame, said = draft("speech")
    assert frame.groupby("label").size().to_dict() == {"anna": 6, "bob": 6}
    assert "not used, since they are neither recordings nor arrays: 4 .txt" in said


KINDS, WHO, TAKES = ("run", "sit"), (1, 12), range(4)
FIELDS = [
    # Paths, and what is found as label and group in the last.
    ([f"Actor_{who:02d}/03-01-{kind:02d}-01-{who:02d}.wav" for who in range(1, 5) for kind in (3, 4)], ("04", "04")),
    ([f"{word}_{take}.wav" for word in ("dog", "car_horn") for take in TAKES], ("car_horn", None)),
    ([f"{kind}{take}.npy" for kind in KINDS for take in range(4, 14)], ("sit", None)),
    ([f"{kind}/subject{who}/{take}.npy" for kind in KINDS for who in WHO for take in TAKES], ("sit", "12")),
    ([f"subject{who}/{kind}/{take}.npy" for who in WHO for kind in KINDS for take in TAKES], ("sit", "12")),
    (
        [f"s/{part}_audio/{kind}_{take}.wav" for part in ("train", "dev") for kind in KINDS for take in TAKES],
        ("sit", None),
    ),
]


@pytest.mark.parametrize(("paths", "last"), FIELDS)
def test_the_only_field_of_names_that_can_be_the_label(paths, last):
    labels = find_labels(Place(Path("x")), [PurePosixPath(path) for path in paths])
    found = re.search(labels.pattern, paths[-1]).groupdict()
    assert (found["label"], found.get("group")) == last
    assert all(re.search(labels.pattern, path) for path in paths)
    assert labels.said[0].startswith("LOOK AT THIS: the labels are taken from the paths: 2 classes such as")


def test_folders_of_classes_need_no_pattern():
    splits = [f"wav/{part}{number}.flac" for part in ("train", "test") for number in range(4)]
    plain = [f"{name}/{name}.{take:05d}.wav" for name in ("blues", "rock") for take in range(4)]
    prompts = [f"{language}/{word}.ogg" for language in ("it", "ru") for word in ("yes", "no", "7")]
    for paths in (plain, prompts, splits, ["a.wav", "b/c.wav"], ["night1.wav", "night2.wav"]):
        assert find_labels(Place(Path("x")), [PurePosixPath(path) for path in paths]) is None


def test_arrays_of_all_sequences_become_files_by_the_line_that_is_printed(here, draft, capsys):
    rng = np.random.default_rng(0)
    np.save("X.npy", rng.normal(size=(24, 3, 40)))
    np.save("y.npy", np.arange(24) % 2)
    assert init(["."]) == 2
    said = capsys.readouterr().err
    assert "'X' (24, 3, 40) holds all sequences in one array, and a config names a file for each" in said
    assert "this seems to be (cases, d, time), since 3 < 40" in said
    line = next(line.strip() for line in said.splitlines() if line.strip().startswith("python -c"))
    code = line.removeprefix('python -c "').removesuffix('"')
    subprocess.run([sys.executable, "-c", code], check=True)
    _, frame, said = draft("cases")
    assert frame.groupby("label").size().to_dict() == {"0": 12, "1": 12}
    assert "40 to 40 frames of 3 features" in said
    assert "configs/pickup_gesture.yaml is a recipe for 50 sequences" in said
    # One feature, in an archive.
    (here / "one").mkdir()
    np.savez(here / "one" / "walks.npz", X_train=np.ones((6, 9)), Y_train=np.arange(6), X_test=np.ones((3, 9)))
    for path in ("one", "one/walks.npz"):
        assert init([path]) == 2
        said = capsys.readouterr().err
        assert "'X_train' (6, 9) holds all sequences" in said
        assert "case[:, None]" in said
        assert "zip(np.load('one/walks.npz')['X_train'], np.load('one/walks.npz')['Y_train'])" in said


def test_tables_of_features_at_uneven_times_with_gaps(here, draft):
    rng = np.random.default_rng(0)
    for name in ("walk", "run"):
        for number in range(8):
            times, values = np.cumsum(rng.uniform(0.01, 0.03, 60)), rng.normal(size=(60, 2))
            cells = [f"{time:.4f},{x:.3f},{y:.3f}" for time, (x, y) in zip(times, values, strict=True)]
            cells[10:13] = [cell.replace(cell.split(",")[1], "", 1) for cell in cells[10:13]]
            write(here / "logs" / name / f"{number}.csv", "seconds_elapsed,x,y", *cells)
    config, _, said = draft("logs")
    assert config.features.columns == ("x", "y")
    assert (config.features.clock, config.features.missing) == ("seconds_elapsed", "interpolate")
    assert 45 <= config.features.resample <= 55
    assert "LOOK AT THIS: rows are at uneven times, in seconds: steps of 0.01 to 0.03" in said
    run = train(load_config("drafted.yaml", ["training.epochs=1", "evaluation.report=false"]), here / "run")
    assert run.model.num_features == 2


def test_levels_are_shown_with_both_readings(here, draft):
    for place, name in enumerate(("near", "far")):
        for number in range(10):
            (here / "distances" / name).mkdir(parents=True, exist_ok=True)
            samples = sounds()[10 * place + number] * (0.01, 1)[number % 2] * (number > 0)
            soundfile.write(here / "distances" / name / f"{number}.wav", samples, RATE)
            (here / "machines" / name).mkdir(parents=True, exist_ok=True)
            np.save(
                here / "machines" / name / f"{number}.npy",
                np.random.default_rng(number).normal(size=(50, 3)) * (1, 20)[place],
            )
    config, _, said = draft("distances")
    assert config.features.normalize == "recording"
    assert "levels differ much: the loudest tenth is 4" in said
    assert "0% of that is between classes" in said
    assert "normalize: train keeps the level" in said
    assert "It costs: no answers while a recording goes on (predict --stream)" in said
    config, _, said = draft("machines")
    assert config.features.normalize == "train"
    assert "100% of that is between classes" in said
    assert "Proposed: train, since levels differ between the classes" in said
    config, _, _ = draft("machines", "--set", "features.normalize=recording")
    assert config.features.normalize == "recording"


def test_data_directories_of_kaldi(here, draft, capsys):
    for row in range(8):
        record(here / "wav" / f"u{row}.wav", row)
    for part in ("all", "all_sp"):
        write(here / "data" / part / "wav.scp", *(f"u{row} wav/u{row}.wav" for row in range(8)))
        write(here / "data" / part / "utt2lang", *(f"u{row} {('en', 'fr')[row % 2]}" for row in range(8)))
    config, frame, _ = draft("data/all")
    # Kaldi's paths start where it was run.
    assert frame["path"].iloc[0] == str(here / "wav" / "u0.wav")
    assert frame[config.target.column].tolist() == ["en", "fr"] * 4
    assert init(["data"]) == 2
    assert "data directories of Kaldi: 'data/all', 'data/all_sp'. Say which are which split" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["logs", "logs/frames.csv"])
def test_a_table_with_a_frame_in_each_row(here, draft, place):
    rng = np.random.default_rng(0)
    rows, clock = [], 0.0
    for who in range(8):
        for what in ("walk", "run"):
            for _ in range(20 + who):
                clock += 0.05
                rows.append(f"{who},{what},{clock:.2f}," + ",".join(f"{value:.3f}" for value in rng.normal(size=3)))
    write(here / "logs" / "frames.csv", "user,activity,seconds_elapsed,x,y,z", *rows)
    write(here / "logs" / "readme.txt", "People who walk and run.")
    config, frame, said = draft(place)
    assert config.data.rows.by == ("user", "activity")
    assert (config.data.rows.order, config.features.frame_rate) == ("seconds_elapsed", 20)
    assert frame[["label", "group"]].iloc[[0, 15]].values.tolist() == [["walk", "0"], ["run", "7"]]
    assert len(frame) == 16
    assert "20 to 27 frames of 3 features" in said
    assert "LOOK AT THIS: each row is a frame; a sequence has equal cells in 'user', 'activity'" in said
    # The prediction does not know where the label changes.
    assert config.data.windows.seconds == 1
    run = train(load_config("drafted.yaml", ["training.epochs=1", "evaluation.report=false"]), here / "run")
    assert run.model.num_features == 3


def test_a_table_of_frames_without_names_of_columns(here, draft, capsys):
    rows = [f"{who},{what},{step},{step % 4}" for who in range(8) for what in ("walk", "run") for step in range(12)]
    write(here / "frames.txt", *rows)
    assert init(["."]) == 2
    said = capsys.readouterr().err
    assert (
        "'frames.txt' has a frame in each row, and no names of columns; its first row is '0', 'walk', '0', '0'" in said
    )
    assert "seqconv init . --set 'data.names=[NAME, NAME, NAME, NAME]'" in said
    config, frame, _ = draft(".", "--set", "data.names=[group, label, time, x]")
    assert (config.data.rows.by, config.data.rows.order) == (("group", "label"), "time")
    assert frame[["label", "group"]].iloc[15].tolist() == ["run", "7"]


def digits(folder):
    """AudioMNIST: numbers of speakers as folders, the digit at the beginning of the names."""
    for number, (who, digit, take) in enumerate((w, d, t) for w in (1, 2) for d in (0, 1, 2) for t in range(3)):
        record(folder / f"{who:02d}" / f"{digit}_{who:02d}_{take}.wav", number)


def days(folder):
    for number in range(8):
        record(folder / f"2024-05-0{number // 4 + 1}" / f"tape{number}.wav", number)


def half_splits(folder):
    for number in range(12):
        record(folder / ("train", "test", "extra")[number // 4] / f"{number}.wav", number)


def annotated_half(folder):
    for number in range(15):
        part = ("train", "test", "unlabeled")[number // 5]
        record(folder / "audio" / part / f"{number}.wav", number)
        write(folder / "annotations" / part / f"{number}.txt", f"0.05\t0.25\t{('dog', 'cat')[number % 2]}")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            digits,
            r"what is to be learned may stand in several places of the paths.*'02' in '02/0_02_0.wav'.*'0' in '02/0_0",
        ),
        (days, r"its sub-folders seem to be groups \('2024-05-01', '2024-05-02'\), not classes, and the names"),
        (half_splits, r"'train', 'test' are named like splits, and 'extra' like none. Leave these out: seqconv init"),
        (annotated_half, r"'train', 'test' are named like splits, and 'unlabeled' like none"),
    ],
)
def test_folders_that_may_not_be_classes_are_never_taken_in_silence(build, message, here, capsys):
    build(here / "data")
    assert init(["data"]) == 2
    assert re.search(message, capsys.readouterr().err, re.DOTALL)


def test_the_command_that_leaves_out_a_folder_works(here, draft, capsys):
    annotated_half(here / "data")
    assert init(["data"]) == 2
    command = shlex.split(capsys.readouterr().err.partition("Leave these out: seqconv init ")[2])
    config, frame, said = draft(*command)
    assert frame.groupby("split").size().to_dict() == {"test": 5, "train": 5}
    assert Path(config.data.events).name == "annotations"
    assert "not used, in other folders: 5 recordings, such as 'audio/unlabeled/10.wav'" in said


def test_a_table_of_recordings_that_are_not_there_is_no_table_of_frames(here, capsys):
    rows = [f"XC{number}.ogg,{'ab'[number // 8]},{number / 7:.3f},{1.5 * number}" for number in range(16)]
    write(here / "birds" / "train_metadata.csv", "filename,species,latitude,longitude", *rows)
    for path in ("birds", "birds/train_metadata.csv"):
        assert init([path]) == 2
    assert "there is no column 'path'" in capsys.readouterr().err


def test_a_table_of_more_recordings_than_are_compared_is_found_beside_them(here, draft):
    (here / "clips").mkdir()
    for row in range(1602):
        np.save(here / "clips" / f"{row}.npy", np.ones((4, 2)))
    write(here / "labels.csv", "file,mood", *(f"{row}.npy,{'ab'[row % 2]}" for row in range(1602)))
    config, frame, _ = draft("clips")
    assert frame[config.target.column].tolist()[:3] == ["a", "b", "a"]
    assert len(frame) == 1602


def test_of_tables_with_nothing_but_a_clock_it_is_the_feature(here, draft):
    for row in range(12):
        write(here / "t" / "ab"[row % 2] / f"{row}.csv", "time", *(str(step / 10) for step in range(20)))
    config, _, _ = draft("t")
    assert config.features.columns is None


@pytest.mark.parametrize("setting", ["data.root=null", "data.split_lists=null"])
def test_a_setting_may_be_none(here, draft, setting):
    for row in range(12):
        record(here / "w" / "ab"[row % 2] / f"{row}.wav", row)
    config, _, _ = draft("w", "--set", setting)
    assert config.data.root is config.data.split_lists is None


def test_what_is_set_is_what_is_described(here, draft, capsys):
    for row in range(12):
        record(here / "w" / f"{row}.wav", row)
    write(here / "w" / "m.csv", "path,label,cat", *(f"{row}.wav,{'ab'[row % 2]},{'xyz'[row % 3]}" for row in range(12)))
    config, _, said = draft("w", "--set", "target.column=cat", "--set", "features.hop_length=200")
    assert config.target.column == "cat"
    assert "3 classes: x (4), y (4), z (4)" in said
    assert config.features.hop_length == 200


def test_a_column_is_refused_where_events_have_the_labels(here, capsys):
    for row in range(6):
        record(here / "w" / f"{row}.wav", row)
        write(here / "w" / f"{row}.csv", "start,end,label", "0.1,0.2,dog", "0.2,0.3,cat")
    assert init(["w", "--label", "nonsense", "--output", "x.yaml"]) == 2
    assert "'nonsense' cannot be what is learned, as events have the labels" in capsys.readouterr().err


def test_archives_of_samples_are_drafted_by_a_setting(here, draft, capsys):
    name, build = MINIATURES["WebDataset"]
    build(here / name)
    manifest = f"webdataset:{name}/train-*.tar"
    assert init([manifest, "--output", "x.yaml"]) == 2
    assert f"seqconv init {name} --set 'data.manifest={manifest}'" in capsys.readouterr().err
    config, frame, said = draft(name, "--set", f"data.manifest={manifest}")
    assert config.features.kind == "log_mel"
    assert sorted(frame["label"].unique()) == ["0", "1"]
    assert "16 sequences" in said
