"""An extension of Griffe, which reads docstrings for the reference.

Examples become blocks of Python, and the sections of a layer that Griffe does not know become lists.
"""

import re
from typing import Any

import griffe

CALL_ARGUMENTS = re.compile(r"^Call arguments:\n((?:    .*\n?)+)", flags=re.MULTILINE)
RETURNS = re.compile(r"^Returns:\n((?:    .*\n?)+)", flags=re.MULTILINE)


class HouseDocstrings(griffe.Extension):
    """Makes Markdown of what docstrings have beside Google's sections."""

    def on_object(self, *, obj: Any, **kwargs: Any) -> None:
        """Called by Griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = fence_examples(obj.docstring.value)
            if obj.is_class:
                obj.docstring.value = list_call(obj.docstring.value)


def fence_examples(docstring: str) -> str:
    """The docstring with a fence around each example; an example ends at an empty line.

    >>> fence_examples("Say.\\n\\n>>> 1 + 1\\n2").splitlines()
    ['Say.', '', '```pycon', '>>> 1 + 1', '2', '```']
    """
    lines: list[str] = []
    is_inside = False
    for line in [*docstring.splitlines(), ""]:
        if line.startswith(">>>") and not is_inside:
            # The heading of a section needs an indented body; an example stands for itself.
            while lines and lines[-1] in ("", "Example:", "Examples:"):
                lines.pop()
            lines += ["", "```pycon"]
            is_inside = True
        elif is_inside and not line.strip():
            lines.append("```")
            is_inside = False
        lines.append(line)
    return "\n".join(lines).rstrip()


def list_call(docstring: str) -> str:
    """The docstring of a layer, with what it is called with, and what that returns, as lists.

    >>> list_call("Call arguments:\\n    inputs: `(batch, time)`,\\n        real.\\n    training: or not.")
    '**Call arguments:**\\n\\n- `inputs` – `(batch, time)`, real.\\n- `training` – or not.\\n'
    """

    def call_arguments(found: re.Match[str]) -> str:
        joined = re.sub(r"\n {5,}", " ", found.group(1))
        items = re.sub(r"^    ([\w, ]+): (.*)$", r"- `\1` – \2", joined, flags=re.MULTILINE)
        return f"**Call arguments:**\n\n{items.rstrip()}\n"

    docstring = CALL_ARGUMENTS.sub(call_arguments, docstring)
    return RETURNS.sub(lambda found: f"**Returns:** {' '.join(found.group(1).split())}\n", docstring)
