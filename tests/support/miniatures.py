"""Miniatures of well-known collections: their folders, names and tables, with short recordings of real prompts."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import soundfile

from seqconv.data.manifest import load_manifest
from seqconv.features.audio.decoding import decode_audio

PROMPTS = Path(__file__).parents[2] / "data" / "prompts" / "manifest.csv"
RATE = 8000
SECONDS = 0.4


@dataclass
class Miniature:
    """What is right: labels, groups and folds of some rows, by a part of their paths; and the rows of splits."""

    labels: dict[str, str]
    splits: dict[str, int] | None = None
    groups: dict[str, str] = field(default_factory=dict)
    folds: dict[str, int] = field(default_factory=dict)
    # Seconds of each recording that are used; None: all.
    parts: tuple[float, float] | None = None
    # Whether events label it.
    events: bool = False
    # What is predicted, within the folder of the config; default: the file of the first recording of test.
    predicted: str | None = None


Build = Callable[[Path], Miniature]
# By the title of its section in docs/guides/datasets.md: the folder that its config names, and how it is made.
MINIATURES: dict[str, tuple[str, Build]] = {}


def miniature(title: str, folder: str) -> Callable[[Build], Build]:
    def register(build: Build) -> Build:
        MINIATURES[title] = folder, build
        return build

    return register


@cache
def sounds() -> list[np.ndarray]:
    """The beginnings of real prompts."""
    frame = load_manifest(PROMPTS)
    frame = frame[frame["seconds"].astype(float).between(0.8, 1.4)]
    return [decode_audio(path, sample_rate=RATE)[0][: int(SECONDS * RATE)] for path in frame["path"][::13][:48]]


def record(path: Path, number: int, **options) -> None:
    """Write one of the sounds, in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sounds()[number % len(sounds())], RATE, **options)


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def grid(*sizes: int) -> Iterator[tuple[int, ...]]:
    """A running number, and the places in a grid."""
    numbers = count()
    return ((next(numbers), *place) for place in np.ndindex(*sizes))


@miniature("ESC-50", "ESC-50-master")
def esc50(folder: Path) -> Miniature:
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for number, fold, kind in grid(5, 3):
        name = f"{fold + 1}-{100032 + number}-A-{kind}.wav"
        record(folder / "audio" / name, number)
        rows.append(f"{name},{fold + 1},{kind},{('dog', 'rooster', 'pig')[kind]},True,{100032 + number},A")
    write(folder / "meta" / "esc50.csv", *rows)
    first, last = {"1-100032-A-0": "dog", "5-100046-A-2": "pig"}, {"1-100032-A-0": 1, "5-100046-A-2": 5}
    return Miniature(first, None, folds=last)


@miniature("UrbanSound8K", "UrbanSound8K")
def urbansound8k(folder: Path) -> Miniature:
    rows = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for number, fold, kind in grid(10, 3):
        name = f"{100032 + fold}-{kind}-0-0.wav"
        record(folder / "audio" / f"fold{fold + 1}" / name, number)
        # Seconds of the recording that the slice was taken from, not of the slice.
        seconds, label = f"{20.5 + number},{24.5 + number}", ("siren", "drilling", "dog_bark")[kind]
        rows.append(f"{name},{100032 + fold},{seconds},1,{fold + 1},{kind},{label}")
    write(folder / "metadata" / "UrbanSound8K.csv", *rows)
    labels = {"fold1/100032-0": "siren", "fold10/100041-2": "dog_bark"}
    groups = {"fold1/100032-0": "100032"}
    return Miniature(labels, None, groups, {"fold10/100041-2": 10})


@miniature("Speech Commands", "speech_commands_v0.02")
def speech_commands(folder: Path) -> Miniature:
    listed: dict[str, list[str]] = {"testing": [], "validation": []}
    for number, kind, speaker in grid(3, 6):
        name = f"{('yes', 'no', 'up')[kind]}/{speaker:08x}_nohash_0.wav"
        record(folder / name, number)
        if speaker >= 4:
            listed["testing" if speaker == 4 else "validation"].append(name)
    for name, lines in listed.items():
        write(folder / f"{name}_list.txt", *lines)
    record(folder / "_background_noise_" / "pink_noise.wav", 1)
    labels = {"yes/00000000": "yes", "up/00000005": "up"}
    return Miniature(labels, {"train": 12, "valid": 3, "test": 3}, {"yes/00000004": "00000004"})


@miniature("RAVDESS", "RAVDESS")
def ravdess(folder: Path) -> Miniature:
    for number, actor, emotion in grid(6, 3):
        record(folder / f"Actor_{actor + 1:02d}" / f"03-01-{emotion + 3:02d}-01-01-01-{actor + 1:02d}.wav", number)
    return Miniature({"03-01-03-01-01-01-01": "03", "03-01-05-01-01-01-06": "05"}, None, {"Actor_06/": "06"})


@miniature("TIMIT", "TIMIT")
def timit(folder: Path) -> Miniature:
    for number, part, dialect, speaker in grid(2, 2, 4):
        where = folder / ("TRAIN", "TEST")[part] / f"DR{dialect + 1}" / f"{'FM'[speaker % 2]}CJ{part}{speaker}"
        record(where / "SA1.WAV", number, format="NIST")
        write(where / "SA1.PHN", "0 1600 h#", "1600 3200 sh")
        write(where / "SA1.TXT", "0 3200 She had your dark suit in greasy wash water all year.")
    labels = {"TRAIN/DR1/FCJ00": "F", "TEST/DR2/MCJ13": "M"}
    return Miniature(labels, {"test": 8}, {"TEST/DR2/MCJ13": "MCJ13"})


@miniature("Common Voice", "cv-corpus/en")
def common_voice(folder: Path) -> Miniature:
    header = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale\tsegment"
    numbers = count()
    for name, size in (("train", 8), ("dev", 4), ("test", 4)):
        rows = [header]
        for row in range(size):
            number = next(numbers)
            record(folder / "clips" / f"common_voice_en_{number}.mp3", number)
            # A sentence may begin with a quotation mark and never end with one.
            sentence = ('"Wait," he said.', '"Yes', "no", "It's 5\" long")[row % 4]
            gender = ("male_masculine", "female_feminine", "", "male_masculine", "female_feminine")[row % 5]
            rows.append(f"{name}{row // 2:04x}\tcommon_voice_en_{number}.mp3\t{sentence}\t2\t0\t\t{gender}\t\ten\t")
        write(folder / f"{name}.tsv", *rows)
    labels = {"common_voice_en_0.": "male_masculine", "common_voice_en_13.": "female_feminine"}
    return Miniature(labels, {"train": 6, "valid": 3, "test": 3}, {"common_voice_en_13.": "test0000"})


@miniature("FSD50K", "FSD50K")
def fsd50k(folder: Path) -> Miniature:
    numbers = count()
    for part, size in (("dev", 12), ("eval", 6)):
        rows = ["fname,labels,mids" + (",split" if part == "dev" else "")]
        for row in range(size):
            number = next(numbers)
            record(folder / f"FSD50K.{part}_audio" / f"{number}.wav", number)
            labels = ("Dog,Animal", "Cat,Animal", "Speech")[row % 3]
            split = f",{'val' if row >= 9 else 'train'}" if part == "dev" else ""
            rows.append(f'{number},"{labels}","/m/0{row}"{split}')
        write(folder / "FSD50K.ground_truth" / f"{part}.csv", *rows)
    labels = {"dev_audio/0.wav": "Dog,Animal", "eval_audio/17.wav": "Speech"}
    return Miniature(labels, {"train": 9, "valid": 3, "test": 6})


@miniature("AudioSet", "audioset")
def audioset(folder: Path) -> Miniature:
    for part, size in (("balanced_train", 10), ("eval", 6)):
        rows = [
            "# Segments csv created Sun Mar  5 10:54:31 2017",
            "# num_ytids=22160",
            "# YTID, start_seconds, end_seconds, positive_labels",
        ]
        for row in range(size):
            name = f"{'-' * (row % 3)}{part[0]}4gqARaEJE{row}"
            record(folder / part / f"{name}.flac", row + 10 * (part == "eval"))
            labels = ("/m/068hy,/m/07q6cd_,/m/0bt9lr", "/m/068hy,/m/01yrx", "/m/09x0r")[row % 3]
            rows.append(f'{name}, {30 + row}.000, {40 + row}.000, "{labels}"')
        write(folder / f"{part}_segments.csv", *rows)
    return Miniature({"eval/e4gqARaEJE0": "/m/068hy,/m/07q6cd_,/m/0bt9lr", "--b4gqARaEJE2": "/m/09x0r"}, None)


@miniature("Hugging Face AudioFolder", "emotions")
def hugging_face(folder: Path) -> Miniature:
    for part, size in (("train", 8), ("test", 4)):
        rows = ["file_name,label,transcription"]
        for row in range(size):
            record(folder / part / f"{row}.flac", row + 8 * (part == "test"))
            rows.append(f'{row}.flac,{("happy", "sad")[row % 2]},"well, yes"')
        write(folder / part / "metadata.csv", *rows)
    return Miniature({"train/0.flac": "happy", "test/3.flac": "sad"})


@miniature("AudioFolder with JSON Lines", "feelings")
def hugging_face_lines(folder: Path) -> Miniature:
    rows = []
    for row in range(12):
        record(folder / "data" / f"{row}.wav", row)
        rows.append(f'{{"file_name": "data/{row}.wav", "emotion": "{("happy", "sad")[row % 2]}"}}')
    write(folder / "metadata.jsonl", *rows)
    return Miniature({"data/0.wav": "happy", "data/11.wav": "sad"})


@miniature("LJSpeech", "LJSpeech-1.1")
def ljspeech(folder: Path) -> Miniature:
    rows = []
    for row in range(12):
        record(folder / "wavs" / f"LJ00{row % 3 + 1}-{row:04d}.wav", row)
        rows.append(f'LJ00{row % 3 + 1}-{row:04d}|"Dr. Who" said {row}, or so|"Doctor Who" said so')
    write(folder / "metadata.csv", *rows)
    return Miniature({"LJ001-0000": "LJ001", "LJ003-0011": "LJ003"})


@miniature("BirdCLEF", "birdclef-2024")
def birdclef(folder: Path) -> Miniature:
    rows = ["primary_label,secondary_labels,type,latitude,longitude,scientific_name,common_name,author,filename"]
    for number, kind, _ in grid(3, 6):
        bird = ("asbfly", "comior1", "zitcis1")[kind]
        name = f"{bird}/XC{134896 + number}.ogg"
        record(folder / "train_audio" / name, number)
        others = "['comior1', 'zitcis1']" if number == 0 else "[]"
        names = f"Muscicapa,Asian Brown Flycatcher,Person {number % 7},{name}"
        rows.append(f"{bird},\"{others}\",['call'],39.2,-1.5,{names}")
    write(folder / "train_metadata.csv", *rows)
    record(folder / "test_soundscapes" / "soundscape_1.ogg", 3)
    return Miniature({"XC134896": "asbfly", "XC134913": "zitcis1"}, None, {"XC134896": "Person 0"})


@miniature("Kaldi", "kaldi")
def kaldi_directory(folder: Path) -> Miniature:
    for part, size in (("train", 8), ("test", 4)):
        tables: dict[str, list[str]] = {"wav.scp": [], "segments": [], "utt2spk": [], "utt2lang": [], "text": []}
        for number in range(size):
            name = f"{part}{number // 2}-{number}"
            record(folder / "wav" / f"{name}.sph", number + 8 * (part == "test"), format="NIST")
            tables["wav.scp"].append(f"rec-{name} {folder / 'wav' / name}.sph")
            tables["segments"].append(f"{name} rec-{name} 0.05 {SECONDS - 0.05}")
            tables["utt2spk"].append(f"{name} {part}{number // 2}")
            tables["utt2lang"].append(f"{name} {('en', 'fr')[number % 2]}")
            tables["text"].append(f"{name} well yes and no")
        for file, lines in tables.items():
            write(folder / part / file, *lines)
    return Miniature(
        {"train0-0": "en", "test1-3": "fr"}, {"test": 4}, {"test1-3": "test1"}, parts=(0.05, SECONDS - 0.05)
    )


@miniature("lhotse", "lhotse")
def lhotse_cuts(folder: Path) -> Miniature:
    """As `CutSet.to_file` writes them, which a test in test_lhotse.py compares."""
    for part, size in (("train", 8), ("test", 4)):
        lines = []
        for number in range(size):
            name = f"{part}{number}"
            record(folder / "wav" / f"{name}.flac", number + 8 * (part == "test"))
            place = {"channel": 0, "recording_id": name, "start": 0.0, "duration": 0.3}
            emotion = {"emotion": ("calm", "glad")[number % 2]}
            supervision = {"id": name, **place, "text": "yes", "speaker": f"{part}{number // 2}", "custom": emotion}
            source = {"type": "file", "channels": [0], "source": f"wav/{name}.flac"}
            length = {"sampling_rate": RATE, "num_samples": int(SECONDS * RATE), "duration": SECONDS}
            recording = {"id": name, "sources": [source], **length, "channel_ids": [0]}
            cut = {"id": f"{name}-0", "start": 0.05, "duration": 0.3, "channel": 0, "supervisions": [supervision]}
            lines.append(json.dumps({**cut, "recording": recording, "type": "MonoCut"}) + "\n")
        with gzip.open(folder / f"cuts_{part}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(lines)
    right = {"train0.": "calm", "test3.": "glad"}
    return Miniature(right, {"test": 4}, {"train3.": "train1"}, parts=(0.05, 0.35))


@miniature("WebDataset", "shards")
def webdataset(folder: Path) -> Miniature:
    folder.mkdir(parents=True)
    for name, first in (("train-000", 0), ("train-001", 8), ("test-000", 16)):
        with tarfile.open(folder / f"{name}.tar", "w") as archive:
            for number in range(first, first + 8):
                sound = io.BytesIO()
                soundfile.write(sound, sounds()[number], RATE, format="FLAC")
                fields = json.dumps({"speaker": f"s{number // 2}", "seconds": SECONDS})
                for extension, content in (
                    ("flac", sound.getvalue()),
                    ("cls", str(number % 2).encode()),
                    ("json", fields.encode()),
                ):
                    info = tarfile.TarInfo(f"{number:06}.{extension}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    return Miniature({"000000.": "0", "000017.": "1"}, {"test": 8}, {"000009.": "s4"})


@miniature("DESED", "DESED")
def desed(folder: Path) -> Miniature:
    for part, size in (("train", 8), ("validation", 4)):
        rows = ["filename\tonset\toffset\tevent_label"]
        for row in range(size):
            name = f"Y{part[0]}{row}_30.000_40.000.wav"
            record(folder / "audio" / part / name, row + 8 * (part == "validation"))
            # Nothing happens in some recordings.
            rows.append(f"{name}\t" + (f"0.1\t0.3\t{('Dog', 'Speech')[row % 2]}" if row % 4 != 3 else "\t\t"))
        write(folder / "metadata" / f"{part}.tsv", *rows)
    return Miniature({}, None, events=True)


@miniature("BirdNET and Raven", "dawn")
def birdnet(folder: Path) -> Miniature:
    for row in range(12):
        record(folder / f"night{row}.wav", row)
        names = (
            "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tBegin Path\tCommon Name\tSpecies Code\tConfidence"
        )
        bird = ("Eurasian Wren\twinwre4", "Common Blackbird\teurbla")[row % 2]
        cells = f"1\tSpectrogram 1\t1\t0.0\t0.2\t/media/{folder.name}/night{row}.wav\t{bird}\t0.9"
        write(folder / f"night{row}.BirdNET.selection.table.txt", names, cells)
    return Miniature({}, None, events=True)


def signals(number: int, length: int, width: int = 3) -> np.ndarray:
    """Measurements `(length, width)` of something that moves."""
    rng, steps = np.random.default_rng(number), np.arange(length)[:, None]
    return (np.sin(steps * (0.3 + number % 3) + np.arange(width)) + rng.normal(size=(length, width)) / 10).round(6)


@miniature("WISDM", "WISDM_ar_v1.1")
def wisdm(folder: Path) -> Miniature:
    rows, clock = [], 49_105_962_326_000
    for number, user, piece in grid(9, 3):
        activity = ("Jogging", "Walking", "Jogging")[piece]
        clock += 600_000_000_000
        for values in signals(number, 12 + number % 5):
            clock += 50_000_000
            rows.append(f"{user + 1},{activity},{clock}," + ",".join(map(str, values)) + ";")
    # As it is: a value is missing, an empty line, and two rows in one line.
    rows[5] = rows[5].rpartition(",")[0] + ",;"
    rows[20:22] = [rows[20] + rows[21], ""]
    write(folder / "WISDM_ar_v1.1_raw.txt", *rows)
    labels = {"/1/Jogging/0": "Jogging", "/9/Walking": "Walking"}
    return Miniature(labels, None, {"/9/Jogging/1": "9"})


@miniature("PAMAP2", "PAMAP2_Dataset")
def pamap2(folder: Path) -> Miniature:
    for subject in range(6):
        rows, clock = [], 5.0
        for piece, activity in enumerate((0, 1, 0, 2, 0, 1)):
            for step, values in enumerate(signals(subject + activity, 20 + piece, 51)):
                clock += 0.01
                # The heart rate comes at a lower rate, and what the radio loses is NaN.
                cells = [f"{clock:.2f}", activity, 100 + step if step % 11 == 0 else "NaN", *values.tolist()]
                cells[20:23] = ["NaN"] * 3 if step == 7 else cells[20:23]
                rows.append(" ".join(map(str, cells)))
        write(folder / "Protocol" / f"subject10{subject + 1}.dat", *rows)
    write(folder / "readme.txt", "PAMAP2")
    return Miniature({"subject101/1/0": "1", "subject106/2": "2"}, None, {"subject103/1/1": "103"})


@miniature("UCI HAR", "UCI HAR Dataset")
def uci_har(folder: Path) -> Miniature:
    kinds = ("body_acc", "body_gyro", "total_acc")
    for part, size in (("train", 12), ("test", 6)):
        cases = [signals(number + 50 * (part == "test"), 128, 9) for number in range(size)]
        for channel in range(9):
            name = f"{kinds[channel // 3]}_{'xyz'[channel % 3]}_{part}.txt"
            lines = ["".join(f"{value:16.7e}" for value in case[:, channel]) for case in cases]
            write(folder / part / "Inertial Signals" / name, *lines)
        write(folder / part / f"y_{part}.txt", *(str(1 + number % 2) for number in range(size)))
        first = 21 if part == "test" else 1
        write(folder / part / f"subject_{part}.txt", *(str(first + number // 2) for number in range(size)))
        write(folder / part / f"X_{part}.txt", *("  0.1 0.2" for _ in range(size)))
    write(folder / "activity_labels.txt", "1 WALKING", "2 WALKING_UPSTAIRS")
    where = f"channels:{folder.name}/test/Inertial Signals"
    return Miniature(
        {"train/0": "WALKING", "test/5": "WALKING_UPSTAIRS"}, {"test": 6}, {"train/11": "6"}, predicted=where
    )


@miniature("UCR archive", "GunPoint")
def ucr(folder: Path) -> Miniature:
    for part, size in (("TRAIN", 10), ("TEST", 6)):
        lines = []
        for number in range(size):
            values = [
                *signals(number + 50 * (part == "TEST"), 15 + number % 4, 1)[:, 0].tolist(),
                *["NaN"] * (3 - number % 4),
            ]
            lines.append("\t".join(map(str, [1 + number % 2, *values])))
        write(folder / f"GunPoint_{part}.tsv", *lines)
    return Miniature({"train/0": "1", "test/5": "2"}, {"test": 6})


@miniature("UEA archive", "BasicMotions")
def uea(folder: Path) -> Miniature:
    for part, size in (("TRAIN", 10), ("TEST", 6)):
        lines = ["@relation BasicMotions", "@attribute relationalAtt relational"]
        lines += [f"\t@attribute att{number} numeric" for number in range(20)]
        lines += ["@end relationalAtt", "@attribute activity {Standing,Running}", "@data"]
        for number in range(size):
            dimensions = [",".join(map(str, row)) for row in signals(number + 50 * (part == "TEST"), 20, 6).T]
            lines.append('"' + "\\n".join(dimensions) + f'",{("Standing", "Running")[number % 2]}')
        write(folder / f"BasicMotions_{part}.arff", *lines)
    return Miniature({"train/0": "Standing", "test/5": "Running"}, {"test": 6})
