"""All that was found about the data, in sentences for the user."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqconv.cli.drafting import choices
from seqconv.cli.drafting.feature_tables import GIVEN
from seqconv.cli.drafting.levels import MUCH, Levels, describe_levels
from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.signals import SignalFacts
from seqconv.cli.drafting.sources import Source
from seqconv.cli.drafting.targets import TargetFacts, find_groups
from seqconv.data.windows import cut_frames
from seqconv.errors import list_some
from seqconv.tasks.base import find_task
from seqconv.text import amount

MOST_LISTED = 12
LITTLE = 100
"""Training sequences below which there is a recipe for little data."""


@dataclass(frozen=True)
class Findings:
    """The findings about some data. `split`: the manifest with the splits that a run would make."""

    place: Place
    source: Source
    target: TargetFacts
    signals: SignalFacts
    levels: Levels | None
    split: pd.DataFrame

    def lines(self) -> list[str]:
        """Return what was found, and what a run would make of it, a line each."""
        return [*self.of_data(), self._splits(), *self._little()]

    def of_data(self) -> list[str]:
        """Return what was found, whatever is trained on it, a line each."""
        unit = "sequences" if self.target.column is not None else "recordings"
        lines = [f"{len(self.split):,} {unit}: {self.source.find.found}", self._lengths(), self._labels()]
        columns = self.source.data.get("columns") or {}
        kept = [name for name in self.source.find.kept if name not in (self.target.column, *columns)]
        lines += [*self.target.said, *self.source.find.said]
        lines += [f"columns that are kept, and not used: {list_some(kept, MOST_LISTED)}"] if kept else []
        reasons = self.signals.table.reasons
        noted = [key for key in ("clock", "missing") if key in reasons]
        lines += [f"LOOK AT THIS: {reasons[key]} (features.{key})" for key in noted if reasons[key] != GIVEN]
        broken = self.signals.broken
        if broken:
            lines.append(f"LOOK AT THIS: {describe_broken(broken)}; left out in training")
        if self.levels is not None and self.levels.spread >= MUCH:
            lines += describe_levels(self.levels, *choices.choose_normalize(self.levels, self.signals))
        return lines

    def count(self, split: str) -> int:
        """Return the number of sequences in a split: recordings, or about so many windows of them."""
        count = int((self.split["split"] == split).sum())
        return count if self.window is None else round(count * self._windows_each())

    @property
    def window(self) -> tuple[float, float] | None:
        """The length of a window, and from one to the next, as the signals have lengths; None if there are none."""
        windows = self.source.data.get("windows")
        if windows is None:
            return None
        chosen = {key: value for key, (value, _) in self.source.find.features.items()}
        rate = (chosen | self.place.given.get("features", {})).get("frame_rate", 1)
        return windows["seconds"] * rate, (windows.get("hop") or windows["seconds"]) * rate

    @property
    def lengths(self) -> np.ndarray:
        """The lengths of the sequences, as the signals have them."""
        return self.signals.lengths if self.window is None else np.minimum(self.signals.lengths, self.window[0])

    @property
    def first_fold(self) -> int:
        """The fold that is test."""
        return int(self.source.frame["fold"].min())

    def hints(self) -> list[str]:
        """Return what readers should know before they trust a score."""
        if self.source.find.folds is not None:
            # Whoever made them has kept together what belongs together.
            return []
        names = find_groups(self.source.frame, self.target.column)
        splits = self.source.frame["split"]
        if names and not splits.notna().all():
            return [
                f"LOOK AT THIS: column {list_some(names)} may name what must not be both in train and in test. Rename "
                "it to 'group' in the manifest, or the score may be that of voices (machines, days) which the model "
                "knows."
            ]
        if self.source.frame["group"].isna().all() and splits.isna().all():
            return [
                "LOOK AT THIS: nothing says which sequences belong together (one speaker, machine, day). If some do, "
                "give the manifest a column 'group', or data.label_from a part (?P<group>...), or the score may be "
                "that of what the model knows."
            ]
        return []

    def _windows_each(self) -> float:
        size, step = self.window or (1.0, 1.0)
        milliseconds = np.maximum(1, np.round(self.signals.lengths * 1000)).astype(int)
        return len(cut_frames(milliseconds, round(size * 1000), round(step * 1000))[0]) / len(milliseconds)

    def _lengths(self) -> str:
        signals = self.signals
        low, middle, high = np.quantile(signals.lengths, [0.0, 0.5, 1.0])
        count = len(signals.lengths)
        some = "" if count + len(signals.broken) == len(self.split) else f" (of {count})"
        if signals.kind != "audio":
            unit = "samples" if signals.kind == "samples" else f"frames of {signals.num_features} features"
            return f"Lengths{some}: {low:,.0f} to {high:,.0f} {unit}, median {middle:,.0f}"
        hours = signals.lengths.sum() / 3600
        mixed = f"; {signals.num_mixed:,} have several channels, which are mixed to one" if signals.num_mixed else ""
        return f"Lengths{some}: {low:.2f} to {high:.2f} s, median {middle:.2f} s, {hours:.2f} h in all{mixed}"

    def _labels(self) -> str:
        target = self.target
        if target.task == "regression":
            return f"To be learned: the numbers of column '{target.column}', {target.why}"
        if find_task(target.task).joins_frames:
            return f"To be learned: the {target.task} of column '{target.column}', {target.why}"
        of = "" if target.column is not None else " of events"
        labels = [f"{label} ({count:,})" for label, count in target.counts.items()]
        more = f" and {len(labels) - MOST_LISTED} more" if len(labels) > MOST_LISTED else ""
        return f"{len(labels)} classes{of}: {', '.join(labels[:MOST_LISTED])}{more}"

    def _splits(self) -> str:
        if self.source.find.folds is not None:
            fold = self.first_fold
            folds = self.source.find.folds
            return f"Splits: {folds} folds of the table; fold {fold} is test, valid is cut from the others"
        counts = self.split["split"].value_counts()
        sizes = ", ".join(f"{name} {int(counts.get(name, 0)):,}" for name in ("train", "valid", "test"))
        made = self.source.frame["split"].isna()
        how = "as the manifest says"
        if made.all():
            in_proportion = "" if find_task(self.target.task).joins_frames else ", each class in proportion"
            how = f"cut by the run{in_proportion}"
        elif made.any() or set(self.source.frame["split"]) != set(self.split["split"]):
            how = "some as the manifest says, the others taken from its training rows by the run"
        groups = self.source.frame["group"]
        together = "" if groups.isna().all() else f", {groups.nunique():,} groups kept together"
        return f"Splits: {sizes}; {how}{together}"

    def _little(self) -> list[str]:
        num_train = self.count("train")
        if num_train >= LITTLE:
            return []
        is_cut = self.source.find.folds is None and self.source.frame["split"].isna().all()
        few = f"Little data ({amount(num_train, 'training sequence')}):"
        if self.signals.kind == "features":
            return [
                f"{few} configs/pickup_gesture.yaml is a recipe for 50 sequences (docs/recipes.md says how it was "
                "chosen). split.valid: 0 learns from those of valid, too; augment varies them"
            ]
        return [
            f"{few} begin with the weights of a model that has heard more (docs/guides/fine_tuning.md), vary them "
            "(augment, audio_augment)" + (", and score all of them by --folds 5" if is_cut else "")
        ]


def describe_broken(broken: dict[str, str]) -> str:
    """Return how many files cannot be read, and some of them."""
    return f"{len(broken):,} {'file' if len(broken) == 1 else 'files'} cannot be read: {list_some(broken)}"
