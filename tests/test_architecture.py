"""The house, read from the source: which layer may import which, and what no product code does."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqconv

PACKAGE = Path(seqconv.__file__).parent
MAX_LINES = 350

# From the ground up. A module may import its own layer and those below.
LAYERS: dict[str, tuple[str, ...]] = {
    "facts": ("archives", "arrays", "backends", "errors", "files", "frames", "locks", "metrics", "wording"),
    "declarations": ("config", "manifest"),
    "data": (
        "annotations", "audio", "augmentation", "batching", "class_weights", "cutting", "drafting", "excerpts",
        "features", "frame_labels", "headers", "label_arrays", "labels", "leakage", "oddities", "parts", "planning",
        "recordings", "sampling", "sequences", "sources", "splitting", "store", "targets", "timelines", "ts",
        "window_labels",
    ),
    "nn": ("layers", "models"),
    "runs": (
        "decisions", "detections", "evaluation", "event_predictions", "file_predictions", "inference", "inspection",
        "outputs", "prediction", "reporting", "runners", "series", "streaming", "tables", "training", "tuning",
        "window_predictions",
    ),
    "commands": ("commands",),
}  # fmt: skip

# Layers are not quite a stack: the network knows arithmetic and its own settings, no data.
NN_MAY_IMPORT = (
    "seqconv.archives", "seqconv.errors", "seqconv.frames", "seqconv.config.model", "seqconv.config.blocks",
    "seqconv.config.compound_blocks", "seqconv.config.pooling", "seqconv.layers", "seqconv.models",
)  # fmt: skip

# Reading a `.ts` file is declared in a manifest and done in a module that knows nothing else.
LEAVES = ("ts",)

FRAMEWORKS = ("tensorflow", "keras")
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parts[len(PACKAGE.parts)] not in ("configs", "data"))


def room_of(path: Path) -> str:
    """The first name below the package: `batching` for `seqconv/batching/plans.py`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rank_of(room: str) -> int:
    """Height of the layer that holds a room."""
    return next(rank for rank, rooms in enumerate(LAYERS.values()) if room in rooms)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports, also for type checking only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def offences(paths: list[Path], is_wrong) -> list[str]:
    """`file:line imports name` for each import that `is_wrong(path, name)`."""
    return [
        f"{path.relative_to(PACKAGE.parent)}:{line} imports {name}"
        for path in paths
        for line, name in imports_of(path)
        if is_wrong(path, name)
    ]


def test_every_room_has_its_layer():
    known = {room for rooms in LAYERS.values() for room in rooms}
    assert {room_of(path) for path in MODULES} - {"__init__"} <= known


def test_imports_go_downwards():
    def goes_up(path: Path, name: str) -> bool:
        parts = name.split(".")
        if parts[0] != "seqconv" or len(parts) < 2 or parts[1] in LEAVES or room_of(path) == "__init__":
            return False
        return rank_of(parts[1]) > rank_of(room_of(path))

    assert offences(MODULES, goes_up) == []


def test_no_module_imports_the_package_root_or_by_dots():
    assert offences(MODULES, lambda path, name: name == "seqconv" or name.startswith(".")) == []


def test_a_leaf_imports_nothing_but_facts():
    leaves = [path for path in MODULES if room_of(path) in LEAVES]
    facts = tuple(f"seqconv.{room}" for room in LAYERS["facts"])
    assert offences(leaves, lambda path, name: name.startswith("seqconv") and not name.startswith(facts)) == []


def test_data_and_below_know_no_framework():
    low = [path for path in MODULES if room_of(path) != "__init__" and rank_of(room_of(path)) <= rank_of("sequences")]
    assert offences(low, lambda path, name: name.split(".")[0] in FRAMEWORKS) == []


def test_the_network_is_keras_alone():
    network = [path for path in MODULES if room_of(path) in ("layers", "models")]

    def is_foreign(path: Path, name: str) -> bool:
        return name.split(".")[0] == "tensorflow" or (name.startswith("seqconv") and not name.startswith(NN_MAY_IMPORT))

    assert offences(network, is_foreign) == []


def test_batching_needs_numpy_only():
    batching = [path for path in MODULES if room_of(path) == "batching"]
    allowed = ("numpy", "seqconv.errors", "seqconv.frames", "seqconv.batching")
    third_party = ("pandas", "pydantic", "ruamel", "rich", "scipy", "sklearn", "librosa", "pyarrow", "seqconv")
    assert offences(batching, lambda path, name: name.startswith(third_party) and not name.startswith(allowed)) == []


def test_the_package_root_imports_nothing():
    assert list(imports_of(PACKAGE / "__init__.py")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_product_code_raises_and_stays_short(path):
    text = path.read_text(encoding="utf-8")
    asserts = [node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)]
    assert asserts == [], "users run Python with -O: raise an error of seqconv.errors"
    assert len(text.splitlines()) <= MAX_LINES
