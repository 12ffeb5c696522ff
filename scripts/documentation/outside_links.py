"""A hook of MkDocs: links that leave `docs/`.

Pages link files of the repository, such as tests, by relative paths, which work on GitHub. The site holds `docs/`
alone: there they lead to `repo_url` where `mkdocs.yml` has one, and are plain text where it has not.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)\s]*)\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Called by MkDocs for each page."""
    root = Path(config.config_file_path).parent
    folder = PurePosixPath(Path(config.docs_dir).relative_to(root).as_posix(), page.file.src_uri).parent
    return rewrite_links(markdown, folder, config.repo_url)


def rewrite_links(markdown: str, folder: PurePosixPath, repository: str | None) -> str:
    """The text of a page in `folder`, its links to other parts of the repository rewritten.

    >>> rewrite_links("[tests](../tests/x.py), [start](start.md)", PurePosixPath("docs"), None)
    '`tests`, [start](start.md)'
    >>> rewrite_links("[tests](../tests/x.py)", PurePosixPath("docs"), "https://host/seqconv/")
    '[tests](https://host/seqconv/blob/main/tests/x.py)'
    """

    def rewrite(found: re.Match[str]) -> str:
        text, target = found.groups()
        path = normpath(folder / target)
        if path == "docs" or path.startswith("docs/"):
            return found.group()
        if repository:
            return f"[{text}]({repository.rstrip('/')}/blob/main/{path})"
        return text if "`" in text else f"`{text}`"

    return LINK.sub(rewrite, markdown)
