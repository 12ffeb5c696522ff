"""YAML with a reason next to each value."""

import textwrap
from collections.abc import Mapping

from seqconv.cli.drafting.choices import Choice
from seqconv.config.files import write_value

WIDTH = 118
INDENT = "    "
"""Before a command on a line of its own."""
_COMMENT_COLUMN = 30


def write_section(section: Mapping[str, Choice]) -> list[str]:
    """Return the lines of a section, with the reasons as comments."""
    lines = []
    for name, choice in section.items():
        if isinstance(choice.value, list) and choice.value and isinstance(choice.value[0], dict):
            lines += [f"  {name}:    # {choice.why}", *(f"    - {write_value(item)}" for item in choice.value)]
            continue
        line = f"  {name}: {write_value(choice.value)}"
        if len(line) + len(choice.why) + 6 <= WIDTH:
            lines.append(f"{line:<{_COMMENT_COLUMN}}    # {choice.why}")
        else:
            lines += [*(f"  # {part}" for part in wrap(choice.why)), line]
    return lines


def wrap(text: str, width: int = WIDTH - 4) -> list[str]:
    """Return the lines of a sentence; what was indented stays so, and a command stays whole."""
    if text.startswith(f"{INDENT}seqconv "):
        return [text]
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
