"""`training.init`: a config that starts from a trained model, and leaves out what that model already says."""

import json
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from seqconv.features import as_settings
from seqconv.models.model_files import find_model_file
from seqconv.models.settings import ModelConfig, find_part_problems
from seqconv.parts import absolute_path

SECTIONS = ("model", "features")
"""Settings that a model file has from its run, and a config may leave out."""

_LARGEST_CONFIG = 64 << 20


def take_sections(values: dict[str, Any], folder: Path) -> str | None:
    """Fill the sections that `values` leave out with those of the model in `training.init`; return what prevents that.

    Args:
        values: a config as it was written; it is changed.
        folder: where a relative path starts.
    """
    training = values.get("training")
    path = training.get("init") if isinstance(training, dict) else None
    missing = [name for name in SECTIONS if name not in values]
    if not isinstance(path, str) or not path.strip() or not missing:
        return None
    file = absolute_path(path, folder)
    try:
        found = read_sections(file)
    except (ValueError, OSError) as error:
        return f"training.init: {error}"
    values.update({name: found[name] for name in missing if name in found})
    return None


def read_sections(path: str | Path) -> dict[str, Any]:
    """Return the sections `model` and `features` of the config that a model file was made with, if it has them.

    Raises:
        ModelError, ValueError: there is no such file, or it is none that `build_model` made.
    """
    path = find_model_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo("config.json")
            if info.file_size > _LARGEST_CONFIG:
                raise ValueError(f"its config.json would unpack to {info.file_size} bytes")
            settings = json.loads(archive.read(info))["config"]
        if "members" in settings:
            raise ValueError("it is an average of models. Name one of its members, RUN/members/0")
        missing = find_part_problems(settings.get("parts", ()))
        sections = {}
        if not missing:
            sections["model"] = ModelConfig.model_validate(settings["model"]).model_dump(mode="json")
        features = (settings.get("card") or {}).get("features")
        if features is not None:
            sections["features"] = as_settings(features).model_dump(mode="json")
    except (
        *(ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError),
        *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError),
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"'{path}' holds no model of seqconv, from which the sections {' and '.join(SECTIONS)} could be taken "
            f"({reason}). Name the model.keras of a run"
        ) from error
    if missing:
        raise ValueError(f"'{path}': {'; '.join(missing)}")
    return sections


def initial_problems(
    init: str | None, init_blocks: int | None, freeze: Collection[int], num_blocks: int
) -> Iterator[str]:
    """Yield settings of fine-tuning that exclude each other."""
    if init is None:
        for key, value in {"init_blocks": init_blocks, "freeze": list(freeze) or None}.items():
            if value is not None:
                yield (
                    f"training.{key}: {value} is about the blocks of a trained model, but training.init names none. "
                    "Set it to a model.keras, or remove the key."
                )
        return
    if init_blocks is not None and init_blocks > num_blocks:
        yield f"training.init_blocks: {init_blocks}, but the model has {num_blocks} blocks."
    beyond = sorted(index for index in freeze if not 0 <= index < num_blocks)
    if beyond:
        yield f"training.freeze: {beyond} are no blocks of the model, which are 0 to {num_blocks - 1}. Count from 0."
    if len(set(freeze)) < len(freeze):
        yield f"training.freeze: {list(freeze)} names a block twice."
    new = sorted(index for index in freeze if init_blocks is not None and init_blocks <= index < num_blocks)
    if new:
        yield (
            f"training.freeze: blocks {new} are not taken from training.init, of which training.init_blocks takes the "
            f"first {init_blocks}: they would stay as they begin, at random. Remove them."
        )
