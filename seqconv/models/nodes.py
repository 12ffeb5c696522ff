"""The tree of layers that blocks build."""

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import keras


class Residual(NamedTuple):
    """A body with a shortcut around it; the shortcut has the body's total stride, and is the identity when empty."""

    body: "Nodes"
    shortcut: "Nodes" = ()


class Parallel(NamedTuple):
    """Branches side by side, their channels joined."""

    branches: "tuple[Nodes, ...]"


Node: TypeAlias = "keras.layers.Layer | Residual | Parallel"
Nodes: TypeAlias = tuple[Node, ...]
