"""Recurrent blocks."""

from typing import ClassVar, Literal

from pydantic import Field

from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Block, Built, LayerScope
from seqconv.parts import PositiveInt, register


@register
class RecurrentBlock(Block):
    """A recurrent layer that returns a sequence. It cannot be packed: use `batching.strategy: bucketed`."""

    type: Literal["lstm", "gru"]
    units: PositiveInt = Field(description="Size of the state in each direction.")
    bidirectional: bool = Field(default=False, description="Also read from the end; twice as many channels come out.")
    dropout: keys.Dropout = 0.0
    packable: ClassVar[bool] = False
    sees_all: ClassVar[bool] = True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedGRU, MaskedLSTM

        layer = MaskedLSTM if self.type == "lstm" else MaskedGRU
        recurrent = layer(self.units, bidirectional=self.bidirectional, **scope.options(self.type))
        return (recurrent, *scope.make_dropout(self.dropout)), self.units * (2 if self.bidirectional else 1)
