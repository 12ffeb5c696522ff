"""YAML with a reason next to each value."""

import textwrap
from collections.abc import Mapping
from typing import Any

from seqconv.cli.drafting.choices import Choice
from seqconv.config.files import write_yaml

WIDTH = 118
_COMMENT_COLUMN = 30


def write_section(section: Mapping[str, Choice]) -> list[str]:
    """Return the lines of a section, with the reasons as comments."""
    lines = []
    for name, choice in section.items():
        if isinstance(choice.value, list) and choice.value and isinstance(choice.value[0], dict):
            lines += [f"  {name}:    # {choice.why}", *(f"    - {_flow(item)}" for item in choice.value)]
            continue
        line = f"  {name}: {_flow(choice.value)}"
        if len(line) + len(choice.why) + 6 <= WIDTH:
            lines.append(f"{line:<{_COMMENT_COLUMN}}    # {choice.why}")
        else:
            lines += [*(f"  # {part}" for part in wrap(choice.why)), line]
    return lines


def wrap(text: str, width: int = WIDTH - 4) -> list[str]:
    """Return the lines of a sentence; what was indented stays so."""
    indent = " " * (len(text) - len(text.lstrip()))
    lines = textwrap.wrap(
        text.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  " * bool(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [""]


def _flow(value: Any) -> str:
    """Return a value on one line, as YAML reads it back."""
    if isinstance(value, dict):
        return write_yaml(value, on_one_line=True).strip()
    # In a list: behind a single word there would be a mark for the end of a document.
    return write_yaml([value], on_one_line=True).strip()[1:-1]
