"""A config as text, with the reasons as comments."""

import os.path
import re
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqconv.cli.drafting import choices
from seqconv.cli.drafting.choices import Choice
from seqconv.cli.drafting.signals import SignalFacts, measure_signals
from seqconv.cli.drafting.sources import Source, TargetFacts, find_groups, find_source, find_target
from seqconv.config import Config, load_config
from seqconv.config.files import parse_yaml, write_yaml
from seqconv.data.manifest import check_labels, load_manifest, make_splits
from seqconv.errors import AudioError, list_some
from seqconv.tasks import find_task

MOST_LISTED = 12
WIDTH = 118
COMMENT_COLUMN = 30


_WHY_KEYS = {
    "root": "where the paths start",
    "path": "the path, made of columns",
    "columns": "what the columns mean",
    "ignore": "left out",
    "split_lists": "the files of these splits; all others are train",
    "label_from": "found in the paths",
    "unlabeled": "rows without a label are left out",
}


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
        output: where the config will be saved; paths in it are relative to that.
        label: column with the labels or numbers to learn; default `label`.

    Raises:
        ManifestError, AudioError: what keeps this data from being trained on, all at once.
    """
    with warnings.catch_warnings():
        if label is not None:
            # It is used, and no misspelled 'label'.
            warnings.filterwarnings("ignore", f"the manifest has a column '{re.escape(label)}'")
        found = find_source(Path(source))
        frame = load_manifest(found.manifest, layout=found.layout)
    target = find_target(found.frame, label)
    # The same checks as in training, so that it will not stop there.
    options: dict[str, Any] = {"label": target.column, "task": target.task, "separator": target.separator}
    is_empty = frame[target.column].isna()
    rule = find_task(target.task).cell_rule(is_single=True)
    if is_empty.any() and rule is not None and not rule.may_be_empty:
        found, frame = found.without(is_empty, target.column), frame[~is_empty].reset_index(drop=True)
    signals = measure_signals(frame)
    split = make_splits(frame, **options)
    check_labels(split, target.column, target.task, target.separator)
    parts = _Parts(found, target, signals, split, Path(output))
    text = parts.text()
    values = parse_yaml(text, source=str(output))
    # Paths of a dict start elsewhere than those of the file to be.
    values["data"] |= {"manifest": found.manifest, **found.layout, **found.more}
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
        lines += self.source.said
        broken = self.signals.broken
        if broken:
            lines.append(f"LOOK AT THIS: {_described(broken)}; left out in training")
        return [*lines, self._splits()]

    def text(self) -> str:
        """Return the config as text."""
        counts = self.split["split"].value_counts()
        num_train, num_valid = int(counts["train"]), int(counts["valid"])
        features = choices.choose_features(self.signals)
        frames = choices.frames_of(self.signals, features)
        batching = choices.choose_batching(frames, num_train)
        sections = {
            "data": self._data(),
            **self._folds(),
            "target": self._target(),
            "features": features,
            "batching": batching,
            "model": choices.choose_model(frames, num_train),
            "training": choices.choose_training(self.target, batching["batch_size"].value, num_train, num_valid),
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
        for name, section in sections.items():
            lines += ["", f"{name}:", *_section(section)]
        return "\n".join(lines) + "\n"

    def _data(self) -> dict[str, Choice]:
        chosen = {"manifest": Choice(self._relative(self.source.manifest), "relative to this file")}
        for key, value in self.source.layout.items():
            where = self._relative(value) if key in ("root", "split_lists") else value
            chosen[key] = Choice(where, _WHY_KEYS[key])
        chosen |= {key: Choice(value, _WHY_KEYS[key]) for key, value in self.source.more.items()}
        broken = self.signals.broken
        if broken:
            share = len(broken) / len(self.split)
            if share > 0.05:
                reasons = "\n  ".join(list(broken.values())[:5])
                raise AudioError(f"{len(broken)} of {len(self.split)} files cannot be read:\n  {reasons}")
            chosen["on_bad_file"] = Choice("skip", _described(broken))
            chosen["max_bad_fraction"] = Choice(round(share + 0.005, 3), "if more are bad, the run stops")
        return chosen

    def _relative(self, paths: str | dict[str, str]) -> str | dict[str, str]:
        if isinstance(paths, dict):
            return {name: str(self._relative(path)) for name, path in paths.items()}
        return os.path.relpath(Path(paths).absolute(), self.output.absolute().parent)

    def _folds(self) -> dict[str, dict[str, Choice]]:
        if self.source.folds is None:
            return {}
        why = "those of the table; all of them: seqconv train --folds all"
        return {
            "split": {
                "folds": Choice(self.source.folds, why),
                "fold": Choice(self._first_fold(), "the one that is test"),
            }
        }

    def _first_fold(self) -> int:
        return int(self.source.frame["fold"].min())

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
        labels = [f"{label} ({count:,})" for label, count in target.counts.items()]
        more = f" and {len(labels) - MOST_LISTED} more" if len(labels) > MOST_LISTED else ""
        return f"{len(labels)} classes: {', '.join(labels[:MOST_LISTED])}{more}"

    def _splits(self) -> str:
        if self.source.folds is not None:
            fold = self._first_fold()
            return f"Splits: {self.source.folds} folds of the table; fold {fold} is test, valid is cut from the others"
        counts = self.split["split"].value_counts()
        sizes = ", ".join(f"{name} {int(counts.get(name, 0)):,}" for name in ("train", "valid", "test"))
        made = self.source.frame["split"].isna()
        how = "as the manifest says"
        if made.all():
            how = "cut by the run, each class in proportion"
        elif made.any() or set(self.source.frame["split"]) != set(self.split["split"]):
            how = "some as the manifest says, the others taken from its training rows by the run"
        groups = self.source.frame["group"]
        together = "" if groups.isna().all() else f", {groups.nunique():,} groups kept together"
        return f"Splits: {sizes}; {how}{together}"

    def _hints(self) -> list[str]:
        """Return what readers should know before they trust a score."""
        if self.source.folds is not None:
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
                "give the manifest a column 'group', or the score may be that of what the model knows."
            ]
        return []


def _described(broken: dict[str, str]) -> str:
    return f"{len(broken):,} {'file' if len(broken) == 1 else 'files'} cannot be read: {list_some(broken)}"


def _section(section: dict[str, Choice]) -> list[str]:
    lines = []
    for name, choice in section.items():
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
        return write_yaml(value, on_one_line=True).strip()
    # In a list: behind a single word there would be a mark for the end of a document.
    return write_yaml([value], on_one_line=True).strip()[1:-1]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False) or [""]
