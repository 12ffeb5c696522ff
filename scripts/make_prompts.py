"""Build data/prompts: telephone prompts in five languages, out of Debian's asterisk-core-sounds packages.

The recordings come from five packages (version 1.6.1); fetch and unpack them first:

    for language in en es fr it ru; do apt-get download asterisk-core-sounds-$language-wav; done
    for package in asterisk-core-sounds-*.deb; do dpkg -x $package prompts_source; done
    python scripts/make_prompts.py --source prompts_source --output data/prompts

The output holds manifest.csv, one folder of recordings per language and LICENSE. The same source gives the same bytes.
With --lengths FILE, no recordings are written, but a table of how long all of them are, in frames:

    python scripts/make_prompts.py --source prompts_source --lengths data/prompts/lengths.csv

With --compose, the prompts of data/prompts are joined, with silence and noise, into long recordings with a table of
events: data/composed, which configs/events.yaml is trained on. This needs no other source.

    python scripts/make_prompts.py --compose

With --compose-digits, the digits among them are joined into strings, each labeled by what it says: data/digit_strings,
which configs/ctc.yaml is trained on.

    python scripts/make_prompts.py --compose-digits
"""

import argparse
import csv
import io
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

import soundfile
from rich.progress import track

from seqconv.errors import ManifestError

DATA = Path(__file__).parents[1] / "data"
LANGUAGES = ("en", "es", "fr", "it", "ru")
SUBSET_BYTES = 14_300_000
SHORT_FAMILIES = ("letters", "digits", "phonetic")
LONG_SECONDS = 30.0
# Tones and animal cries: nothing in them is spoken, so they have no language. --all keeps them, and says which.
WITHOUT_SPEECH = (
    "ascending-2tone",
    "beep",
    "beeperr",
    "confbridge-join",
    "confbridge-leave",
    "descending-2tone",
    "tt-monkeys",
)
# libsndfile's scale from 0 (best) to 1 (smallest); 0.9 is Vorbis quality 1.
VORBIS_COMPRESSION = 0.9
COLUMNS = ("id", "path", "label", "group", "split", "voice", "seconds")
SAMPLE_RATE = 8000
HOP_LENGTH = 80
NOTICE = """\
Telephone prompts in English, Spanish, French, Italian and Russian

Source:   Debian packages asterisk-core-sounds-{{en,es,fr,it,ru}}-wav, version 1.6.1-1;
          upstream http://downloads.asterisk.org/pub/telephony/asterisk/
Speakers: Allison Smith (en, es), June Wallack (fr), Carlo Flora (it), provided by Maxim Topal, ivrvoice.ru (ru)
Licences: Creative Commons Attribution-ShareAlike 3.0 (CC-BY-SA-3.0) for en, es and fr,
          https://creativecommons.org/licenses/by-sa/3.0/
          Creative Commons Attribution 3.0 (CC-BY-3.0) for it and ru,
          https://creativecommons.org/licenses/by/3.0/
Changes:  the original work has been modified: {changes}
          manifest.csv was added and is under CC-BY-SA-3.0 too.

What follows is the packages' own copyright file, verbatim: the credits and the full text of both licences.

"""


@dataclass(frozen=True)
class Prompt:
    """One recording of the source: what is said (`group`, the same in every language) and who says it."""

    source: Path
    language: str
    voice: str
    group: str
    seconds: float

    @property
    def id(self) -> str:
        """Unique in the corpus, for example `en/digits/1`."""
        return f"{self.language}/{self.group}"

    @property
    def num_frames(self) -> int:
        """Frames of log-mel features as `extract_features` counts them, 100 a second."""
        return 1 + round(self.seconds * SAMPLE_RATE) // HOP_LENGTH


def find_prompts(source: Path) -> list[Prompt]:
    """All prompts below `source`, those with no frames included, without the `silence` folders.

    Raises:
        ManifestError: A language is missing.
    """
    sounds = source / "usr" / "share" / "asterisk" / "sounds"
    voices = {language: sorted(sounds.glob(f"{language}_*")) for language in LANGUAGES}
    missing = [f"asterisk-core-sounds-{language}-wav" for language in LANGUAGES if not voices[language]]
    if missing:
        raise ManifestError(
            f"'{source}' does not hold the recordings of {', '.join(missing)} (looked for {sounds}/LANGUAGE_*). "
            f"Fetch them with 'apt-get download {' '.join(missing)}' "
            f"and unpack each with 'dpkg -x FILE.deb {source}'."
        )
    prompts = []
    for language in LANGUAGES:
        for voice in voices[language]:
            for path in sorted(voice.rglob("*.wav")):
                name = path.relative_to(voice).with_suffix("")
                if "silence" not in name.parts:
                    seconds = soundfile.info(path).duration
                    prompts.append(Prompt(path, language, voice.name, name.as_posix(), seconds))
    return prompts


def hash_fraction(text: str) -> float:
    """A number in [0, 1) that is always the same for the same text.

    >>> hash_fraction("digits/1") == hash_fraction("digits/1")
    True
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64


def choose_split(group: str) -> str:
    """Train, valid or test (70/10/20) of a group, the same for all its recordings.

    >>> choose_split("digits/1") in ("train", "valid", "test")
    True
    """
    fraction = hash_fraction(f"seqconv:{group}")
    return "train" if fraction < 0.7 else "valid" if fraction < 0.8 else "test"


def order_groups(prompts: Sequence[Prompt]) -> list[list[Prompt]]:
    """Whole groups in the order in which the subset takes them: short families, long prompts, the rest by hash."""

    def rank(group: str, members: list[Prompt]) -> tuple[int, float]:
        if group.split("/")[0] in SHORT_FAMILIES:
            return 0, hash_fraction(group)
        is_long = max(prompt.seconds for prompt in members) > LONG_SECONDS
        return (1 if is_long else 2), hash_fraction(group)

    by_name = sorted(prompts, key=lambda prompt: (prompt.group, prompt.language))
    groups = {group: list(members) for group, members in groupby(by_name, key=lambda prompt: prompt.group)}
    return [groups[name] for name in sorted(groups, key=lambda name: rank(name, groups[name]))]


def encode_flac(source: Path) -> bytes:
    """The recording as FLAC, which loses nothing."""
    samples, sample_rate = soundfile.read(source, dtype="int16")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def encode_vorbis(source: Path) -> bytes:
    """The recording as Ogg Vorbis, the same bytes every time."""
    samples, sample_rate = soundfile.read(source, dtype="int16")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, format="OGG", subtype="VORBIS", compression_level=VORBIS_COMPRESSION)
    return fix_ogg_serial(buffer.getvalue())


def fix_ogg_serial(stream: bytes, serial: int = 1) -> bytes:
    """Replace the random serial number of an Ogg stream (RFC 3533, section 6), and with it each page's checksum."""
    pages = []
    start = 0
    while start < len(stream):
        num_segments = stream[start + 26]
        end = start + 27 + num_segments + sum(stream[start + 27 : start + 27 + num_segments])
        page = bytearray(stream[start:end])
        page[14:18] = struct.pack("<I", serial)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", _ogg_checksum(bytes(page)))
        pages.append(bytes(page))
        start = end
    return b"".join(pages)


_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_checksum(page: bytes) -> int:
    # Ogg's CRC-32 runs over the bits in the opposite order to zlib's, and starts and ends with no inversion.
    mirrored = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def encode_subset(prompts: Sequence[Prompt]) -> Iterator[tuple[Prompt, bytes]]:
    """Whole groups as Ogg Vorbis, until `SUBSET_BYTES` are full."""
    spoken = [prompt for prompt in prompts if prompt.group not in WITHOUT_SPEECH]
    total = 0
    for members in track(order_groups(spoken), description="encoding groups"):
        streams = [encode_vorbis(prompt.source) for prompt in members]
        total += sum(map(len, streams))
        if total > SUBSET_BYTES:
            return
        yield from zip(members, streams, strict=True)


def encode_all(prompts: Sequence[Prompt]) -> Iterator[tuple[Prompt, bytes]]:
    """Every prompt as FLAC."""
    for prompt in track(prompts, description="encoding"):
        yield prompt, encode_flac(prompt.source)


def find_sounding(source: Path) -> list[Prompt]:
    """All prompts below `source` that hold frames; says which do not."""
    prompts = find_prompts(source)
    for prompt in prompts:
        if prompt.seconds == 0:
            print(f"left out: '{prompt.id}' ({prompt.source.name}) holds no frames")
    return [prompt for prompt in prompts if prompt.seconds > 0]


def write_lengths(source: Path, path: Path) -> int:
    """Write the columns `id` and `num_frames` of all prompts that hold frames; return how many these are."""
    prompts = sorted(find_sounding(source), key=lambda prompt: prompt.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "num_frames"))
        writer.writerows((prompt.id, prompt.num_frames) for prompt in prompts)
    return len(prompts)


def write_prompts(source: Path, folder: Path, *, keep_all: bool) -> list[dict[str, str]]:
    """Write recordings, manifest and licence into `folder`; return the rows of the manifest."""
    prompts = find_sounding(source)
    suffix = ".flac" if keep_all else ".ogg"
    rows = []
    for prompt, stream in encode_all(prompts) if keep_all else encode_subset(prompts):
        path = folder / f"{prompt.id}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stream)
        values = (prompt.id, prompt.id + suffix, prompt.language, prompt.group, choose_split(prompt.group))
        row = dict(zip(COLUMNS, (*values, prompt.voice, f"{prompt.seconds:.6f}"), strict=True))
        rows.append({**row, "spoken": "no" if prompt.group in WITHOUT_SPEECH else "yes"} if keep_all else row)
    rows.sort(key=lambda row: row["id"])
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    changes = "encoded as FLAC." if keep_all else "a part of the prompts was chosen and encoded as Ogg Vorbis."
    copyright_file = source / "usr/share/doc/asterisk-core-sounds-en-wav/copyright"
    licence = NOTICE.format(changes=changes) + copyright_file.read_text(encoding="utf-8")
    (folder / "LICENSE").write_text(licence, encoding="utf-8")
    return rows


def summarize(rows: Sequence[dict[str, str]], output: Path) -> str:
    """Describe the written files, one line per language."""
    lines = [f"{len(rows)} recordings, {sum(path.stat().st_size for path in output.rglob('*.*')) / 1e6:.1f} MB"]
    for language in LANGUAGES:
        mine = [row for row in rows if row["label"] == language]
        seconds = sorted(float(row["seconds"]) for row in mine)
        splits = [sum(row["split"] == split for row in mine) for split in ("train", "valid", "test")]
        median = seconds[len(seconds) // 2]
        lines.append(
            f"  {language}: {len(mine)} (train/valid/test {'/'.join(map(str, splits))}), "
            f"{sum(seconds) / 60:.1f} min, median {median:.2f} s, longest {seconds[-1]:.1f} s"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Build the folder; 0 when it stands, 2 when the source or the output cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="folder into which the packages were unpacked")
    output_options = parser.add_mutually_exclusive_group()
    output_options.add_argument("--output", type=Path, metavar="DIR", help="folder to make; it must not exist yet")
    output_options.add_argument("--lengths", type=Path, metavar="FILE", help="table of the frames of all recordings")
    parser.add_argument("--all", action="store_true", help="keep the whole corpus, lossless (FLAC, about 82 MB)")
    composing = parser.add_argument_group("long recordings")
    composing.add_argument("--compose", action="store_true", help="join prompts into long recordings with events")
    composing.add_argument("--minutes", type=float, default=10.0, help="length of a recording (default: 10)")
    composing.add_argument("--recordings", type=int, default=18, metavar="N", help="how many (default: 18)")
    digits = parser.add_argument_group("strings of digits")
    digits.add_argument("--compose-digits", action="store_true", help="join recorded digits into labeled strings")
    digits.add_argument("--strings", type=int, default=1600, metavar="N", help="how many (default: 1600)")
    arguments = parser.parse_args(argv)
    if arguments.compose and arguments.compose_digits:
        parser.error("--compose and --compose-digits make different folders: give one of them")
    if arguments.compose or arguments.compose_digits:
        arguments.source = arguments.source or DATA / "prompts"
        arguments.output = arguments.output or DATA / ("composed" if arguments.compose else "digit_strings")
    if arguments.source is None or not (arguments.output or arguments.lengths):
        parser.error("--source and one of --output and --lengths are needed, or --compose or --compose-digits")
    output: Path = arguments.output or arguments.lengths
    try:
        if arguments.lengths:
            print(f"{output}: {write_lengths(arguments.source, output)} recordings")
            return 0
        if output.exists():
            raise ManifestError(f"'{output}' exists already. Remove it, or name another folder with --output.")
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
            folder = Path(scratch) / "prompts"
            folder.mkdir()
            if arguments.compose:
                from prompts.composition import compose

                told = compose(arguments.source, folder, minutes=arguments.minutes, num_recordings=arguments.recordings)
            elif arguments.compose_digits:
                from prompts.digit_strings import compose_digits

                told = compose_digits(arguments.source, folder, num_strings=arguments.strings)
            else:
                told = summarize(write_prompts(arguments.source, folder, keep_all=arguments.all), folder)
            folder.rename(output)
    except ManifestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{output}: {told}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
