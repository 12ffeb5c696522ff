"""The settings of a run: one section for each concern, each key with a working default."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.config.loading import dump_config, load_config
    from seqconv.config.run import Config

__all__ = ["Config", "dump_config", "load_config"]


def __getattr__(name: str) -> Any:
    """Import on first use: backends are chosen without pydantic."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.config' has no attribute '{name}'")
    home = "run" if name == "Config" else "loading"
    return getattr(import_module(f"seqconv.config.{home}"), name)
