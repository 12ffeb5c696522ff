"""Previews of augmentation, to look at and to listen to."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seqconv.data.augmentation.epochs import AugmentedEpoch
from seqconv.data.augmentation.variants import AudioVariant
from seqconv.features import FeatureKind
from seqconv.features.kinds import RecordedKind
from seqconv.sources import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = (8.0, 1.5)


class Panel(NamedTuple):
    """Features `(time, d)` and their title."""

    title: str
    features: FloatArray


def panel_of(epoch: AugmentedEpoch, entry: int) -> Panel:
    """Return an entry of an epoch, and what was done to it."""
    done = describe_entry(epoch, entry)
    return Panel(f"epoch {epoch.epoch + 1}: {', '.join(done) or 'as it is'}", epoch[entry])


def describe_entry(epoch: AugmentedEpoch, entry: int) -> list[str]:
    """Describe what was done to an entry, except noise and masks, which the picture shows.

    >>> from seqconv.data.augmentation.epochs import Augmentation
    >>> from seqconv.data.augmentation.settings import AugmentConfig
    >>> from seqconv.sources import ArraySource
    >>> settings = AugmentConfig(gain={"decibels": (6, 6)}, time_shift={"fraction": 0.5})
    >>> source = ArraySource([np.zeros((10, 2))], ["a"])
    >>> describe_entry(Augmentation(settings, source, FeatureKind()).epoch(0), 0)
    ['5 frames earlier', '+6.0 dB']
    """
    rate, shift, share = float(epoch.rates[entry]), int(epoch.shifts[entry]), float(epoch.label_shares[entry])
    partner = epoch.plan.source.ids[epoch.indices[epoch.partners[entry]]]
    done = {
        f"variant {epoch.variant[entry]}": epoch.variant[entry] > 0,
        f"{rate:.2f} times as fast": rate != 1,
        f"{abs(shift)} frames {'later' if shift > 0 else 'earlier'}": shift != 0,
        f"{epoch.gains[entry]:+.1f} dB": epoch.gains[entry] != 0,
        f"{share:.0%} of the label from {partner}": round(share, 2) > 0,
    }
    return [text for text, is_so in done.items() if is_so]


def draw_panels(panels: Sequence[Panel], settings: FeatureKind, path: Path) -> None:
    """Write a picture: panels below each other, on one scale of time and of values."""
    from matplotlib.figure import Figure

    longest = max(len(panel.features) for panel in panels)
    shown = np.concatenate([panel.features.ravel() for panel in panels])
    low, high = np.quantile(shown, [0.02, 0.995])
    figure = Figure((_PANEL[0], _PANEL[1] * len(panels) + 0.4), layout="constrained")
    for axes, panel in zip(figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0], panels, strict=True):
        axes.set_title(panel.title, fontsize=9, loc="left")
        _draw(axes, panel.features, settings, (float(low), float(max(high, low + 1e-3))))
    seconds = settings.seconds_per_frame
    axes.set_xlim(0, longest * (seconds or 1))
    axes.set_xlabel("frame" if seconds is None else "seconds")
    figure.savefig(path, dpi=110)


def _draw(axes: "Axes", features: FloatArray, settings: FeatureKind, limits: tuple[float, float]) -> None:
    duration = len(features) * (settings.seconds_per_frame or 1)
    samples = settings.to_audio(features) if settings.holds_samples else None
    if samples is not None or features.shape[1] == 1:
        line = features[:, 0] if samples is None else samples
        axes.plot(np.linspace(0, duration, len(line)), line, linewidth=None if samples is None else 0.5)
        axes.set_ylim(*limits)
    else:
        extent = (0, duration, 0, features.shape[1])
        axes.imshow(features.T, aspect="auto", origin="lower", extent=extent, cmap="magma", vmin=limits[0],
                    vmax=limits[1], interpolation="nearest")  # fmt: skip
        axes.set_ylabel("feature")


def write_heard(panels: Sequence[Panel], settings: FeatureKind, path: Path) -> list[Path]:
    """Write the sound of each panel's features as WAV: `PATH-features.wav`, `PATH-epoch-1.wav` and so on.

    Nothing is written of features that are no sound, or that have lost their level.
    """
    if not isinstance(settings, RecordedKind) or settings.normalize == "recording":
        return []
    names = ["features", *(f"epoch-{number}" for number in range(1, len(panels)))]
    sounds = [settings.to_audio(panel.features) for panel in panels]
    return [
        _write(path, name, sound, settings.sample_rate)
        for name, sound in zip(names, sounds, strict=True)
        if sound is not None and len(sound)
    ]


def write_recordings(
    samples: FloatArray, sample_rate: int, variants: Sequence[AudioVariant], content: str, path: Path
) -> list[Path]:
    """Write a recording and its variants as WAV: `PATH-recording.wav`, `PATH-variant-1.wav` and so on.

    Args:
        samples: of the recording, `(n,)`.
        sample_rate: Hz.
        variants: the same as the feature store has.
        content: what they hang on, as the store knows it.
        path: without suffix.
    """
    sounds = {"recording": samples}
    sounds |= {f"variant-{each.number}": each.apply(samples, sample_rate, content) for each in variants}
    return [_write(path, name, sound, sample_rate) for name, sound in sounds.items()]


def _write(path: Path, name: str, samples: FloatArray, sample_rate: int) -> Path:
    import soundfile

    written = path.with_name(f"{path.name}-{name}.wav")
    # A file has no room beyond full scale, features have.
    soundfile.write(written, np.clip(samples, -1, 1), sample_rate)
    return written
