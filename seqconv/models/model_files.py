"""Model files, before Keras is started: where they are, and the card that they hold."""

import zipfile
from pathlib import Path

from seqconv.errors import ModelError, list_some
from seqconv.files import is_address, read_json_member
from seqconv.models.card import ModelCard
from seqconv.models.older_formats import check_format

MODEL = "model.keras"
"""The file of the model in the folder of a run."""
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LARGEST_TEXT = 64 << 20


def find_model_file(path: str | Path) -> Path:
    """Return the model file at a path, or in the run folder at a path.

    Raises:
        ModelError: there is none, it is in a format of Keras 2, or no complete `.keras` archive.
    """
    if is_address(path):
        raise ModelError(f"'{path}' is an address, and models are loaded from files. Copy it to this machine.")
    path = Path(path)
    check_format(path)
    file = path / MODEL if path.is_dir() else path
    if not file.is_file():
        if path.is_dir():
            raise ModelError(f"there is no model file in '{path}': a folder of a run holds {MODEL}, and this one none.")
        raise ModelError(f"there is no model file at '{path}'.")
    if not zipfile.is_zipfile(file):
        raise ModelError(f"'{file}' is not a .keras archive (a zip file). Save models with model.save('NAME.keras').")
    try:
        with zipfile.ZipFile(file) as archive:
            check_members(archive.namelist())
    except ModelError as error:
        raise ModelError(f"'{file}' is not loaded: {error}") from error
    except zipfile.BadZipFile as error:
        raise ModelError(f"'{file}' is damaged: {error}") from error
    return file


def check_members(names: list[str]) -> None:
    """Refuse an archive that lacks one of the three members of a model.

    Raises:
        ModelError: names those that are missing.
    """
    missing = [name for name in (CONFIG, METADATA, WEIGHTS) if name not in names]
    if missing:
        raise ModelError(f"it is no complete .keras archive: {list_some(missing)} is missing")


def read_file_card(path: Path) -> ModelCard | None:
    """Return the card in a model file, an empty one of a stock model; None if it cannot be read.

    Loading the model says why it cannot be.
    """
    config = read_json_member(path, CONFIG, largest=LARGEST_TEXT)
    try:
        return ModelCard.from_dict(config["config"].get("card") or {})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
