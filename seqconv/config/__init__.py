"""The settings of a run: one section for each concern, each key with a working default."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seqconv.config.loading import dump_config, load_config
    from seqconv.config.run import Config

__all__ = ["Config", "dump_config", "load_config"]

# Names are imported on first use: backends are chosen without pydantic.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"loading": ["dump_config", "load_config"], "run": ["Config"]}
)
