"""Reports: a run as one page that needs no network, and displays for notebooks."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seqconv.reports.writing import write_report

__all__ = ["write_report"]

# Names are imported on first use: drawing needs matplotlib, which training does not.
__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"writing": ["write_report"]})
