"""Measure the house: rooms, imports between them, circles, and lines of code; draw its rooms.

python scripts/architecture.py
python scripts/architecture.py --draw docs/assets/rooms.svg
"""

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "seqconv"

# Any room may import these modules, which stand loose at the top.
FLOOR = ("errors", "text", "geometry", "sources", "files", "parts")
# From left to right: a room may import itself and those before it.
ORDER = (
    "metrics", "tasks", "batching", "features", "data", "layers", "models", "config", "prediction", "inspection",
    "reports", "evaluation", "export", "training", "experiments", "estimators", "testing", "cli",
)  # fmt: skip

Graph = dict[str, set[str]]


def find_modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Path of each module by its full name; a folder has the name of its `__init__`."""
    return {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(package.rglob("*.py"))
        if "_project" not in path.relative_to(package).parts
    }


def names_imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each import of a file, also of lazy ones and of those for type checkers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def import_graph(modules: Mapping[str, Path]) -> Graph:
    """Modules of the package that each module imports."""
    graph: Graph = {}
    for name, path in modules.items():
        found = {_module_of(imported, modules) for _, imported in names_imported(path)}
        graph[name] = {each for each in found if each is not None} - {name}
    return graph


def unit_of(module: str) -> str:
    """Folder or loose module at the top of the package: `batching` for `seqconv.batching.plans`.

    >>> unit_of("seqconv.batching.plans")
    'batching'
    """
    return (module.split(".")[1:] or ["__init__"])[0]


def unit_graph(graph: Graph) -> Graph:
    """Units that each unit imports; the package root is not counted."""
    units: Graph = {unit_of(module): set() for module in graph}
    for module, imported in graph.items():
        units[unit_of(module)] |= {unit_of(each) for each in imported} - {unit_of(module)}
    units.pop("__init__", None)
    return units


def find_circles(graph: Graph) -> list[list[str]]:
    """Strongly connected parts of more than one node (Tarjan 1972).

    >>> find_circles({"a": {"b"}, "b": {"a"}, "c": {"a"}})
    [['a', 'b']]
    """
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], index[other])
        if lowest[node] == index[node]:
            start = stack.index(node)
            circle = sorted(stack[start:])
            del stack[start:]
            if len(circle) > 1:
                circles.append(circle)

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return circles


def imports_that_climb(modules: Mapping[str, Path]) -> list[str]:
    """`file:line imports name` for each import of a room by one that stands before it in `ORDER`."""
    found = []
    for name, path in modules.items():
        here = unit_of(name)
        if here in ("__init__", "__main__"):
            continue
        for line, imported in names_imported(path):
            if imported.split(".")[0] == "seqconv" and _rank(unit_of(imported)) > _rank(here):
                found.append(f"{path.relative_to(PACKAGE.parent)}:{line} imports {imported}")
    return found


def count_code_lines(path: Path) -> int:
    """Lines that hold code: no docstrings, no comments, no blank lines."""
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            docstring = node.body[0]
            lines -= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def count_matches(modules: Mapping[str, Path], pattern: str, *, outside: str | None = None) -> int:
    """Matches of a regular expression in the lines of code, without those of one room."""
    expression = re.compile(pattern)
    return sum(
        len(expression.findall(path.read_text(encoding="utf-8")))
        for name, path in modules.items()
        if unit_of(name) != outside
    )


def measure() -> dict[str, int]:
    """Figures of the house by name."""
    modules = find_modules()
    graph = import_graph(modules)
    units = unit_graph(graph)
    rooms = {name for name in units if (PACKAGE / name).is_dir()}
    # Whoever opens a file may ask for one, as for an error or a text.
    counted = rooms - {"files"}
    loose = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    return {
        "files": len(modules),
        "units at the top": len(rooms | loose)
        + sum((PACKAGE / f"__{name}__.py").is_file() for name in ("init", "main")),
        "loose modules": len(loose),
        "arrows between rooms, loose modules and files not counted": sum(
            len(imported & counted) for name, imported in units.items() if name in counted
        ),
        "imports that climb": len(imports_that_climb(modules)),
        "circles of files": len(find_circles(graph)),
        "circles of units": len(find_circles(units)),
        "decisions by the name of a task, outside tasks": count_matches(modules, TASK_DECISION, outside="tasks"),
        # Those of a pandas table; an HDF5 file has others.
        "uses of .attrs": count_matches(modules, r"(?<!file)\.attrs\b"),
        "lines of code": sum(map(count_code_lines, modules.values())),
    }


# `task == "regression"`, `task in (...)`, `match task:`, and tables with a task for a key.
TASK_DECISION = (
    r"\b\w*task(?:\.name)?\s*(?:==|!=|(?:not )?in\b)\s*[\"'(\[{A-Z]"
    r"|[\"'](?:classification|multilabel|regression)[\"']\s*(?:==|!=|:)"
    r"|\bmatch (?:\w+\.)*task\b|\[\s*(?:\w+\.)*task\s*\]"
)


# Rows of the picture, from the ground up: what a room is for, in a few words.
ROWS = (
    {
        "errors": "what went wrong", "text": "words", "geometry": "frames", "sources": "(time, d)",
        "files": "here and elsewhere", "parts": "registries",
    },
    {"metrics": "arrays to scores", "tasks": "labels to answers", "batching": "lengths to batches"},
    {"features": "recordings to frames", "data": "manifests to sequences"},
    {"layers": "exact in any batch", "models": "blocks and heads", "config": "all settings"},
    {
        "prediction": "model to tables", "inspection": "looking inside", "reports": "pages",
        "evaluation": "model to scores", "export": "models elsewhere",
    },
    {"training": "one run", "experiments": "many runs", "estimators": "fit and predict", "testing": "the contract"},
    {"cli": "seqconv COMMAND", "__init__": "import seqconv"},
)  # fmt: skip


def draw_rooms() -> str:
    """Draw the rooms that exist as an SVG: a room imports only what is below it, or to its left in the same row."""
    there = {unit_of(name) for name in find_modules()}
    width, height, gap = 940, 54, 10
    parts = []
    for level, row in enumerate(reversed(ROWS)):
        rooms = {name: text for name, text in row.items() if name in there}
        each = (width - gap * (len(rooms) + 1)) / len(rooms)
        for place, (name, text) in enumerate(rooms.items()):
            x, y = gap + place * (each + gap), gap + level * (height + gap)
            middle = x + each / 2
            title = "seqconv" if name == "__init__" else name
            parts.append(
                f'<rect x="{x:.0f}" y="{y}" width="{each:.0f}" height="{height}" rx="6" fill="#e0f2f1" '
                'stroke="#00796b"/>'
                f'<text x="{middle:.0f}" y="{y + 23}" font-weight="bold">{title}</text>'
                f'<text x="{middle:.0f}" y="{y + 42}" font-size="12">{text}</text>'
            )
    total = gap + len(ROWS) * (height + gap)
    style = 'font-family="sans-serif" font-size="15" text-anchor="middle" fill="#102a27"'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" {style}>\n{body}\n</svg>\n'


def main() -> int:
    """Print the figures, each import that climbs and each circle; or draw the rooms."""
    parser = argparse.ArgumentParser(description="Measure the house, or draw its rooms.")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="write a picture of the rooms (SVG)")
    arguments = parser.parse_args()
    if arguments.draw is not None:
        arguments.draw.write_text(draw_rooms(), encoding="utf-8")
        return 0
    for name, value in measure().items():
        print(f"{value:>8,}  {name}")
    modules = find_modules()
    graph = import_graph(modules)
    for line in imports_that_climb(modules):
        print(line)
    for circle in [*find_circles(graph), *find_circles(unit_graph(graph))]:
        print("circle:", ", ".join(circle))
    return 0


def _module_of(imported: str, modules: Mapping[str, Path]) -> str | None:
    if imported in modules:
        return imported
    parent = imported.rpartition(".")[0]
    return parent if parent in modules else None


def _rank(unit: str) -> int:
    return ORDER.index(unit) if unit in ORDER else -1


if __name__ == "__main__":
    sys.exit(main())
