"""Strings of digits out of recorded digits: joined, with silence and noise, each labeled by what it says."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prompts.composition import SAMPLE_RATE, Piece, Samples, colored_noise, read_pieces, write_flac
from seqconv.errors import ManifestError
from seqconv.files import write_text

DIGITS = "0123456789"
LENGTHS = (2, 12)
SHARES = {"train": 0.75, "valid": 0.1, "test": 0.15}
TEST_ONLY = {"test": 1.0}
PAUSES = (0.02, 0.5)
"""Shortest and longest pause between two digits, in seconds; before the first and behind the last they are longer."""
SILENT_SHARE = 0.3
NOISE_DECIBELS = (-62.0, -36.0)
GAIN_DECIBELS = (-8.0, 4.0)

Voice = Mapping[str, Piece]


@dataclass(frozen=True)
class DigitString:
    """A recording: its name, its split, who speaks, and what is said."""

    name: str
    split: str
    voice: str
    text: str


def compose_digits(source: Path, folder: Path, *, num_strings: int) -> str:
    """Write recordings of strings of 2 to 12 digits, and manifest.csv, into a folder; return a line about them.

    Each string is spoken in one language, and no two strings are the same: those of test are in no other split. The
    recordings of the single digits are, whatever their split in the source, because there is but one of each. Where all
    digits of the source are of test, as those of voices that nobody was trained on, all strings are. The same prompts
    give the same bytes.

    Args:
        source: a folder as `make_prompts.py` writes it.
        folder: exists.
        num_strings: of all splits together.

    Raises:
        ManifestError: no language has all ten digits, or there are too few strings.
    """
    from rich.progress import track

    voices, is_test = find_voices(source)
    plan = plan_strings(sorted(voices), num_strings, TEST_ONLY if is_test else SHARES)
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("id", "path", "label", "split", "language", "seconds"))
    total = 0.0
    for number, string in enumerate(track(plan, "composing", transient=True)):
        samples = join_digits(voices[string.voice], string.text, np.random.default_rng([11, number]))
        path, seconds = f"{string.name}.flac", len(samples) / SAMPLE_RATE
        write_flac(samples, folder / path)
        writer.writerow((string.name, path, string.text, string.split, string.voice, f"{seconds:.6f}"))
        total += seconds
    write_text(table.getvalue(), folder / "manifest.csv")
    licence = source / "LICENSE"
    if licence.is_file():
        told = "Changes:  recordings of digits were joined, with silence and noise; what follows is their own.\n"
        write_text(f"{told}\n{licence.read_text(encoding='utf-8')}", folder / "LICENSE")
    spoken = sum(len(string.text) for string in plan)
    return f"{len(plan)} strings of {spoken:,} digits, {total / 60:.0f} minutes, in {', '.join(sorted(voices))}"


def find_voices(source: Path) -> tuple[dict[str, Voice], bool]:
    """Find the recordings of the ten digits by language, and whether all of them are of test.

    Raises:
        ManifestError: no language has them all.
    """
    found: dict[str, dict[str, Piece]] = {}
    splits = set[str]()
    for split, piece in ((split, piece) for split, pieces in read_pieces(source).items() for piece in pieces):
        name = piece.id.removeprefix(f"{piece.language}/")
        if name.startswith("digits/") and name.removeprefix("digits/") in tuple(DIGITS):
            found.setdefault(piece.language, {})[name.removeprefix("digits/")] = piece
            splits.add(split)
    whole: dict[str, Voice] = {language: digits for language, digits in found.items() if len(digits) == len(DIGITS)}
    if not whole:
        raise ManifestError(f"'{source}' has no language with the ten prompts digits/0 to digits/9")
    return whole, splits == {"test"}


def plan_strings(voices: Sequence[str], count: int, shares: Mapping[str, float]) -> list[DigitString]:
    """Choose what each recording says, and in which language.

    Raises:
        ManifestError: fewer strings than there are splits.

    >>> plan = plan_strings(["en", "it"], 40, SHARES)
    >>> len({string.text for string in plan}), {len(string.text) for string in plan} <= set(range(2, 13))
    (40, True)
    """
    first, *others = shares
    if count < len(shares):
        raise ManifestError(f"--strings {count} is too few for {', '.join(shares)}: give at least {len(shares)}")
    sizes = {split: max(1, round(shares[split] * count)) for split in others}
    sizes = {first: count - sum(sizes.values()), **sizes}
    texts = _different_strings(np.random.default_rng(11))
    return [
        DigitString(f"{split}{number:04d}", split, voices[number % len(voices)], next(texts))
        for split, size in sizes.items()
        for number in range(size)
    ]


def _different_strings(generator: np.random.Generator) -> Iterator[str]:
    seen = set[str]()
    while True:
        # Of two digits there are but a hundred.
        text = "".join(generator.choice(list(DIGITS), size=generator.integers(LENGTHS[0], LENGTHS[1] + 1)))
        if text not in seen:
            seen.add(text)
            yield text


def join_digits(voice: Voice, text: str, generator: np.random.Generator) -> Samples:
    """Return the samples of a string: each digit without the silence at its ends, with pauses between them."""
    from seqconv.features.audio.decoding import decode_audio

    parts, gains = list[Samples](), list[Samples]()

    def pause(longest: float) -> None:
        length = round(generator.uniform(PAUSES[0], longest) * SAMPLE_RATE)
        parts.append(np.zeros(length, np.float32))
        gains.append(np.full(length, generator.random() >= SILENT_SHARE, np.float32))

    pause(2 * PAUSES[1])
    for digit in text:
        piece = voice[digit]
        sound, _ = decode_audio(piece.path, sample_rate=SAMPLE_RATE)
        spoken = sound[round(piece.start * SAMPLE_RATE) : round(piece.end * SAMPLE_RATE)]
        parts.append(spoken * np.float32(10 ** (generator.uniform(*GAIN_DECIBELS) / 20)))
        gains.append(np.ones(len(spoken), np.float32))
        pause(PAUSES[1])
    pause(2 * PAUSES[1])
    samples = np.concatenate(parts)
    noise = colored_noise(len(samples), generator) * 10 ** (generator.uniform(*NOISE_DECIBELS) / 20)
    return np.clip(samples + noise * np.concatenate(gains), -1, 1).astype(np.float32)
