"""Long recordings out of short prompts: silence, noise, and a table of what is said when."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError
from seqconv.files import write_atomically, write_text

Samples = npt.NDArray[np.float32]
SAMPLE_RATE = 8000
LONGEST_PROMPT = 30.0
SPOKEN_SHARE = 0.45
SHORTEST_PAUSE = 0.3
SILENT_PAUSES = 0.3
NOISE_DECIBELS = (-62.0, -42.0)
LANGUAGES = ("en", "es", "fr", "it", "ru")
_FADE = 80


@dataclass(frozen=True)
class Piece:
    """A prompt: what is said in it from when to when, in seconds from its beginning."""

    id: str
    path: str
    language: str
    seconds: float
    start: float
    end: float


@dataclass(frozen=True)
class Composed:
    """A recording: its name, the split of its prompts, and these in order."""

    name: str
    split: str
    pieces: list[Piece]


def compose(source: Path, folder: Path, *, minutes: float, num_recordings: int) -> str:
    """Write recordings of `minutes`, manifest.csv and events.csv into a folder; returns a line about them.

    Each recording has prompts of one split and of three languages, each prompt at most once; pauses between them are
    silent or hold the noise that lies under the whole recording. An event is a prompt without the silence at its ends.
    The same prompts give the same bytes.

    Args:
        source: a folder as `make_prompts.py` writes it.
        folder: must not exist.

    Raises:
        ManifestError: too few recordings or minutes.
    """
    from rich.progress import track

    plan = plan_recordings(read_pieces(source), num_recordings, minutes * 60)
    manifest: list[Sequence[object]] = [("id", "path", "split", "seconds")]
    events: list[Sequence[object]] = [("path", "start", "end", "label")]
    for number, recording in enumerate(track(plan, "composing", transient=True)):
        samples, placed = join_pieces(recording.pieces, minutes * 60, np.random.default_rng([7, number]))
        path = f"{recording.name}.flac"
        write_flac(samples, folder / path)
        manifest.append((recording.name, path, recording.split, f"{minutes * 60:g}"))
        events += [(path, f"{start:.2f}", f"{end:.2f}", language) for start, end, language in placed]
    for name, rows in (("manifest.csv", manifest), ("events.csv", events)):
        table = io.StringIO(newline="")
        csv.writer(table, lineterminator="\n").writerows(rows)
        write_text(table.getvalue(), folder / name)
    licence = source / "LICENSE"
    if licence.is_file():
        told = (
            "Changes:  prompts were joined, with silence and noise, into long recordings; what follows is their own.\n"
        )
        write_text(f"{told}\n{licence.read_text(encoding='utf-8')}", folder / "LICENSE")
    return f"{len(plan)} recordings of {minutes:g} minutes, {len(events) - 1:,} events"


def read_pieces(source: Path) -> dict[str, list[Piece]]:
    """The prompts of each split, in an order that does not depend on their names."""
    from seqconv.data.manifest import load_manifest

    frame = load_manifest(source / "manifest.csv")
    spoken = _read_speech(source / "speech.csv")
    pieces: dict[str, list[Piece]] = {"train": [], "valid": [], "test": []}
    for row in frame.sort_values("id", key=lambda ids: ids.map(_digest)).to_dict("records"):
        seconds = float(row["seconds"])
        start, end = spoken.get(row["id"], (0.0, seconds))
        if seconds <= LONGEST_PROMPT:
            pieces[row["split"]].append(Piece(row["id"], row["path"], row["label"], seconds, start, min(end, seconds)))
    return pieces


def plan_recordings(pieces: Mapping[str, Sequence[Piece]], count: int, seconds: float) -> list[Composed]:
    """Choose the prompts of each recording."""
    sizes = {"valid": max(1, round(count / 9)), "test": max(1, round(2 * count / 9))}
    sizes = {"train": count - sum(sizes.values()), **sizes}
    if sizes["train"] < 1:
        raise ManifestError(f"--recordings {count} is too few for train, valid and test: give at least 3")
    plan: list[Composed] = []
    for split, size in sizes.items():
        numbers = range(len(plan), len(plan) + size)
        for number in numbers:
            chosen: list[Piece] = []
            for language in languages_of(number):
                sharing = [other for other in numbers if language in languages_of(other)]
                mine = [piece for piece in pieces[split] if piece.language == language]
                chosen += mine[sharing.index(number) :: len(sharing)]
            plan.append(Composed(f"{split}{number - numbers[0]:02d}", split, _fill(chosen, seconds)))
    empty = [recording.name for recording in plan if not recording.pieces]
    if empty:
        raise ManifestError(
            f"recordings of {seconds / 60:g} minutes are too short for a prompt ({empty[0]}): raise --minutes"
        )
    return plan


def languages_of(number: int) -> list[str]:
    """Three of the five languages.

    >>> languages_of(0)
    ['es', 'it', 'ru']
    """
    return [name for place, name in enumerate(LANGUAGES) if place not in (number % 5, (number + 2) % 5)]


def join_pieces(
    pieces: Sequence[Piece], seconds: float, generator: np.random.Generator
) -> tuple[Samples, list[tuple[float, float, str]]]:
    """The samples of a recording, and start, end and language of each event."""
    from seqconv.features.audio.decoding import decode_audio

    length = round(seconds * SAMPLE_RATE)
    order = generator.permutation(len(pieces))
    sounds = [decode_audio(pieces[place].path, sample_rate=SAMPLE_RATE)[0] for place in order]
    free = length - sum(map(len, sounds)) - (len(sounds) + 1) * round(SHORTEST_PAUSE * SAMPLE_RATE)
    shares = generator.exponential(size=len(sounds) + 1)
    pauses = round(SHORTEST_PAUSE * SAMPLE_RATE) + np.floor(free * shares / shares.sum()).astype(int)
    level = 10 ** (generator.uniform(*NOISE_DECIBELS) / 20)
    noise, gains = colored_noise(length, generator) * level, np.ones(length, np.float32)
    samples, events, place = np.zeros(length, np.float32), list[tuple[float, float, str]](), 0
    for pause, sound, piece in zip(pauses, sounds, (pieces[number] for number in order), strict=False):
        if generator.random() < SILENT_PAUSES:
            gains[place : place + pause] = 0
        place += int(pause)
        samples[place : place + len(sound)] = sound
        begin = place / SAMPLE_RATE
        events.append((begin + piece.start, begin + piece.end, piece.language))
        place += len(sound)
    smooth = np.convolve(gains, np.full(_FADE, 1 / _FADE, np.float32), "same")
    return np.clip(samples + noise * smooth, -1, 1).astype(np.float32), events


def _fill(pieces: Sequence[Piece], seconds: float) -> list[Piece]:
    """As many as leave room for pauses; each in its turn, so that no language is left to the end."""
    left, chosen = SPOKEN_SHARE * seconds, list[Piece]()
    for piece in sorted(pieces, key=lambda piece: _digest(piece.id)):
        if piece.seconds + SHORTEST_PAUSE <= left:
            left -= piece.seconds + SHORTEST_PAUSE
            chosen.append(piece)
    return chosen


def colored_noise(length: int, generator: np.random.Generator) -> Samples:
    """Noise of unit deviation between white and pink."""
    spectrum = np.fft.rfft(generator.normal(size=length))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** (generator.uniform(0, 1) / 2)
    noise = np.fft.irfft(spectrum, length)
    scaled: Samples = (noise / noise.std()).astype(np.float32)
    return scaled


def _read_speech(path: Path) -> dict[str, tuple[float, float]]:
    """From the first to the last moment that each prompt is loud; nothing where no table says it."""
    if not path.is_file():
        return {}
    spoken: dict[str, tuple[float, float]] = {}
    for row in _rows(path):
        first, last = spoken.get(row["id"], (float(row["start"]), float(row["end"])))
        spoken[row["id"]] = min(first, float(row["start"])), max(last, float(row["end"]))
    return spoken


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def write_flac(samples: Samples, path: Path) -> None:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: soundfile.write(temporary, samples, SAMPLE_RATE, subtype="PCM_16"))


def _digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()
