"""Data sets that packages hold: which packages, and what is made of them."""

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fetching.packages import Package
from seqconv.files import write_atomically, write_text

PLAID = ("sktime/datasets/data/PLAID/PLAID_TRAIN.ts", "sktime/datasets/data/PLAID/PLAID_TEST.ts")
WATCH = "seglearn/data/watch_dataset.npy"
WATCH_RATE = 50
PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
PROMPT_RATE = 8000
PROMPT_COLUMNS = ("id", "path", "label", "group", "split", "voice", "seconds")


@dataclass(frozen=True)
class DataSet:
    """A data set: its packages, the members of wheels that it needs, a note about origin and licence, and a maker.

    `make` is given the unpacked packages, in their order, and the folder to fill; it returns what to tell.
    """

    packages: Sequence[Package]
    members: Sequence[str]
    note: str
    make: Callable[[Sequence[Path], Path], str]


def make_plaid(sources: Sequence[Path], folder: Path) -> str:
    """Copy the two files of the archive, unchanged."""
    for name in PLAID:
        shutil.copyfile(sources[0] / name, folder / Path(name).name)
    return "537 training and 537 test sequences"


def make_watch(sources: Sequence[Path], folder: Path) -> str:
    """Write a `.npy` file `(time, 6)` for each recording, and a manifest with exercise, subject and arm."""
    # A pickle may run anything when it is loaded; the checksum of the package says that this is the known one.
    data: Any = np.load(sources[0] / WATCH, allow_pickle=True).item()
    rows = []
    for frames, number, subject, side in zip(data["X"], data["y"], data["subject"], data["side"], strict=True):
        exercise, arm = data["y_labels"][number], "right" if side else "left"
        name = f"{int(subject):02}_{arm}_{exercise}"
        path = folder / "signals" / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        values = np.asarray(frames, np.float32)
        write_atomically(path, lambda file, values=values: np.save(file, values))  # type: ignore[misc]
        seconds = f"{len(values) / WATCH_RATE:.2f}"
        rows.append((name, f"signals/{path.name}", exercise, int(subject), arm, seconds))
    _write_table(("id", "path", "exercise", "subject", "arm", "seconds"), sorted(rows), folder / "manifest.csv")
    return f"{len(rows)} recordings of {len({row[3] for row in rows})} people"


def make_voices(sources: Sequence[Path], folder: Path) -> str:
    """Write the spoken prompts as FLAC, and a manifest with the columns of data/prompts, all of the split test.

    Beside it, `known_gsm.csv` lists the test prompts of data/prompts, sent through GSM: what that alone does.
    """
    from make_prompts import WITHOUT_SPEECH

    rows, silent = [], 0
    for source, (voice, inside) in zip(sources, VOICES.items(), strict=True):
        language = voice[:2]
        sounds = source / "usr/share/asterisk/sounds" / inside
        for path in sorted(each for each in sounds.rglob("*") if each.suffix in (".gsm", ".wav")):
            group = path.relative_to(sounds).with_suffix("").as_posix()
            if group in WITHOUT_SPEECH or group.startswith("silence/"):
                silent += 1
                continue
            target = folder / language / f"{group}.flac"
            seconds = _write_flac(path.read_bytes(), target, is_gsm=path.suffix == ".gsm")
            where = target.relative_to(folder).as_posix()
            rows.append((f"{language}/{group}", where, language, group, "test", voice, seconds))
    _write_table(PROMPT_COLUMNS, sorted(rows), folder / "manifest.csv")
    counts = ", ".join(f"{sum(row[5] == voice for row in rows)} of {voice}" for voice in VOICES)
    known = _send_through_gsm(folder / "known_gsm")
    return f"{len(rows)} prompts ({counts}); {silent} without speech were left out; {known} of known voices, as GSM"


def _send_through_gsm(folder: Path) -> int:
    """Encode and decode the test prompts of data/prompts by GSM, list them beside the folder, and return how many."""
    import soundfile

    with (PROMPTS / "manifest.csv").open(encoding="utf-8", newline="") as file:
        prompts = [row for row in csv.DictReader(file) if row["split"] == "test"]
    rows = []
    for prompt in prompts:
        samples, _ = soundfile.read(PROMPTS / prompt["path"], dtype="int16")
        encoded = io.BytesIO()
        soundfile.write(encoded, samples, PROMPT_RATE, format="RAW", subtype="GSM610")
        target = folder / f"{prompt['id']}.flac"
        seconds = _write_flac(encoded.getvalue(), target, is_gsm=True)
        changed = {**prompt, "path": target.relative_to(folder.parent).as_posix(), "seconds": seconds}
        rows.append([changed[name] for name in PROMPT_COLUMNS])
    _write_table(PROMPT_COLUMNS, rows, folder.with_suffix(".csv"))
    return len(rows)


def _write_flac(content: bytes, target: Path, *, is_gsm: bool) -> str:
    """Write the recording, a WAV file or GSM, as FLAC; return its seconds, as a manifest has them."""
    import soundfile

    # Files of GSM have no header.
    form = {"format": "RAW", "subtype": "GSM610", "samplerate": PROMPT_RATE, "channels": 1} if is_gsm else {}
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16", **form)
    target.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(target, samples, rate, format="FLAC", subtype="PCM_16")
    return f"{len(samples) / rate:.6f}"


def _write_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], path: Path) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(table.getvalue(), path)


VOICES = {"it_IT_f_Menardi": "it_IT_f_Menardi", "fr_FR_f_Armelle": "fr", "es_CO_f_July": "es"}
"""Folder of each voice in its package; it begins with the language."""

SETS = {
    "plaid": DataSet(
        packages=[Package("sktime", "1.2.0", "dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae")],
        members=PLAID,
        note="""\
PLAID: which of eleven kinds of appliance draws this current? Unchanged files of the PyPI package sktime 1.2.0, which is
under the BSD 3-Clause License; the files state no licence of their own. Their headers name who made them: recorded by
J. Gao et al. (2014), edited by P. Schäfer and U. Leser (2017) for the UCR time series archive.
""",
        make=make_plaid,
    ),
    "watch": DataSet(
        packages=[Package("seglearn", "1.2.5", "ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd")],
        members=[WATCH],
        note="""\
Shoulder exercises with a smartwatch: acceleration (ax, ay, az) and rotation (wx, wy, wz), 50 values a second. Out of
the file watch_dataset.npy of the PyPI package seglearn 1.2.5, Copyright (c) 2018 David M. Burns, BSD 3-Clause License;
its README asks to cite D. Burns et al. (2018), arXiv:1802.01489. Changed: one .npy file a recording, as float32.
""",
        make=make_watch,
    ),
    "voices": DataSet(
        packages=[
            Package(
                "asterisk-prompt-it-menardi-wav",
                "1:1.4.22+mm20110907-3.1",
                "3094530d98f8758ac275572d59624c41f60969fef883f34f4886d144f3dfeb21",
                is_debian=True,
            ),
            Package(
                "asterisk-prompt-fr-armelle",
                "20070613-2.2",
                "162570b1a9b3512a98f06b89f60c7c17cf1b9b52297315adca9a4e5be728bea3",
                is_debian=True,
            ),
            Package(
                "asterisk-prompt-es-co",
                "0.20070403-2.1",
                "6702696e045514699e87dc8fb70f370717e5df91f821f7bec8dd0df1be008e83",
                is_debian=True,
            ),
        ],
        members=[],
        note="""\
Telephone prompts of three speakers who are not in data/prompts, out of Debian's packages. Changed: encoded as FLAC,
tones and silence left out, a manifest added.
Italian: asterisk-prompt-it-menardi-wav, Copyright 2006-2011 Marco Menardi and Paola Dal Zot, his wife, whose voice it
is; updates and further voices: http://www.voip.ammdomus.it. Creative Commons Attribution-ShareAlike 3.0 Italy.
French: asterisk-prompt-fr-armelle, voice of Armelle Desjardins, Copyright (C) 2006 Michel Gutierrez, a BSD licence.
Spanish: asterisk-prompt-es-co, voice of July E. Jiménez, Copyright (C) 2006 Avatar Ltda., GNU GPL version 2.
The folder known_gsm holds test prompts of data/prompts (see its LICENSE), encoded and decoded by GSM.
""",
        make=make_voices,
    ),
}
