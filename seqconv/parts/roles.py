"""Roles of config keys: of which ones a model does not depend, said where the key is defined."""

from enum import Enum


class Role(Enum):
    """A role of a config key: `Annotated[int, Role.MACHINE] = Field(...)` marks a field, and all fields within it.

    PATH: where files are. A path of the command line begins at the current folder, and a run may go on with another.
    MACHINE: where and how a run is computed, kept and written; a run may go on with another.
    COSMETIC: how a model is measured and shown.
    RUN: what tells runs of one kind apart, and what follows from that.
    """

    PATH = "path"
    MACHINE = "machine"
    COSMETIC = "cosmetic"
    RUN = "run"
