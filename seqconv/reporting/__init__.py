"""Reports: a run, or several side by side, as one page that needs no network."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.reporting.comparison import write_comparison
    from seqconv.reporting.writing import write_report

__all__ = ["write_comparison", "write_report"]


def __getattr__(name: str) -> Any:
    """Import on first use: drawing needs what training does not."""
    from importlib import import_module

    rooms = {"write_report": "writing", "write_comparison": "comparison"}
    if name not in rooms:
        raise AttributeError(f"module 'seqconv.reporting' has no attribute '{name}'")
    return getattr(import_module(f"seqconv.reporting.{rooms[name]}"), name)
