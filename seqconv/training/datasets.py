"""From a config, or from arrays, to the three splits of a run."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seqconv.config import Config
from seqconv.errors import ConfigError, ManifestError, list_some
from seqconv.sequences import Sequences
from seqconv.targets import Target, fit_target

if TYPE_CHECKING:
    import pandas

VALID_FRACTION = 0.15


@dataclass(frozen=True)
class Datasets:
    """The splits of a run and what their labels mean.

    `notes` say what was decided on the user's behalf; `splits` lists id and split where they came from one manifest.
    """

    train: Sequences
    valid: Sequences
    test: Sequences | None
    target: Target
    notes: list[str] = field(default_factory=list)
    splits: "pandas.DataFrame | None" = None

    def parts(self) -> dict[str, Sequences]:
        """The splits that there are, by name."""
        parts = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}


def load_datasets(
    config: Config,
    train_data: Sequences | None = None,
    valid_data: Sequences | None = None,
    test_data: Sequences | None = None,
) -> Datasets:
    """Datasets from the manifest of the config, or from sequences in memory.

    Raises:
        ConfigError: when there is nothing to train on, or labels are missing.
        ManifestError: when the manifest cannot be used; it lists all problems.
    """
    if train_data is not None:
        return _from_memory(config, train_data, valid_data, test_data)
    if valid_data is not None or test_data is not None:
        raise ConfigError("valid_data or test_data was given without train_data. Pass all of them, or none.")
    if config.data.manifest is None:
        raise ConfigError(
            "there is nothing to train on: data.manifest is not set and no train_data was passed. Set data.manifest to "
            "a table of recordings, or call train(config, train_data=Sequences(arrays, labels))."
        )
    return _from_manifest(config, config.data.manifest)


def _from_memory(config: Config, train: Sequences, valid: Sequences | None, test: Sequences | None) -> Datasets:
    notes = []
    for name, data in (("train_data", train), ("valid_data", valid), ("test_data", test)):
        if data is not None and data.labels is None:
            raise ConfigError(f"{name} has no labels. Pass Sequences(features, labels).")
    if valid is None:
        train, valid = _set_aside(config, train)
        notes.append(f"no valid_data: {len(valid)} of the training sequences were set aside for it")
    return Datasets(train, valid, test, _fit(config, train), notes)


def _set_aside(config: Config, data: Sequences) -> tuple[Sequences, Sequences]:
    """Train and valid, cut from what was given for training."""
    target = _fit(config, data)
    train, valid = data.split(test=VALID_FRACTION, by=None if data.groups is None else "group", seed=config.seed)
    if target.task != "regression":
        counts = target.encode(train.labels, ids=train.ids).sum(axis=0).tolist()
        gone = [name for name, count in zip(target.names, counts, strict=True) if not count]
        if gone:
            raise ManifestError(
                f"there is no valid_data, and setting {len(valid)} of {len(data)} training sequences aside for it "
                f"would leave none of {list_some(gone)} to learn from. Pass valid_data, or more of these sequences."
            )
    return train, valid


def _from_manifest(config: Config, manifest: str | dict[str, str]) -> Datasets:
    from seqconv.manifest import check_labels, load_manifest, make_splits

    columns: str | tuple[str, ...] = config.target.columns or config.target.column
    task, separator = config.target.task, config.target.separator
    frame = load_manifest(manifest, label=columns, task=task, separator=separator)
    frame = make_splits(frame, label=columns, task=task, separator=separator, seed=config.seed)
    check_labels(frame, columns, task, separator)
    data = Sequences.from_manifest(
        frame,
        config.features,
        label=columns,
        cache_dir=config.data.cache_dir,
        num_workers=config.data.num_workers,
    )
    parts = {split: data.where("split", split) for split in ("train", "valid", "test") if split in set(frame["split"])}
    notes = list(frame.attrs.get("notes", []))
    splits = frame[["id", "split"]].reset_index(drop=True)
    return Datasets(parts["train"], parts["valid"], parts.get("test"), _fit(config, parts["train"]), notes, splits)


def _fit(config: Config, train: Sequences) -> Target:
    return fit_target(config.target.task, train.labels, separator=config.target.separator, ids=train.ids)
