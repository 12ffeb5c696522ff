"""Pages from templates: the functions they may call, the limits for a browser, and the writing of the file."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqconv.files import write_text
from seqconv.reports.drawings import in_columns, read_template
from seqconv.reports.tables import number, percent
from seqconv.text import amount

if TYPE_CHECKING:
    from jinja2 import Environment


def write_page(template: str, path: Path, **values: Any) -> Path:
    """Fill a template and write it, whole; return the path."""
    write_text(render_page(template, **values), path)
    return path


def render_page(template: str, **values: Any) -> str:
    """Render a page that needs nothing but itself: its policy forbids every request."""
    script = read_template("report.js")
    style = read_template("report.css")
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'unsafe-inline'; img-src data:; "
        "media-src data:"
    )
    page = environment().get_template(template)
    return page.render(policy=policy, script=script, style=style, **values)


@cache
def environment() -> "Environment":
    """Return the environment that fills templates; text is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=percent)
    environment.globals.update(amount=amount, in_columns=in_columns, sort_key=sort_key)
    return environment


def sort_key(value: Any) -> str:
    """Return the value by which the page sorts a cell: numbers in full, text as it is.

    >>> sort_key(0.1), sort_key(None), sort_key("a")
    ('0.1', '', 'a')
    """
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
