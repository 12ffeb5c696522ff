"""Model files of others: nothing in them runs, writes or takes memory; what is wrong is refused by name."""

import ast
import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from support.mutations import mutate

import seqconv
from seqconv.errors import ModelError
from seqconv.models import build_model, load_model

PACKAGE = Path(seqconv.__file__).parent
NUM_FILES = int(os.environ.get("SEQCONV_FUZZ_FILES", "150"))
SEED = int(os.environ.get("SEQCONV_FUZZ_SEED", "0"))
CONFIG = {"blocks": [{"filters": 8, "kernel_size": 3, "activation": "gelu"}, {"type": "lstm", "units": 4}]}
CARD = {
    "format_version": 1,
    "seqconv_version": "0.1.0",
    "target": {"task": "classification", "names": ["Lambda", "seqconv>x"]},
}
Members = dict[str, bytes]


@pytest.fixture(scope="module")
def members(tmp_path_factory) -> Members:
    """The members of a good model file."""
    path = tmp_path_factory.mktemp("model") / "model.keras"
    build_model(CONFIG, num_features=5, num_outputs=2, card=CARD).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, members: Members) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def with_config(members: Members, change: Callable[[dict[str, Any]], object]) -> Members:
    config = json.loads(members["config.json"])
    change(config)
    return {**members, "config.json": json.dumps(config).encode()}


def with_weights(members: Members, change: Callable[[h5py.File], object]) -> Members:
    stream = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stream, "r+") as file:
        change(file)
    return {**members, "model.weights.h5": stream.getvalue()}


def stock_model(layer: keras.layers.Layer | None = None) -> keras.Model:
    inputs = keras.Input((None, 3))
    features = inputs if layer is None else layer(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, activation="relu")(features))


def test_what_is_good_is_loaded(members, tmp_path):
    model = load_model(write(tmp_path / "x.keras", members))
    assert model.card.target.names == ("Lambda", "seqconv>x")
    model = stock_model(keras.layers.Conv1D(4, 3, kernel_regularizer="l2"))
    model.compile("adam", "mse")
    model.save(tmp_path / "stock.keras")
    loaded = load_model(tmp_path / "stock.keras")
    frames = np.ones((1, 9, 3), "float32")
    np.testing.assert_array_equal(loaded.predict(frames, verbose=0), model.predict(frames, verbose=0))


def deep(config: dict[str, Any]) -> dict[str, Any]:
    return config["config"]["model"]["blocks"][0]


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "filters": (lambda c: deep(c).update(filters=10**9), r"model\.blocks\[0\]\.filters is 1e\+09, more than any model"),
    "many": (lambda c: deep(c).update(filters=10**6), r"its config asks for \d+ weights, but the file holds \d+"),
    "kernel": (lambda c: deep(c).update(kernel_size=999_999), r"its config asks for \d+ weights, but the file holds"),
    "repeat": (lambda c: deep(c).update(repeat=10**6), r"repeat is 1e\+06, more layers than any model has"),
    "fewer": (lambda c: c["config"]["model"]["blocks"].pop(), r"holds \d+ weights, but its config asks for \d+ only"),
    "key": (lambda c: deep(c).update(filterz=3), r"model: model\.blocks\.0\.filterz: unknown key.*Its value is 3"),
    "type": (lambda c: deep(c).update(filters="many"), r"blocks\.0\.filters: expected a whole number, got 'many'"),
    "list": (lambda c: c["config"].update(model=[1, 2]), r"a Keras model: model: .*, got \[1, 2\]"),
    "missing": (lambda c: c["config"].pop("num_features"), "its config lacks 'num_features'"),
    "dtype": (lambda c: c["config"].pop("dtype"), "its config lacks 'dtype'"),
    "features": (lambda c: c["config"].update(num_features=-5), "cannot be loaded as a Keras model"),
    "text": (lambda c: c["config"].update(num_features="5"), "cannot be loaded as a Keras model"),
    "card": (lambda c: c["config"].update(card=[1]), r"its card is \[1\], not an object"),
    "target": (lambda c: c["config"]["card"].update(target=[1]), r"the card of the model has the target \[1\], which"),
    "no config": (lambda c: c.pop("config"), "config.json describes no model"),
    "no model": (
        lambda c: c.update(
            class_name="Dense", module="keras.layers", registered_name="", build_config={}, config={"units": 1}
        ),
        "describes a Dense, not a model",
    ),
    "version": (
        lambda c: c["config"]["card"].update(format_version=7, seqconv_version="9.2"),
        r"saved in format 7 by seqconv 9\.2, .*reads formats up to 2\. Install seqconv 9\.2 or later",
    ),
    "no version": (lambda c: c["config"]["card"].update(format_version="x"), "its format_version is 'x'"),
    "package": (lambda c: c.update(registered_name="evil>SequenceModel"), "'SequenceModel' of module"),
    "module": (
        lambda c: c.update(module="os", class_name="system", registered_name=None, config={"command": "touch made"}),
        "model is 'system' of module 'os', which is neither Keras's nor seqconv's",
    ),
    "function": (
        lambda c: c["config"].update(x=[{"y": {"module": "subprocess", "class_name": "function", "config": "run"}}]),
        r"model\.config\.x\[0\]\.y is 'function' of module 'subprocess'",
    ),
    "lambda": (
        lambda c: c["config"].update(x=({"class_name": "__lambda__", "config": {"value": "YQ=="}},)),
        r"model\.config\.x\[0\] is '__lambda__' of module 'None', which can hold code",
    ),
    "policy": (
        lambda c: c["config"]["dtype"].update(module="builtins", class_name="eval", config={}),
        "cannot be loaded as a Keras model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_tampered_config_is_refused_with_its_place(members, tmp_path, name):
    change, reason = CHANGES[name]
    with pytest.raises(ModelError, match=reason) as caught:
        load_model(write(tmp_path / "x.keras", with_config(members, change)))
    assert str(tmp_path / "x.keras") in str(caught.value)


@keras.saving.register_keras_serializable(package="others")
class Stranger(keras.layers.Layer):
    """A class that another package registered in this process."""

    made = 0

    def __init__(self, **options: Any) -> None:
        Stranger.made += 1
        super().__init__(**options)

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="others")
def strange_activation(values: Any) -> Any:
    return values


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (
            lambda: keras.layers.Lambda(lambda x: x),
            r"layers\[1\] is 'Lambda' of module 'keras\.layers', which can",
        ),
        (Stranger, r"layers\[1\] is 'Stranger' of module .*registered as 'others>Stranger' by another package"),
        (lambda: keras.layers.Bidirectional(keras.layers.RNN([keras.layers.LSTMCell(2)], True)), None),
        (lambda: keras.layers.TimeDistributed(Stranger()), r"config\.layer is 'Stranger'"),
        (lambda: keras.layers.Activation(strange_activation), "strange_activation"),
        (lambda: keras.Sequential([keras.layers.Dense(2), keras.layers.Lambda(lambda x: x)]), "'Lambda'"),
    ],
)
def test_layers_that_are_not_keras_or_ours_are_refused_by_name(tmp_path, layer, reason):
    stock_model(layer()).save(tmp_path / "x.keras")
    made = Stranger.made
    if reason is None:
        assert load_model(tmp_path / "x.keras").count_params()
        return
    with pytest.raises(ModelError, match=reason):
        load_model(tmp_path / "x.keras")
    assert Stranger.made == made


def test_a_stranger_under_the_name_of_a_keras_layer_is_refused(tmp_path):
    stock_model().save(tmp_path / "x.keras")
    with zipfile.ZipFile(tmp_path / "x.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def rename(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["registered_name"] = "others>Stranger"

    with pytest.raises(ModelError, match="registered as 'others>Stranger' by another package"):
        load_model(write(tmp_path / "y.keras", with_config(members, rename)))


def first_weights(file: h5py.File) -> h5py.Group:
    found: list[h5py.Dataset] = []
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found[-1].parent


def replace_first(file: h5py.File, values: np.ndarray | h5py.ExternalLink | h5py.SoftLink) -> None:
    group = first_weights(file)
    name = next(iter(group))
    del group[name]
    group[name] = values


def declare_much(file: h5py.File) -> None:
    group = first_weights(file)
    name = next(iter(group))
    del group[name]
    group.create_dataset(name, shape=(10**6, 10**6), chunks=(1000, 1000), dtype="f4", compression="gzip")


WEIGHTS: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "missing": (lambda file: file.clear(), r"asks for \d+ weights, but the file holds 0"),
    "extra": (lambda file: file.create_dataset("extra/vars/0", data=np.zeros(3)), r"holds \d+ weights, but its config"),
    "misshapen": (lambda file: replace_first(file, np.zeros((1, 1, 1))), "weights"),
    "text": (lambda file: replace_first(file, np.array([b"x"] * 3)), "weights|cannot be loaded"),
    "external link": (lambda file: replace_first(file, h5py.ExternalLink("/etc/passwd", "/x")), "is a link to some"),
    "soft link": (lambda file: replace_first(file, h5py.SoftLink("/")), "is a link to somewhere else"),
    "huge": (declare_much, "is stored elsewhere or is larger than the file"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_tampered_weights_are_refused(members, tmp_path, name):
    change, reason = WEIGHTS[name]
    with pytest.raises(ModelError, match=reason):
        load_model(write(tmp_path / "x.keras", with_weights(members, change)))


def test_weights_of_the_same_number_and_another_shape_are_refused(members, tmp_path):
    def transpose(file: h5py.File) -> None:
        found: list[h5py.Dataset] = []
        file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        item = next(item for item in found if item.ndim > 1 and item.shape != item.shape[::-1])
        group, name, values = item.parent, item.name.rsplit("/", 1)[1], item[()].T
        del group[name]
        group[name] = values

    with pytest.raises(ModelError, match="cannot be loaded as a Keras model"):
        load_model(write(tmp_path / "x.keras", with_weights(members, transpose)))


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "assets/../../x", "C:\\x", "extra.py", "assets/vocabulary.txt"])
def test_members_that_no_model_needs_are_refused_and_written_nowhere(members, tmp_path, name):
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    path = write(folder / "x.keras", {**members, name: b"evil"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ModelError, match="which models have no use for"):
        load_model(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_member_that_is_a_link_is_refused(members, tmp_path):
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name == "model.weights.h5" else 0o100644) << 16
            archive.writestr(info, data)
    with pytest.raises(ModelError, match=r"its member 'model\.weights\.h5' is a link"):
        load_model(path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_member_that_stands_twice_is_refused(members, tmp_path):
    path = write(tmp_path / "x.keras", members)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ModelError, match=r"holds 'config\.json', which models have no use for"):
        load_model(path)


@pytest.mark.parametrize(("name", "size"), [("config.json", 65 << 20), ("model.weights.h5", 300 << 20)])
def test_an_archive_that_unpacks_to_much_more_is_refused(members, tmp_path, name, size):
    with zipfile.ZipFile(tmp_path / "x.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in {**members, name: bytes(size)}.items():
            archive.writestr(member, data)
    with pytest.raises(ModelError, match=rf"'{name}' would unpack from \d+ to {size} bytes"):
        load_model(tmp_path / "x.keras")


@pytest.mark.parametrize("missing", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_member_that_is_missing_is_named(members, tmp_path, missing):
    kept = {name: data for name, data in members.items() if name != missing}
    with pytest.raises(ModelError, match=f"no complete .keras archive: '{missing}' is missing"):
        load_model(write(tmp_path / "x.keras", kept))


def test_damaged_files_are_refused_or_loaded_and_nothing_else(members, tmp_path):
    data = write(tmp_path / "good.keras", members).read_bytes()
    refused = 0
    for number in range(NUM_FILES):
        rng = np.random.default_rng([SEED, number])
        if number % 3 == 0:
            config = mutate(members["config.json"], members["config.json"], rng)[1]
            path = write(tmp_path / "x.keras", {**members, "config.json": config})
        elif number % 3 == 1:
            weights = mutate(members["model.weights.h5"], members["model.weights.h5"], rng)[1]
            path = write(tmp_path / "x.keras", {**members, "model.weights.h5": weights})
        else:
            path = tmp_path / "x.keras"
            path.write_bytes(mutate(data, data, rng)[1])
        try:
            load_model(path)
        except ModelError as error:
            reason = str(error)
            refused += 1
        else:
            reason = str(path)
        assert str(path) in reason
    assert refused > NUM_FILES // 3


# What unpickles, or can: every one of these would run the code of whoever wrote the file.
PICKLERS = re.compile(r"\b(?:pickle|cPickle|dill|cloudpickle|joblib|shelve|marshal)\.loads?\b|read_pickle|torch\.load")
# They talk to the processes that this one has started, over pipes that nobody else has.
OWN_PIPES = ("features/store/workers.py",)


def test_nothing_is_unpickled_anywhere():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.relative_to(PACKAGE).as_posix() not in OWN_PIPES:
            assert not PICKLERS.search(text), path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
                options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert options.get("allow_pickle") == "False", f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("load_model"):
                options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert options.get("safe_mode", "True") == "True", f"{path}:{node.lineno}"
