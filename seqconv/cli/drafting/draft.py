"""A config as text, with the reasons as comments."""

import os.path
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.cli.drafting import choices
from seqconv.cli.drafting.choices import Choice
from seqconv.cli.drafting.comments import wrap, write_section
from seqconv.cli.drafting.feature_tables import GIVEN
from seqconv.cli.drafting.findings import Findings, describe_broken
from seqconv.cli.drafting.levels import MUCH, measure_levels
from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.signals import measure_signals
from seqconv.cli.drafting.sources import Source, find_source
from seqconv.cli.drafting.targets import TargetFacts, find_target
from seqconv.config import Config, load_config
from seqconv.config.files import parse_yaml
from seqconv.data.manifest import check_labels, make_splits
from seqconv.errors import AudioError, ManifestError
from seqconv.files import expand_user, is_address
from seqconv.parts.sections import split_scheme
from seqconv.tasks import find_task

_PATHS = ("manifest", "root", "split_lists", "label_names", "events")
_WHY_KEYS = {
    "manifest": "relative to this file",
    "root": "where the paths start",
    "path": "the path, made of columns",
    "columns": "what the columns mean",
    "ignore": "left out",
    "split_lists": "the files of these splits; all others are train",
    "label_names": "what the labels of the table mean",
    "label_from": "found in the paths",
    "names": "of the columns: the table has no header",
    "separator": "between the cells of the table",
    "comment": "lines of the table that begin with it are none",
    "events": "when something happens, from the beginning of its recording",
    "windows": "sequences are parts of this length, and each has a prediction",
    "rows": "each row is a frame: which rows are a sequence",
    "unlabeled": "what has no label: ignore leaves it out, negative: nothing happens there",
}


@dataclass(frozen=True)
class Draft:
    """A config that trains without changes.

    `text`: YAML with comments. `found`: facts about the data and its splits, a line each. `of_data`: of the data alone,
    with what readers should know before they trust a score. `values`: the sections as the text has them, with paths
    that start at the working folder.
    """

    text: str
    found: list[str]
    of_data: list[str]
    config: Config
    values: dict[str, Any]


def draft_config(
    source: str | Path,
    output: str | Path,
    *,
    label: str | None = None,
    given: Mapping[str, Mapping[str, Any]] | None = None,
) -> Draft:
    """Draft a config for a folder or manifest, from the files in it. Write nothing.

    Where two readings are possible, ask on the terminal. Of recordings, read the headers, and a part of some.

    Args:
        source: a table, a `.ts` file, a folder with one sub-folder for each class, or one for each split.
        output: where the config will be saved; paths in it are relative to that.
        label: column with the labels or numbers to learn; default `label`, or the only one that can be meant.
        given: keys by section that the user sets; paths start at the working folder.

    Raises:
        ManifestError, AudioError: what keeps this data from being trained on, all at once; or several readings, and no
            terminal to ask on.
    """
    place = Place(Path(source), given, label)
    label = label or place.given.get("target", {}).get("column")
    with warnings.catch_warnings():
        if label is not None:
            # It is used, and no misspelled 'label'.
            warnings.filterwarnings("ignore", f"the manifest has a column '{re.escape(label)}'")
        found = find_source(place)
    if found.find.target is not None and label is not None:
        raise ManifestError(
            f"'{label}' cannot be what is learned, as events have the labels: {found.find.found}. Leave it out"
        )
    target = found.find.target or find_target(found.frame, label, place)
    if target.column is not None:
        found = _without_unlabeled(found, target)
    chosen = {key: value for key, (value, _) in found.find.features.items()}
    signals = measure_signals(found.frame, chosen | place.given.get("features", {}))
    split = _check(found, target)
    levels = measure_levels(found.frame, signals, target.column if target.task == "classification" else None)
    findings = Findings(place, found, target, signals, levels, split)
    text = _write(findings, Path(output))
    values = parse_yaml(text, source=str(output))
    # Paths of a dict start elsewhere than those of the file to be.
    values["data"] |= {key: value for key, value in found.data.items() if key in _PATHS}
    values = {"name": Path(output).stem, **values}
    of_data = [*findings.of_data(), *findings.hints()]
    return Draft(text, findings.lines(), of_data, load_config(values), values)


def _without_unlabeled(found: Source, target: TargetFacts) -> Source:
    """Return the source without rows that have no label, if the task needs one."""
    is_out, rule = found.frame[target.column].isna(), find_task(target.task).cell_rule(is_single=True)
    if not is_out.any() or rule is None or rule.may_be_empty:
        return found
    note = f"LOOK AT THIS: {is_out.sum():,} of {len(found.frame):,} rows have no '{target.column}', and are left out"
    frame = found.frame[~is_out].reset_index(drop=True)
    return replace(found, find=found.find.saying(note), frame=frame, data={**found.data, "unlabeled": "ignore"})


def _check(found: Source, target: TargetFacts) -> pd.DataFrame:
    """Return the manifest with the splits that it lacks, after the same checks as in training."""
    if target.column is None:
        return make_splits(found.frame, strata=[[] for _ in range(len(found.frame))])
    split = make_splits(found.frame, label=target.column, task=target.task, separator=target.separator)
    check_labels(split, target.column, target.task, target.separator)
    return split


def _write(findings: Findings, output: Path) -> str:
    """Return the config as text."""
    num_train, signals = findings.count("train"), findings.signals
    joins_frames = find_task(findings.target.task).joins_frames
    features = choices.choose_features(signals)
    features |= {key: Choice(*choice) for key, choice in findings.source.find.features.items()}
    if findings.levels is not None and findings.levels.spread >= MUCH:
        features["normalize"] = Choice(*choices.choose_normalize(findings.levels, signals))
    given = {
        name: {key: Choice(value, GIVEN) for key, value in keys.items()} for name, keys in findings.place.given.items()
    }
    features |= given.get("features", {})
    frames = choices.frames_of(replace(signals, lengths=findings.lengths), features)
    batching = choices.choose_batching(frames, num_train) | given.get("batching", {})
    sections = {
        "data": _choose_data(findings, output),
        **_choose_folds(findings),
        "target": _choose_target(findings.target),
        "features": features,
        "batching": batching,
        "model": choices.choose_model(frames, num_train, joins_frames=joins_frames),
        "training": choices.choose_training(
            findings.target, batching["batch_size"].value, num_train, findings.count("valid")
        ),
    }
    sections |= {name: sections.get(name, {}) | keys for name, keys in given.items() if name != "data"}
    automatic = f"# Or the best of several models:  seqconv train --config {output.name} --recipe auto"
    lines = [f"# {line}" for entry in [*findings.lines(), *findings.hints()] for line in wrap(entry)]
    lines += [
        "#",
        f"# Train:           seqconv train --config {output.name}",
        *([] if joins_frames else [automatic]),
        f"# Two steps only:  seqconv train --config {output.name} --dry-run",
        f"# Lengths, costs:  seqconv plan --config {output.name}",
        "# All settings:    docs/reference/config.md",
        "seed: 0    # another seed draws other splits, if splits are made, and other first weights",
    ]
    for name, section in sections.items():
        lines += ["", f"{name}:", *write_section(section)]
    return "\n".join(lines) + "\n"


def _choose_data(findings: Findings, output: Path) -> dict[str, Choice]:
    folder, is_given = output.absolute().parent, findings.place.given.get("data", {})
    chosen = {
        key: Choice(_relative(value, folder) if key in _PATHS else value, GIVEN if key in is_given else _WHY_KEYS[key])
        for key, value in findings.source.data.items()
    }
    broken = findings.signals.broken
    if broken:
        share = len(broken) / len(findings.split)
        if share > 0.05:
            reasons = "\n  ".join(list(broken.values())[:5])
            raise AudioError(f"{len(broken)} of {len(findings.split)} files cannot be read:\n  {reasons}")
        chosen["on_bad_file"] = Choice("skip", describe_broken(broken))
        chosen["max_bad_fraction"] = Choice(round(share + 0.005, 3), "if more are bad, the run stops")
    return chosen


def _relative(paths: str | dict[str, str] | None, folder: Path) -> str | dict[str, str] | None:
    if isinstance(paths, dict):
        return {name: str(_relative(path, folder)) for name, path in paths.items()}
    if paths is None or is_address(paths):
        return paths
    scheme, path = split_scheme(paths)
    if is_address(path):
        return paths
    found = os.path.relpath(expand_user(path).absolute(), folder)
    return f"{scheme}:{found}" if scheme else found


def _choose_folds(findings: Findings) -> dict[str, dict[str, Choice]]:
    if findings.source.find.folds is None:
        return {}
    why = "those of the table; all of them: seqconv train --folds all"
    folds = Choice(findings.source.find.folds, why)
    return {"split": {"folds": folds, "fold": Choice(findings.first_fold, "the one that is test")}}


def _choose_target(target: TargetFacts) -> dict[str, Choice]:
    if target.column is None:
        chosen = {"task": Choice(target.task, target.why)}
    else:
        chosen = {
            "task": Choice(target.task, f"column '{target.column}': {target.why}"),
            "column": Choice(target.column, "what is learned; another one: seqconv init --label COLUMN"),
        }
    if target.background is not None:
        chosen["background"] = Choice(target.background, "the class of windows without an event")
    if target.task == "multilabel":
        chosen["separator"] = Choice(target.separator, "between the labels of a cell")
    return chosen
