"""Recurrent blocks."""

from typing import ClassVar, Literal

from pydantic import Field

from seqconv.models.blocks.base import Block, Built, Dropout, LayerScope
from seqconv.models.blocks.pieces import make_dropout
from seqconv.parts import PositiveInt, register


@register
class RecurrentBlock(Block):
    """A recurrent layer that returns a sequence. It cannot be packed: use `batching.strategy: bucketed`."""

    type: Literal["lstm", "gru"]
    units: PositiveInt = Field(description="Size of the state in each direction.")
    bidirectional: bool = Field(default=False, description="Also read from the end; twice as many channels come out.")
    dropout: Dropout = 0.0
    packable: ClassVar[bool] = False

    @property
    def sees_all(self) -> bool:
        return True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedGRU, MaskedLSTM

        layer = MaskedLSTM if self.type == "lstm" else MaskedGRU
        recurrent = layer(self.units, bidirectional=self.bidirectional, **scope.options(self.type))
        return (recurrent, *make_dropout(self.dropout, scope)), self.units * (2 if self.bidirectional else 1)
