"""The `model` section: a stack of blocks over time and a head that pools it."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from seqconv.features.kinds import FeatureKind
from seqconv.geometry import TimeGeometry, output_length
from seqconv.models.blocks import Block, ConvBlock, keys
from seqconv.models.blocks.bands import check_bands
from seqconv.models.pooling_heads import PoolingHead, SimplePooling, as_sections
from seqconv.parts import Fraction, NameOf, OneOf, PositiveInt, Registry, Role, Section

Pooling = Annotated[PoolingHead, OneOf(PoolingHead.registry)]
PoolingName = Annotated[str, NameOf(PoolingHead.registry)]
# As it may be written: one or several, by name or with settings.
Poolings = PoolingName | Pooling | Annotated[list[PoolingName | Pooling], Field(min_length=1)]


class BlockDefaults(Section):
    """Defaults of every block; a block takes those of these keys that its type knows."""

    norm: keys.Norm | None = Field(default=None, description="Normalization after convolutions.")
    norm_groups: PositiveInt | None = Field(default=None, description="Groups of channels, if norm is 'group'.")
    activation: keys.Activation | None = Field(default=None, description="Function after the normalization.")
    dropout: Fraction | None = Field(default=None, description="Part of the values that training drops.")
    spatial_dropout: Fraction | None = Field(default=None, description="The same for channels of a sequence.")
    stochastic_depth: Fraction | None = Field(default=None, description="The same for bodies of residual blocks.")
    padding: keys.Padding | None = Field(default=None, description="same, causal or valid, if a block can have it.")


class ModelConfig(Section):
    """A stack of blocks, pooled over time into one vector per sequence, and a dense head."""

    defaults: BlockDefaults = Field(default=BlockDefaults(), description="What blocks have unless they say otherwise.")
    blocks: tuple[Annotated[Block, OneOf(Block.registry)], ...] = Field(
        default=(
            ConvBlock(filters=64, kernel_size=5),
            ConvBlock(filters=128, kernel_size=3, strides=2),
            ConvBlock(filters=128, kernel_size=3),
        ),
        description="The stack over time; a block without a type is a conv.",
    )
    pooling: tuple[Pooling, ...] = Field(
        default=(SimplePooling(type="mean"),),
        min_length=1,
        description="From frames to one vector, by one or several poolings; 'frames' for a prediction per frame.",
    )
    standardize_pooled: Annotated[bool, Role.RUN] = Field(
        default=False,
        description="Standardize what the dense layers take, the pooled vector or frames, by means and deviations of "
        "training; set where training.solver is ridge, so that sums of thousands of products keep their digits.",
    )
    dense_units: tuple[PositiveInt, ...] = Field(
        default=(), description="Hidden dense layers between pooling and output."
    )
    dense_dropout: Fraction = Field(default=0.0, description="Dropout before every dense layer of the head.")

    @property
    def time_geometry(self) -> TimeGeometry:
        """The way in which the layers read time, in order; the built model has the same."""
        return tuple(layer for block in self.blocks for layer in block.time_layers)

    def fitted_to(self, lengths: npt.NDArray[np.int64]) -> "ModelConfig":
        """Return the model with what blocks choose by the lengths of the training sequences, in frames."""
        different, which = np.unique(lengths, return_inverse=True)
        blocks: tuple[Block, ...] = ()
        geometry: TimeGeometry = ()
        for block in self.blocks:
            arriving = np.array([output_length(length, geometry) for length in different.tolist()], np.int64)[which]
            blocks += (block.fitted_to(arriving),)
            geometry += blocks[-1].time_layers
        return self.model_copy(update={"blocks": blocks})

    @property
    def predicts_frames(self) -> bool:
        """Whether there is one prediction per frame instead of one per sequence."""
        return self.pooling[0].predicts_frames

    @property
    def sees_all(self) -> bool:
        """Whether an output frame of the blocks depends on all frames of its sequence."""
        return any(block.sees_all for block in self.blocks)

    @property
    def unpackable(self) -> tuple[int, ...]:
        """Positions of the blocks for which a row must hold a single sequence."""
        return tuple(index for index, block in enumerate(self.blocks) if not block.packable)

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, values: Any) -> Any:
        """Write `defaults` into the blocks, so that a resolved config shows each block complete."""
        if not isinstance(values, dict) or not isinstance(values.get("blocks"), list | tuple):
            return values
        defaults = dict(values.get("defaults") or {})
        given = {name: value for name, value in defaults.items() if value is not None}
        return {**values, "blocks": [_with_defaults(block, given) for block in values["blocks"]]}

    @field_validator("pooling", mode="before", json_schema_input_type=Poolings)
    @classmethod
    def _one_name_or_several(cls, value: Any) -> Any:
        names = as_sections(value)
        if any(isinstance(name, dict) and name.get("type") == "flatten" for name in names):
            raise ValueError(
                "a sequence of any length has no fixed number of values to flatten, so the next dense layer would have "
                "no fixed number of weights. Use mean, max or [mean, max], which give one vector whatever the length. "
                "Bands of a frame, always as many, may be flattened: {type: from_bands, bands: flatten}"
            )
        kinds = [str(name.get("type")) for name in names if isinstance(name, dict)]
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"{kinds} names a pooling twice; name each once")
        return names

    @field_validator("blocks")
    @classmethod
    def _at_least_one_block(cls, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        if not blocks:
            raise ValueError("a model needs at least one block, for example {filters: 64, kernel_size: 5}")
        return blocks

    @model_validator(mode="after")
    def _bands_fit(self) -> "ModelConfig":
        check_bands(self.blocks)
        return self

    @model_validator(mode="after")
    def _head_fits(self) -> "ModelConfig":
        if not any(head.predicts_frames for head in self.pooling):
            return self
        if len(self.pooling) > 1:
            raise ValueError("pooling: frames means no pooling at all; use it alone, or leave it out")
        for index, block in enumerate(self.blocks):
            if any(layer.padding == "valid" for layer in block.time_layers):
                raise ValueError(
                    f"blocks.{index}.padding: 'valid' leaves frames at both ends without a prediction, but pooling is "
                    "'frames'. Use same, or causal"
                )
        return self


def find_own_parts(config: ModelConfig, features: FeatureKind | None) -> list[dict[str, Any]]:
    """Find the blocks, heads and the feature kind that users registered: a model cannot be used without them."""
    sections: tuple[Block | PoolingHead, ...] = (*config.blocks, *config.pooling)
    names: list[tuple[Registry[Any], str]] = [(part.registry, part.registry.name_of(part)) for part in sections]
    if features is not None:
        names.append((FeatureKind.registry, features.kind))
    found = [{"kind": registry.kind, **registry.identity(name)} for registry, name in names if registry.origin(name)]
    return [part for index, part in enumerate(found) if part not in found[:index]]


def find_part_problems(parts: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the parts of a saved model (`find_own_parts`) that are missing here, or have another version."""
    known: tuple[Registry[Any], ...] = (Block.registry, PoolingHead.registry, FeatureKind.registry)
    registries = {each.kind: each for each in known}
    problems = []
    for part in parts:
        kind, name, version = part["kind"], part["name"], part["version"]
        registry = registries[kind]
        needed = f"it has the {kind} '{name}', version {version}, of {part['plugin']}"
        if name not in registry:
            problems.append(
                f"{needed}, which is not registered here. Name that file in plugins (--plugin on the command line), or "
                "import it first"
            )
        elif (here := registry.identity(name))["version"] != version:
            problems.append(f"{needed}, and here its version is {here['version']}. Name the file of that version")
    return problems


def _with_defaults(block: Any, defaults: dict[str, Any]) -> Any:
    """Return a block as the user wrote it, with the model's defaults for the keys that its type has."""
    if not isinstance(block, dict):
        return block
    block = {"type": "conv", **block}
    kind = str(block["type"])
    fields = Block.registry[kind].model_fields if kind in Block.registry else {}
    return {**{name: value for name, value in defaults.items() if name in fields}, **block}
