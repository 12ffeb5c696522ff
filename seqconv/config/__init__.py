"""The settings of a run: one section for each concern, each key with a working default."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.config.loading import dump_config, load_config
    from seqconv.config.run import Config

__all__ = ["Config", "dump_config", "load_config"]


def __getattr__(name: str) -> Any:
    """Import on first use: backends are chosen without pydantic."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.config' has no attribute '{name}'")
    if name in ("dump_config", "load_config"):
        from seqconv.config import loading

        return getattr(loading, name)
    from seqconv.config import run

    return getattr(run, name)
