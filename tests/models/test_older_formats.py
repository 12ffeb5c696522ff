"""Model files of Keras 2 say so, and what to do; what they say works."""

import json
import re
import zipfile

import h5py
import keras
import numpy as np
import pytest

from seqconv.errors import ModelError
from seqconv.models import load_model
from seqconv.prediction import predict
from seqconv.tasks.target import Target

FRAMES = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
HDF5 = b"\x89HDF\r\n\x1a\n"


@pytest.fixture
def model():
    inputs = keras.Input((None, 3))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling1D()(inputs))
    return keras.Model(inputs, outputs)


@pytest.mark.filterwarnings("ignore:.*HDF5 file via.*")
def test_hdf5_is_converted_by_the_line_in_the_message(model, tmp_path, monkeypatch):
    model.save(tmp_path / "old.h5")
    with pytest.raises(
        ModelError, match=rf"in HDF5, the format of Keras 2, saved by Keras {keras.__version__}"
    ) as caught:
        load_model(tmp_path / "old.h5")
    line = re.search(r"keras\.models\.load_model\('(.*)', compile=False\)\.save\('(.*)'\)", str(caught.value))
    monkeypatch.chdir(tmp_path)
    keras.models.load_model(line[1], compile=False).save(line[2])
    table = predict(tmp_path / "converted.keras", [FRAMES], target=Target("classification", ("a", "b")))
    np.testing.assert_allclose(table["p_a"], np.asarray(model(FRAMES[None]))[:, 0], rtol=1e-5)


def test_weights_alone_are_no_model(model, tmp_path):
    model.save_weights(tmp_path / "x.weights.h5")
    with pytest.raises(ModelError, match=r"holds weights alone .*model.load_weights"):
        load_model(tmp_path / "x.weights.h5")


@pytest.mark.parametrize("place", [4096, 8192])
def test_an_archive_is_one_wherever_its_weights_begin(model, tmp_path, place):
    """HDF5 may begin at these bytes of a file, and so may the weights in an archive, which are HDF5 and not packed."""
    path = tmp_path / "placed.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in ("metadata.json", "config.json", "model.weights.h5")}
    # Spaces at the end of JSON mean nothing.
    members["config.json"] += b" " * (place - path.read_bytes().find(HDF5))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert path.read_bytes().find(HDF5) == place
    assert h5py.is_hdf5(path), "so it seems to libraries of HDF5"
    table = predict(path, [FRAMES], target=Target("classification", ("a", "b")))
    np.testing.assert_allclose(table["p_a"], np.asarray(model(FRAMES[None]))[:, 0], rtol=1e-5)


def test_a_saved_model_folder_is_named(model, tmp_path):
    model.export(tmp_path / "folder", verbose=False)
    with pytest.raises(ModelError, match=r"is a SavedModel folder, .*pip install tf_keras.*convert it with Keras 3"):
        load_model(tmp_path / "folder")


def test_an_archive_of_keras_2_names_its_version(model, tmp_path):
    """As Keras 2.15 writes it: the same members, and other modules of classes."""
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = json.dumps({"keras_version": "2.15.0", "date_saved": "2024-01-01@00:00:00"}).encode()
    members["config.json"] = members["config.json"].replace(
        b"keras.src.models.functional", b"keras.src.engine.functional"
    )
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ModelError, match=r"was saved by Keras 2\.15\.0, .*Load it with Keras 2"):
        load_model(tmp_path / "old.keras")
