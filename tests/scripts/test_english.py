"""Docstrings say at once what something is or does: a function begins with a verb, all else with a noun phrase."""

import ast
import re

import pytest
from support.docs_blocks import ROOT

MODULES = sorted((ROOT / "seqconv").rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
QUESTIONS = {"What", "Which", "How", "Why", "When", "Where", "Who", "Whose"}
NO_VERBS = {
    *("A", "An", "The", "All", "Another", "Any", "Both", "Each", "Every", "It", "One", "Some", "That", "These"),
    *("After", "As", "At", "Before", "By", "For", "From", "If", "In", "Of", "On", "So", "To", "With", "Within"),
}  # fmt: skip


def docstrings(tree):
    """Yield line, text, and the node of each docstring, of a string after a constant None."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
            for number, statement in enumerate(node.body):
                if isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str):
                    yield statement.lineno, statement.value.value, None if number else node


def is_claim(node):
    return isinstance(node, FUNCTIONS) and node.returns is not None and ast.unparse(node.returns) == "bool"


def find_problem(text, node):
    """Return what is wrong with the first word of a docstring; None if nothing is.

    Rule: no docstring begins with a question word. "Whether" is for functions and properties that return a bool. Any
    other function, private ones included, begins with a verb in the imperative: one capitalized word that is no
    article, pronoun or preposition, and does not end in "s" ("Frames of ...", "Returns ..."), unless in "ss" or "us".
    """
    first = re.match(r"\S*", text.strip()).group().rstrip(",.:;")
    if first in QUESTIONS:
        return "begins with a question word"
    if first == "Whether":
        return None if is_claim(node) else "begins with 'Whether', but does not return a bool"
    decorators = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", ())]
    if not isinstance(node, FUNCTIONS) or is_claim(node) or any(name.endswith("property") for name in decorators):
        return None
    if not re.fullmatch(r"[A-Z][a-z]+", first) or first in NO_VERBS or re.search(r"[^su]s$", first):
        return "does not begin with a verb"
    return None


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ('def f():\n    "What it is."', "question"),
        ('"How it works."', "question"),
        ('X = 1\n"Which one."', "question"),
        ('class C:\n    "Where it is."', "question"),
        ('def f():\n    "Whether it is so."', "bool"),
        ('def f() -> bool:\n    "Whether it is so."', None),
        ('def f():\n    "The result."', "verb"),
        ('def f():\n    "Frames of a sequence."', "verb"),
        ('def f():\n    "Returns the result."', "verb"),
        ('def f():\n    "`x` as text."', "verb"),
        ('def f():\n    "Pass it on."', None),
        ('def f():\n    "Find the result."', None),
        ('class C:\n    @property\n    def f(self):\n        "The result."', None),
        ('class C:\n    "A plan."', None),
    ],
)
def test_the_rule(code, problem):
    ((_, text, node),) = docstrings(ast.parse(code))
    found = find_problem(text, node)
    assert found is None if problem is None else problem in found


def test_first_words_of_docstrings():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {problem}: {text.strip().splitlines()[0]}"
        for path in MODULES
        for line, text, node in docstrings(ast.parse(path.read_text(encoding="utf-8")))
        if (problem := find_problem(text, node))
    ]
    assert not found, "\n".join(found)
