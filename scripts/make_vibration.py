"""Build data/vibration: accelerometer signals of machines that turn, MADE UP by the formulas below, none measured.

    python scripts/make_vibration.py --output data/vibration

Two axes of an accelerometer on a bearing, 400 values a second, in thousandths of g. 36 machines at three sites turn
at 600 to 3,000 revolutions a minute, each recorded seven times for 0.8 to 6 seconds. A recording is the sum of

    the shaft      harmonics of the shaft's frequency, as strong as unbalance, misalignment and looseness of a machine
                   are; the second axis lags by a quarter turn; the speed wavers by a few tenths of a percent
    vanes          one tone at (number of vanes) x (shaft frequency), stronger under load
    the structure  both of them amplified near a resonance of the machine; and noise that it makes ring
    the site       hum of the mains at 50 or 60 Hz, which has nothing to do with the speed, and white noise
    the sensor     a low-pass at 180 Hz, whole numbers, a gain of each machine

Two sites store .npy of shape (time, 2), the third one CSV with the columns x and y. Machines, not recordings,
are cut into train, valid and test. The same arguments give the same numbers.
"""

import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seqconv.cli.terminal import report_errors
from seqconv.files import write_atomically, write_text

SAMPLE_RATE = 400
UNBALANCE = 0.25
"""Acceleration in g by which all amplitudes below are multiplied."""

HIGHEST_FREQUENCY = 180.0
RECORDINGS = 7
# Of the machines of a site.
SPLITS = ("train",) * 8 + ("valid",) * 2 + ("test",) * 2
# Of unbalance, misalignment, looseness: in some machines, not the shaft itself but its double is strongest.
HARMONICS = ((0.3, 1.0), (0.2, 0.9), (0.05, 0.6), (0.0, 0.4))
LOADS = (25, 50, 75, 100)
COLUMNS = ("id", "path", "rpm", "machine", "site", "load", "seconds", "split")
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Site:
    """Frequency and amplitude of its mains' hum, its noise, and the files that it stores."""

    name: str
    mains: float
    hum: float
    noise: float
    suffix: str


SITES = (
    Site("pumping station", mains=50.0, hum=0.10, noise=0.05, suffix=".npy"),
    Site("paper mill", mains=60.0, hum=0.15, noise=0.10, suffix=".npy"),
    Site("workshop", mains=50.0, hum=0.30, noise=0.08, suffix=".csv"),
)


@dataclass(frozen=True)
class Machine:
    """Properties that stay the same over the recordings of a machine."""

    name: str
    site: Site
    split: str
    harmonics: tuple[float, ...]
    vanes: int
    vane_amplitude: float
    resonance: float
    damping: float
    gain: float


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, metavar="DIR", help="an empty folder, or one that does not exist")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is drawn (default: 0)")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    output = Path(arguments.output)
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for number, machine in enumerate(draw_machines(arguments.seed)):
        for recording in range(RECORDINGS):
            rng = np.random.default_rng([arguments.seed, number, recording])
            rpm, load, seconds = draw_conditions(rng)
            name = f"{machine.name}_{recording}"
            path = Path("signals", f"{name}{machine.site.suffix}")
            write_signal(output / path, make_signal(machine, rpm, load, seconds, rng))
            site = machine.site.name
            writer.writerow(
                (name, path.as_posix(), f"{rpm:.1f}", machine.name, site, load, f"{seconds:.2f}", machine.split)
            )
            count += 1
    write_text(table.getvalue(), output / "manifest.csv")
    print(f"{count} recordings of {number + 1} machines; wrote {output}")
    return 0


def draw_machines(seed: int) -> Iterator[Machine]:
    """Twelve machines for each site."""
    rng = np.random.default_rng([seed, 1_000])
    for place, site in enumerate(SITES):
        for number, split in enumerate(SPLITS):
            yield Machine(
                name=f"m{len(SPLITS) * place + number:02}",
                site=site,
                split=split,
                harmonics=tuple(float(rng.uniform(*bounds)) for bounds in HARMONICS),
                vanes=int(rng.integers(5, 9)),
                vane_amplitude=float(rng.uniform(0.2, 0.8)),
                resonance=float(rng.uniform(70, 170)),
                damping=float(rng.uniform(0.04, 0.12)),
                gain=float(rng.uniform(0.5, 2.0)),
            )


def draw_conditions(rng: np.random.Generator) -> tuple[float, int, float]:
    """Revolutions a minute, load in percent, and seconds: most recordings are short."""
    seconds = float(np.clip(rng.lognormal(mean=np.log(1.3), sigma=0.5), 0.8, 6.0))
    return float(rng.uniform(600, 3000)), int(rng.choice(LOADS)), round(seconds, 2)


def make_signal(machine: Machine, rpm: float, load: int, seconds: float, rng: np.random.Generator) -> Array:
    """Acceleration of both axes, `(time, 2)`, in g."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    # The control of the drive swings slowly around the speed that is asked for.
    swing = 0.003 * np.sin(2 * np.pi * rng.uniform(0.2, 1.0) * times + rng.uniform(0, 2 * np.pi))
    turns = np.cumsum(rpm / 60 * (1 + swing)) / SAMPLE_RATE
    orders = [(order, amplitude) for order, amplitude in enumerate(machine.harmonics, start=1)]
    orders.append((machine.vanes, machine.vane_amplitude * load / 100))
    signal = np.zeros((len(times), 2))
    for order, amplitude in orders:
        frequency = order * rpm / 60
        if frequency < HIGHEST_FREQUENCY:
            # Forces grow with the square of the speed; a machine is built to stay within what its sensor can show.
            strength = amplitude * (0.3 + 0.7 * (rpm / 3000) ** 2) * amplification(frequency, machine)
            phase = 2 * np.pi * (order * turns + rng.uniform())
            signal += strength * np.column_stack([np.cos(phase), 0.8 * np.sin(phase)])
    ringing = low_pass(rng.normal(size=signal.shape), lambda f: amplification(f, machine))
    hum = np.cos(2 * np.pi * (machine.site.mains * times[:, None] + rng.uniform(size=2)))
    noise = low_pass(rng.normal(size=signal.shape), np.ones_like)
    both = signal + 0.15 * ringing + machine.site.hum * hum + 4 * machine.site.noise * noise
    return UNBALANCE * machine.gain * both


def amplification(frequency: npt.ArrayLike, machine: Machine) -> Array:
    """Return how much more a structure shakes near its resonance: that of a damped spring and mass."""
    ratio = np.asarray(frequency, np.float64) / machine.resonance
    response: Array = 1 / np.sqrt((1 - ratio**2) ** 2 + (2 * machine.damping * ratio) ** 2)
    return np.minimum(response, 5.0)


def low_pass(noise: Array, response: Callable[[Array], Array]) -> Array:
    """Noise `(time, axes)` as the structure and the sensor pass it on."""
    spectrum = np.fft.rfft(noise, axis=0)
    frequencies = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    factors = np.where(frequencies < HIGHEST_FREQUENCY, response(np.asarray(frequencies, np.float64)), 0.0)
    passed: Array = np.fft.irfft(spectrum * factors[:, None], n=len(noise), axis=0)
    return passed


def write_signal(path: Path, signal: Array) -> None:
    """Write a signal in thousandths of g, as `.npy` or as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.clip(np.rint(1000 * signal), -32768, 32767).astype(np.int16)
    if path.suffix == ".npy":
        write_atomically(path, lambda temporary: np.save(temporary, values))
        return
    write_text("\n".join(["x,y", *(f"{x},{y}" for x, y in values.tolist())]) + "\n", path)


if __name__ == "__main__":
    sys.exit(main())
