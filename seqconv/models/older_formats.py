"""Model files of Keras 2: what wrote them, and how to make them files of today."""

import zipfile
from pathlib import Path

import h5py

from seqconv.errors import ModelError
from seqconv.files import read_json_member

_METADATA = "metadata.json"
_BY_KERAS_2 = "Load it with Keras 2 (pip install tf_keras; tf_keras.models.load_model) and save it as 'model.h5'. Then"


def check_format(path: Path) -> None:
    """Check that a file or folder is not a model in a format of Keras 2.

    Raises:
        ModelError: it is; says what wrote it, and what to do.
    """
    if (path / "saved_model.pb").is_file():
        raise ModelError(
            f"'{path}' is a SavedModel folder, as Keras 2 and TensorFlow write them, and Keras 3 makes no model of it. "
            f"{_BY_KERAS_2} {_convert('model.h5')}"
        )
    if not path.is_file():
        return
    # A .keras archive whose weights happen to begin at byte 512, 1024, 2048, ... is HDF5 behind a "user block", too.
    if h5py.is_hdf5(path) and not zipfile.is_zipfile(path):
        raise ModelError(_refuse_hdf5(path))
    version = _archive_version(path)
    if version.startswith(("1.", "2.")):
        raise ModelError(
            f"'{path}' was saved by Keras {version}, whose .keras files Keras 3 does not read. {_BY_KERAS_2} "
            f"{_convert('model.h5')}"
        )


def _refuse_hdf5(path: Path) -> str:
    try:
        with h5py.File(path, "r") as file:
            found, is_model = file.attrs.get("keras_version", ""), "model_config" in file.attrs
    except OSError as error:
        return f"'{path}' is a damaged HDF5 file: {error}"
    if not is_model:
        return (
            f"'{path}' holds weights alone (HDF5), and no model. Build the model, load them with "
            f"model.load_weights('{path}'), and save it: model.save('{path.stem.partition('.')[0]}.keras')."
        )
    version = found.decode() if isinstance(found, bytes) else str(found)
    writer = f", saved by Keras {version}" if version else ""
    return (
        f"'{path}' is a model in HDF5, the format of Keras 2{writer}; it may hold code, and is not loaded. If you "
        f"trust its author, {_convert(path)}"
    )


def _archive_version(path: Path) -> str:
    """Return the version of Keras that wrote a .keras file; "" if it does not say one."""
    # What else is wrong with the file is found where it is checked.
    found = read_json_member(path, _METADATA, largest=1 << 20)
    return str(found.get("keras_version", "")) if isinstance(found, dict) else ""


def _convert(path: Path | str) -> str:
    return f"convert it with Keras 3: keras.models.load_model('{path}', compile=False).save('converted.keras')."
