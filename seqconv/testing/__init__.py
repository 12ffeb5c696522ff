"""Checks for what you add to seqconv: whether a layer of your own keeps the contract."""

from seqconv.testing.layer_checks import check_layer

__all__ = ["check_layer"]
