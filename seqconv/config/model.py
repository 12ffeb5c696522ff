"""The `model` section: a stack of blocks over time and a head that pools it."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from seqconv.config.section import Fraction, PositiveInt, Section

Activation = Literal["relu", "gelu", "silu", "elu", "leaky_relu", "tanh", "sigmoid", "linear"]


class ConvBlock(Section):
    """Convolution, normalization, activation, dropout; arguments as in `keras.layers.Conv1D`."""

    type: Literal["conv"] = "conv"
    filters: PositiveInt
    kernel_size: PositiveInt = 3
    strides: PositiveInt = 1
    dilation_rate: PositiveInt = 1
    padding: Literal["same", "causal", "valid"] = "same"
    groups: PositiveInt = 1
    norm: Literal["batch", "none"] = "batch"
    activation: Activation = "relu"
    dropout: Fraction = 0.0
    repeat: PositiveInt = Field(default=1, description="Copies of this block; only the first takes the stride.")

    @model_validator(mode="after")
    def _arguments_agree(self) -> "ConvBlock":
        if self.filters % self.groups:
            raise ValueError(f"filters={self.filters} must be a multiple of groups={self.groups}")
        if self.strides > 1 and self.dilation_rate > 1:
            raise ValueError(
                f"strides={self.strides} and dilation_rate={self.dilation_rate} cannot both be more than 1: "
                "Keras has no such convolution. Put the stride into a block of its own"
            )
        return self


class PoolBlock(Section):
    """Pooling over time inside the stack."""

    type: Literal["max_pool", "average_pool"]
    pool_size: PositiveInt = 2
    strides: PositiveInt | None = Field(default=None, description="Default: pool_size.")


class LSTMBlock(Section):
    """A recurrent layer that returns a sequence. It cannot be packed: use `batching.strategy: bucketed`."""

    type: Literal["lstm"]
    units: PositiveInt
    bidirectional: bool = False
    dropout: Fraction = 0.0


Block = Annotated[ConvBlock | PoolBlock | LSTMBlock, Field(discriminator="type")]


class BlockDefaults(Section):
    """What every convolution block has unless it says otherwise."""

    norm: Literal["batch", "none"] = "batch"
    activation: Activation = "relu"
    dropout: Fraction = 0.0
    padding: Literal["same", "causal", "valid"] = "same"


class ModelConfig(Section):
    """A stack of blocks, pooled over time into one vector per sequence, and a dense head."""

    defaults: BlockDefaults = BlockDefaults()
    blocks: tuple[Block, ...] = (
        ConvBlock(filters=64, kernel_size=5),
        ConvBlock(filters=128, kernel_size=3, strides=2),
        ConvBlock(filters=128, kernel_size=3),
    )
    pooling: tuple[Literal["mean", "max"], ...] = Field(default=("mean",), min_length=1)
    dense_units: tuple[PositiveInt, ...] = Field(
        default=(), description="Hidden dense layers between pooling and output."
    )
    dense_dropout: Fraction = Field(default=0.0, description="Dropout before every dense layer of the head.")

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, values: Any) -> Any:
        """Write `defaults` into the blocks, so that a resolved config shows each block complete."""
        if not isinstance(values, dict) or not isinstance(values.get("blocks"), list | tuple):
            return values
        defaults = values.get("defaults") or {}
        if not isinstance(defaults, dict):
            defaults = dict(defaults)
        blocks = [_with_defaults(block, defaults) for block in values["blocks"]]
        return {**values, "blocks": blocks}

    @field_validator("pooling", mode="before")
    @classmethod
    def _one_name_or_several(cls, value: Any) -> Any:
        names = [value] if isinstance(value, str) else value
        if isinstance(names, list | tuple) and "flatten" in names:
            raise ValueError(
                "a sequence of any length has no fixed number of values to flatten, so the next dense layer would have "
                "no fixed number of weights. Use mean, max or [mean, max], which give one vector whatever the length"
            )
        return names

    @field_validator("blocks")
    @classmethod
    def _at_least_one_block(cls, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        if not blocks:
            raise ValueError("a model needs at least one block, for example {filters: 64, kernel_size: 5}")
        return blocks


def _with_defaults(block: Any, defaults: dict[str, Any]) -> Any:
    if not isinstance(block, dict):
        return block
    block = {"type": "conv", **block}
    return {**defaults, **block} if block["type"] == "conv" else block
