"""Datasets of Hugging Face with recordings: as paths, and as bytes inside the table."""

from pathlib import Path
from typing import Any

from support.extras import require


def features() -> Any:
    import datasets

    return datasets.Features({"audio": datasets.Audio(), "label": datasets.ClassLabel(names=["low", "high", "unused"])})


def with_paths(paths: list[Path], labels: list[int], **columns: list[Any]) -> Any:
    """A dataset that names files; `Audio` itself would need torchcodec to make it from anything but text."""
    require("datasets")
    import datasets

    table = datasets.Dataset.from_dict({"audio": list(map(str, paths)), "label": labels, **columns})
    for name, feature in features().items():
        table = table.cast_column(name, feature)
    return table


def with_bytes(paths: list[Path], labels: list[int], **columns: list[Any]) -> Any:
    """A dataset with the recordings inside, as on the Hub."""
    require("datasets")
    import datasets

    audio = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    table = datasets.Dataset.from_dict({"audio": audio, "label": labels, **columns})
    for name, feature in features().items():
        table = table.cast_column(name, feature)
    return table
