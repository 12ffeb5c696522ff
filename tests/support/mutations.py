"""Damage done to files, the same for the same random numbers."""

import struct

import numpy as np

ABSURD = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def mutate(data: bytes, other: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """The name of a fault, and `data` with it; `other` is a file to splice in."""
    faults = (flip_bits, cut_off, splice, overwrite_header, drop_bytes, insert_bytes, repeat_bytes)
    fault = faults[rng.integers(len(faults))]
    damaged = fault(data, other, rng)
    for _ in range(rng.integers(3)):
        damaged = faults[rng.integers(len(faults))](damaged, other, rng)
    return fault.__name__, damaged


def flip_bits(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Some bits, half of the time in the first bytes, where the headers are."""
    values = np.frombuffer(data, np.uint8).copy()
    if not len(values):
        return data
    reach = min(len(values), 200 if rng.random() < 0.5 else len(values))
    places = rng.integers(reach, size=rng.integers(1, 20))
    values[places] ^= (1 << rng.integers(8, size=len(places))).astype(np.uint8)
    return values.tobytes()


def cut_off(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning, half of the time no more than a part of the header."""
    return data[: rng.integers(min(len(data), 100) + 1 if rng.random() < 0.5 else len(data) + 1)]


def splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of one file, then the end of another."""
    return data[: rng.integers(len(data) + 1)] + other[rng.integers(len(other) + 1) :]


def overwrite_header(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A field of 1, 2, 4 or 8 bytes at an even place among the first, set to an absurd number."""
    form = ("<B", "<H", "<I", ">I", ">H", "<Q")[rng.integers(6)]
    size = struct.calcsize(form)
    value = ABSURD[rng.integers(len(ABSURD))] % (1 << 8 * size)
    place = 2 * rng.integers(max(min(len(data), 120) // 2, 1))
    return data[:place] + struct.pack(form, value) + data[place + size :]


def drop_bytes(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    place = rng.integers(len(data) + 1)
    return data[:place] + data[place + rng.integers(1, 100) :]


def insert_bytes(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    place = rng.integers(len(data) + 1)
    return data[:place] + rng.bytes(int(rng.integers(1, 100))) + data[place:]


def repeat_bytes(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    first, stop = sorted(rng.integers(len(data) + 1, size=2))
    return data[:stop] + data[first:]
