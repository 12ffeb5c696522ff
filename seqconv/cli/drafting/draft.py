"""A config as text, with the reasons as comments."""

import os.path
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.cli.drafting.choices import (
    Choice,
    choose_batching,
    choose_features,
    choose_model,
    choose_training,
    frames_of,
)
from seqconv.cli.drafting.signals import SignalFacts, measure_signals
from seqconv.cli.drafting.sources import Source, TargetFacts, find_groups, find_source, find_target
from seqconv.config import Config, load_config
from seqconv.config.files import parse_yaml, write_yaml
from seqconv.data.manifest import check_labels, load_manifest, make_splits
from seqconv.errors import AudioError, list_some

MOST_LISTED = 12
WIDTH = 118
COMMENT_COLUMN = 30


@dataclass(frozen=True)
class Draft:
    """A config that trains without changes. `text`: YAML with comments; `found`: facts about the data, a line each."""

    text: str
    found: list[str]
    config: Config


def draft_config(source: str | Path, output: str | Path, *, label: str | None = None) -> Draft:
    """Draft a config for a folder or manifest, from the files in it. Decode no recordings and write nothing.

    Args:
        source: a table, a `.ts` file, a folder with one sub-folder for each class, or one for each split.
        output: where the config is to lie; paths in it are relative to that.
        label: column with what is to be learned; default `label`.

    Raises:
        ManifestError, AudioError: what keeps this data from being trained on, all at once.
    """
    found = find_source(Path(source))
    target = find_target(found.frame, label)
    # The same checks as in training, so that it will not stop there.
    frame = load_manifest(found.manifest, label=target.column, task=target.task, separator=target.separator)
    signals = measure_signals(frame)
    split = make_splits(frame, label=target.column, task=target.task, separator=target.separator)
    check_labels(split, target.column, target.task, target.separator)
    parts = _Parts(found, target, signals, split, Path(output))
    text = parts.text()
    values = parse_yaml(text, source=str(output))
    # Paths of a dict start elsewhere than those of the file to be.
    values["data"]["manifest"] = found.manifest
    return Draft(text, parts.found(), load_config({"name": Path(output).stem, **values}))


@dataclass(frozen=True)
class _Parts:
    source: Source
    target: TargetFacts
    signals: SignalFacts
    split: pd.DataFrame
    output: Path

    def found(self) -> list[str]:
        """Return the findings, in a few lines."""
        lines = [f"{len(self.split):,} sequences: {self.source.found}", self._lengths(), self._labels()]
        broken = self.signals.broken
        if broken:
            lines.append(f"LOOK AT THIS: {_described(broken)}; left out in training")
        return [*lines, self._splits()]

    def text(self) -> str:
        """Return the config as text."""
        counts = self.split["split"].value_counts()
        num_train, num_valid = int(counts["train"]), int(counts["valid"])
        features = choose_features(self.signals)
        frames = frames_of(self.signals, features)
        batching = choose_batching(frames, num_train)
        sections = {
            "data": self._data(),
            "target": self._target(),
            "features": features,
            "batching": batching,
            "model": choose_model(frames, num_train),
            "training": choose_training(self.target, batching["batch_size"].value, num_train, num_valid),
        }
        lines = [f"# {line}" for entry in [*self.found(), *self._hints()] for line in _wrapped(entry)]
        lines += [
            "#",
            f"# Train:           seqconv train --config {self.output.name}",
            f"# Two steps only:  seqconv train --config {self.output.name} --dry-run",
            f"# Lengths, costs:  seqconv plan --config {self.output.name}",
            "# All settings:    docs/reference/config.md",
            "seed: 0    # another seed draws other splits, if splits are made, and other first weights",
        ]
        for name, choices in sections.items():
            lines += ["", f"{name}:", *_section(choices)]
        return "\n".join(lines) + "\n"

    def _data(self) -> dict[str, Choice]:
        folder = self.output.absolute().parent
        manifest = self.source.manifest
        if isinstance(manifest, str):
            where: Any = os.path.relpath(Path(manifest).absolute(), folder)
        else:
            where = {split: os.path.relpath(Path(path).absolute(), folder) for split, path in manifest.items()}
        chosen = {"manifest": Choice(where, "relative to this file")}
        broken = self.signals.broken
        if broken:
            share = len(broken) / len(self.split)
            if share > 0.05:
                reasons = "\n  ".join(list(broken.values())[:5])
                raise AudioError(f"{len(broken)} of {len(self.split)} files cannot be read:\n  {reasons}")
            chosen["on_bad_file"] = Choice("skip", _described(broken))
            chosen["max_bad_fraction"] = Choice(round(share + 0.005, 3), "if more are bad, the run stops")
        return chosen

    def _target(self) -> dict[str, Choice]:
        target = self.target
        chosen = {
            "task": Choice(target.task, f"column '{target.column}': {target.why}"),
            "column": Choice(target.column, "what is learned; another one: seqconv init --label COLUMN"),
        }
        if target.task == "multilabel":
            chosen["separator"] = Choice(target.separator, "between the labels of a cell")
        return chosen

    def _lengths(self) -> str:
        signals = self.signals
        low, middle, high = (float(value) for value in pd.Series(signals.lengths).quantile([0.0, 0.5, 1.0]))
        some = "" if signals.num_measured + len(signals.broken) == len(self.split) else f" (of {signals.num_measured})"
        if signals.kind != "audio":
            unit = "samples" if signals.kind == "samples" else f"frames of {signals.num_features} features"
            return f"Lengths{some}: {low:,.0f} to {high:,.0f} {unit}, median {middle:,.0f}"
        hours = signals.lengths.sum() / 3600
        several = sum(count for channels, count in signals.channels.items() if channels > 1)
        mixed = f"; {several:,} have several channels, which are mixed to one" if several else ""
        return f"Lengths{some}: {low:.2f} to {high:.2f} s, median {middle:.2f} s, {hours:.2f} h in all{mixed}"

    def _labels(self) -> str:
        target = self.target
        if target.task == "regression":
            return f"To be learned: the numbers of column '{target.column}', {target.why}"
        shown = [f"{label} ({count:,})" for label, count in list(target.counts.items())[:MOST_LISTED]]
        more = len(target.counts) - len(shown)
        return f"{len(target.counts)} classes: {', '.join(shown)}{f' and {more} more' if more else ''}"

    def _splits(self) -> str:
        counts = self.split["split"].value_counts()
        told = ", ".join(f"{name} {int(counts.get(name, 0)):,}" for name in ("train", "valid", "test"))
        made = self.source.frame["split"].isna()
        how = "as the manifest says"
        if made.all():
            how = "cut by the run, each class in proportion"
        elif made.any() or set(self.source.frame["split"]) != set(self.split["split"]):
            how = "in part cut by the run out of what the manifest gives for training"
        groups = self.source.frame["group"]
        together = "" if groups.isna().all() else f", {groups.nunique():,} groups never parted"
        return f"Splits: {told}; {how}{together}"

    def _hints(self) -> list[str]:
        """Return what readers should know before they trust a score."""
        names = find_groups(self.source.frame, self.target.column)
        if names and not self.source.frame["split"].notna().all():
            return [
                f"LOOK AT THIS: column {list_some(names)} may name what must not be both in train and in test. Rename "
                "it to 'group' in the manifest, or the score may be that of voices (machines, days) which the model "
                "knows."
            ]
        if self.source.frame["group"].isna().all() and self.source.frame["split"].isna().all():
            return [
                "LOOK AT THIS: nothing says which sequences belong together (one speaker, machine, day). If some do, "
                "give the manifest a column 'group', or the score may be that of what the model knows."
            ]
        return []


def _described(broken: dict[str, str]) -> str:
    return f"{len(broken):,} {'file' if len(broken) == 1 else 'files'} cannot be read: {list_some(broken)}"


def _section(choices: dict[str, Choice]) -> list[str]:
    lines = []
    for name, choice in choices.items():
        if isinstance(choice.value, list) and choice.value and isinstance(choice.value[0], dict):
            lines += [f"  {name}:    # {choice.why}", *(f"    - {_flow(item)}" for item in choice.value)]
            continue
        line = f"  {name}: {_flow(choice.value)}"
        if len(line) + len(choice.why) + 6 <= WIDTH:
            lines.append(f"{line:<{COMMENT_COLUMN}}    # {choice.why}")
        else:
            lines += [*(f"  # {part}" for part in _wrapped(choice.why)), line]
    return lines


def _flow(value: Any) -> str:
    """Return a value on one line, as YAML reads it back."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_./][\w./-]*", value) and not _means_other(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else str(value)


def _means_other(text: str) -> bool:
    return write_yaml(text).strip().removesuffix("\n...") != text


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False) or [""]
