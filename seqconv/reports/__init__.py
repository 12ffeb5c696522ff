"""Reports: a run as one page that needs no network, and displays for notebooks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.reports.writing import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    """Import names on first use: drawing needs matplotlib, which training does not."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.reports' has no attribute '{name}'")
    from seqconv.reports import writing

    return getattr(writing, name)
