"""The house, read from the source: imports go down one order, without circles; and what no product code does."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import seqconv

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from architecture import (  # noqa: E402
    FLOOR,
    ORDER,
    find_circles,
    find_modules,
    import_graph,
    imports_that_climb,
    names_imported,
    unit_graph,
    unit_of,
)  # fmt: skip

PACKAGE = Path(seqconv.__file__).parent
MODULES = find_modules(PACKAGE)
MAX_LINES = 350

# The network knows arithmetic, labels and features; no batches, and of data only how they are read.
ALLOWED = {
    "batching": (
        "numpy", "seqconv.errors", "seqconv.text", "seqconv.geometry", "seqconv.parts.registry", "seqconv.batching",
    ),
    "layers": ("keras", "numpy", "seqconv.errors", "seqconv.geometry", "seqconv.layers"),
    "models": (
        "keras", "numpy", "pydantic", "h5py", "lazy_loader", "seqconv.errors", "seqconv.files", "seqconv.geometry",
        "seqconv.parts", "seqconv.tasks", "seqconv.features", "seqconv.data.spec", "seqconv.layers", "seqconv.models",
    ),
}  # fmt: skip
WITHOUT_FRAMEWORK = ("metrics", "tasks", "batching", "features", "data", "config")


def offences(rooms: tuple[str, ...], is_wrong: Callable[[Path, str], bool]) -> list[str]:
    """`file:line imports name` for each import in these rooms that `is_wrong(path, name)`."""
    return [
        f"{path.relative_to(PACKAGE.parent)}:{line} imports {imported}"
        for name, path in MODULES.items()
        if unit_of(name) in rooms
        for line, imported in names_imported(path)
        if is_wrong(path, imported)
    ]


def _code(path: Path) -> str:
    """The text without examples in docstrings, which show the front door."""
    return "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if ">>>" not in line)


def test_every_room_has_its_place():
    assert {unit_of(name) for name in MODULES} - {"__init__", "__main__"} <= {*FLOOR, *ORDER}


def test_imports_go_down_one_order():
    assert imports_that_climb(MODULES) == []


def test_no_file_imports_itself_in_a_circle():
    graph = import_graph(MODULES)
    assert find_circles(graph) == []
    assert find_circles(unit_graph(graph)) == []


def test_no_module_imports_the_package_root_or_by_dots():
    def is_root(path: Path, name: str) -> bool:
        is_public = name.startswith("seqconv.") and name.removeprefix("seqconv.") in seqconv.__all__
        return is_public or name == "seqconv" or name.startswith(".")

    assert offences((*FLOOR, *ORDER), is_root) == []
    through_root = [name for name, path in MODULES.items() if "from seqconv import" in _code(path)]
    assert through_root == []


def test_what_reads_data_and_settings_knows_no_framework():
    frameworks = ("tensorflow", "keras")

    def is_framework(path: Path, name: str) -> bool:
        # Methods of tasks import their losses when they make them; backends are started where they are chosen.
        losses = PACKAGE / "tasks" / "losses.py", PACKAGE / "tasks" / "ctc.py"
        is_meant = path in (*losses, PACKAGE / "config" / "backends.py")
        return name.split(".")[0] in frameworks and not is_meant

    assert offences(WITHOUT_FRAMEWORK, is_framework) == []


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_needs_only_what_it_may(room):
    standard = sys.stdlib_module_names

    def is_foreign(path: Path, name: str) -> bool:
        return name.split(".")[0] not in standard and not name.startswith(ALLOWED[room])

    assert offences((room,), is_foreign) == []


@pytest.mark.parametrize("name", MODULES)
def test_product_code_raises_and_stays_short(name):
    text = MODULES[name].read_text(encoding="utf-8")
    asserts = [node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)]
    assert asserts == [], "users run Python with -O: raise an error of seqconv.errors"
    assert len(text.splitlines()) <= MAX_LINES


def test_no_test_imports_another():
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {imported}"
        for path in (ROOT / "tests").rglob("*.py")
        for line, imported in names_imported(path)
        if imported.split(".")[0].startswith("test_")
    ]
    assert found == []
