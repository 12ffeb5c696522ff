"""Pages from templates: the functions they may call, the limits for a browser, and the writing of the file."""

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from seqconv.files import write_text
from seqconv.reports.drawings import in_columns
from seqconv.reports.tables import number, percent
from seqconv.text import amount


def write_page(template: str, path: Path, **values: Any) -> Path:
    """Fill a template and write the page, whole; return the path.

    It needs nothing but itself: its policy forbids every request.
    """
    script = fill_template("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; media-src data:"
    )
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    write_text(fill_template(template, policy=policy, script=script, written=written, **values), path)
    return path


def fill_template(name: str, **values: Any) -> str:
    """Return the text of a template with these values, which are escaped."""
    return _TEMPLATES.get_template(name).render(**values)


def sort_key(value: Any) -> str:
    """Return the value by which the page sorts a cell: numbers in full, text as it is.

    >>> sort_key(0.1), sort_key(None), sort_key("a")
    ('0.1', '', 'a')
    """
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters.update(number=number, percent=percent)
_TEMPLATES.globals.update(amount=amount, in_columns=in_columns, sort_key=sort_key)
