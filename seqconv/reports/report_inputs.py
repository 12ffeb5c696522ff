"""Sources of a report: the run folder, and the sequences, the plan and the model if they are available."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqconv.batching import Plan, make_plan
from seqconv.batching.strategies import auto_strategy
from seqconv.config.batching import planning_options
from seqconv.data.datasets import load_datasets
from seqconv.data.sampling import draw_by_class
from seqconv.data.sequences import Sequences
from seqconv.errors import SeqconvError
from seqconv.files import write_text
from seqconv.metrics.checks import IntArray
from seqconv.models import load_model
from seqconv.models.card import model_target
from seqconv.reports.answers import Answers, read_answers
from seqconv.reports.folder import LENGTHS, RunFolder, read_run


@dataclass(frozen=True, eq=False)
class Material:
    """The content of a report. `notes` say what is missing, and why."""

    folder: RunFolder
    parts: Mapping[str, Sequences]
    plan: Plan | None
    model: Any
    notes: list[str] = field(default_factory=list)

    @cached_property
    def answers(self) -> Answers | None:
        """The answers to the scored split."""
        return read_answers(self.folder)

    @cached_property
    def answered(self) -> Sequences | None:
        """The sequences that the answers are about."""
        split = self.folder.split
        return None if split is None else self.parts.get(split)

    @cached_property
    def places(self) -> dict[str, int]:
        """The index in `answered` of the sequence of each id."""
        return {} if self.answered is None else {name: place for place, name in enumerate(self.answered.ids)}

    @property
    def seconds_per_frame(self) -> float | None:
        """Seconds from one frame to the next; None if unknown."""
        return self.folder.config.features.seconds_per_frame

    @property
    def scores(self) -> dict[str, Any]:
        """The scores of the split that the answers are about, or else of the one that counts; empty without scores."""
        split = self.folder.split or self.folder.scored_split
        return {} if split is None else self.folder.metrics[split]

    def lengths(self, split: str | None) -> "pd.Series[Any]":
        """Return the frames of each sequence of a split by id; empty if unknown."""
        part = None if split is None else self.parts.get(split)
        if part is not None:
            return pd.Series(part.lengths, part.ids)
        table = self.folder.lengths
        return table[table["split"] == split].set_index("id")["num_frames"].astype(np.int64)

    @cached_property
    def answered_lengths(self) -> dict[str, int]:
        """The frames of each sequence that the answers are about, if known."""
        lengths, predictions = self.lengths(self.folder.split), self.folder.predictions
        if lengths.empty and self.folder.split is not None and "num_frames" in predictions:
            lengths = predictions.set_index("id")["num_frames"].astype(int)
        return {str(name): frames for name, frames in lengths.to_dict().items()}

    def groups(self) -> list[str] | None:
        """Return the group of each sequence of the answers; None if there are none, or they are unknown."""
        data, answers = self.answered, self.answers
        if data is None or answers is None or data.groups is None or not set(answers.ids) <= self.places.keys():
            return None
        return [data.groups[self.places[name]] for name in answers.ids]


def gather(
    run_dir: str | Path, parts: Mapping[str, Sequences] | None = None, plan: Plan | None = None, model: Any = None
) -> Material:
    """Gather the material of a run; missing parts are read again from manifest and folder, as far as possible."""
    folder, notes = read_run(run_dir), list[str]()
    if parts is None:
        parts = _read_parts(folder, notes)
    if "train" in parts and not (folder.path / LENGTHS).exists():
        # From these, batches can be planned again when the sequences are gone.
        tables = [
            pd.DataFrame({"id": part.ids, "split": split, "num_frames": part.lengths}) for split, part in parts.items()
        ]
        write_text(pd.concat(tables).to_csv(index=False), folder.path / LENGTHS)
    if model is None and (folder.path / "model.keras").is_file():
        try:
            model = load_model(folder.path / "model.keras")
        except (SeqconvError, OSError) as error:
            notes.append(f"The model cannot be loaded: {error}")
    lengths = Material(folder, parts, plan, model).lengths("train")
    if folder.config.members:
        notes.append("The curves and batches of each member are in its own report: seqconv report RUN/members/0")
    elif plan is None and len(lengths):
        plan = plan_again(folder, lengths.to_numpy(np.int64), notes, train=parts.get("train"), model=model)
    return Material(folder, parts, plan, model, notes)


def plan_again(
    folder: RunFolder, lengths: IntArray, notes: list[str], *, train: Sequences | None = None, model: Any = None
) -> Plan | None:
    """Plan the batches of a run again as training did; the sampling of an epoch depends on the labels."""
    config = folder.config
    strategy = config.batching.strategy
    if strategy == "auto":
        strategy = auto_strategy(lengths, config.model.time_geometry, is_packable=not config.model.unpackable)
    if config.augment.time_stretch is not None or config.audio_augment.speed is not None:
        notes.append(
            "Augmentation has made sequences longer or shorter in each epoch (augment.time_stretch, "
            "audio_augment.speed): the batches shown are those of the sequences as they are."
        )
    compiles = config.training.jit_compile
    is_compiled = folder.versions.get("backend") == "jax" if compiles == "auto" else compiles
    machine: dict[str, Any] = {"time_geometry": config.model.time_geometry, "is_compiled": is_compiled}
    try:
        options = planning_options(config.batching, strategy, seed=config.seed, **machine)
        return make_plan(strategy, lengths, draw=_draw_again(folder, train, model, notes), **options)
    except SeqconvError as error:
        notes.append(f"The batches cannot be planned again: {error}")
        return None


def _draw_again(folder: RunFolder, train: Sequences | None, model: Any, notes: list[str]) -> Any:
    config = folder.config
    if config.training.sampling == "natural":
        return None
    if train is None or model is None or train.labels is None:
        notes.append(
            f"The batches are shown as without training.sampling '{config.training.sampling}', since the labels of the "
            "training sequences are not at hand."
        )
        return None
    target = model_target(model)
    encode = target.encode_frames if target.kind == "frame" else target.encode
    labels = encode(train.labels, ids=train.ids)
    return draw_by_class(config.training.sampling, target, labels, train.lengths, seed=config.seed)


def _read_parts(folder: RunFolder, notes: list[str]) -> Mapping[str, Sequences]:
    if folder.config.data.manifest is None:
        notes.append(
            "This run was trained on arrays in memory, which its folder does not hold: recordings are shown without "
            "their features. To have them, call seqconv.reports.write_report(run_dir, parts={'test': sequences})."
        )
        return {}
    try:
        return load_datasets(folder.config.data_spec).parts()
    except (SeqconvError, OSError) as error:
        notes.append(
            f"The recordings of this run cannot be read again, and are shown without sound and picture: {error}"
        )
        return {}
