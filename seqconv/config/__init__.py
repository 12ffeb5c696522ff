"""What a run is told: one section per concern, each key with a working default.

`load_config` reads a YAML file or a dict into a `Config`.
"""

from seqconv.config.loading import dump_config, load_config
from seqconv.config.run import Config

__all__ = ["Config", "dump_config", "load_config"]
