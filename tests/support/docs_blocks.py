"""Code blocks of pages, and how they are run."""

import ast
import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(text, language):
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def run_block(code, namespace, name):
    """Run a block statement by statement; `# -> text` behind a statement is what it prints."""
    checked = 0
    for node in ast.parse(code).body:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(ast.Module([node], []), name, "exec"), namespace)
        line = code.splitlines()[node.end_lineno - 1]
        if "# -> " in line:
            assert printed.getvalue().strip() == line.split("# -> ")[1].strip(), line
            checked += 1
    assert checked == code.count("# -> "), "an expected output stands inside of a statement, where nobody checks it"
