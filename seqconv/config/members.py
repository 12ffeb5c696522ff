"""`members`: several models in one config, whose answers are averaged; each says what differs from the rest of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from seqconv.config.training import TrainingConfig
from seqconv.geometry import total_stride
from seqconv.models.settings import ModelConfig
from seqconv.parts import Role, absolute_path
from seqconv.parts.keys import flatten, merge, plain_values, set_value
from seqconv.text import nearest

MEMBER_KEYS = ("name", "seed", "model", "batching", "training", "augment", "audio_augment")
"""Keys of a config that a member may have; it shares all others."""
_OF_MODELS = ("model", "batching", "training", "augment", "audio_augment")

Values = dict[str, Any]


class Whole(Protocol):
    """A whole config, as far as members are compared."""

    @property
    def model(self) -> ModelConfig: ...

    @property
    def training(self) -> TrainingConfig: ...

    def to_dict(self) -> Values: ...


AnyConfig = TypeVar("AnyConfig", bound=Whole)


def plain_key(key: str) -> str:
    """Return the key of the whole config that a key of a member stands for.

    >>> plain_key("members.1.training.epochs"), plain_key("training.epochs")
    ('training.epochs', 'training.epochs')
    """
    first, _, rest = key.partition(".")
    return rest.partition(".")[2] if first == "members" and rest.partition(".")[2] else key


def read_members(
    values: Values, members: Sequence[Values], read: Callable[[Values], tuple[AnyConfig | None, list[str]]]
) -> tuple[list[AnyConfig], list[str]]:
    """Make a whole config of each member, and list what is wrong with them.

    Args:
        values: the rest of the config; the seed of its splits is that of all members.
        members: nested values that differ.
        read: makes a config of plain values, and lists what is wrong with them.
    """
    configs, problems = [], list[str]()
    for index, member in enumerate(members):
        merged: Values = plain_values({key: value for key, value in values.items() if key != "members"})
        split = merged.setdefault("split", {})
        if split.get("seed") is None:
            split["seed"] = merged.get("seed", 0)
        own = {"name": f"member{index}", "seed": seed_of(merged.get("seed", 0), index)}
        merge(merged, own | {key: member[key] for key in member if key in MEMBER_KEYS})
        problems += [f"members.{index}.{key}: {_refusal(key, values)}" for key in member if key not in MEMBER_KEYS]
        config, found = read(merged)
        problems += [f"members.{index}.{line}" for line in found]
        configs += [] if config is None else [config]
    return configs, problems


def seed_of(seed: int, index: int) -> int:
    """Return the seed of a member that says none: that of the config for the first, one of its own for each other.

    They are far apart, so that averages of neighboring seeds share no member.

    >>> seed_of(3, 0), seed_of(3, 1)
    (3, 1000006)
    """
    return (seed + 1_000_003 * index) % 2**32


def find_disagreements(config: Whole, members: Sequence[Whole]) -> Iterator[str]:
    """Yield what keeps members from being averaged, and what would be ignored."""
    if len(members) == 1:
        yield "members: an average needs two. Add another, or write the keys of this one without members."
    for index, member in enumerate(members):
        if member.model.predicts_frames != config.model.predicts_frames:
            yield (
                f"members.{index}.model.pooling: all members predict frames, or none does. Set model.pooling to frames "
                "for all, without members, or for none."
            )
        # Members that say nothing differ in their seeds.
        same = [other for other in range(index) if _computed(members[other]) == _computed(member)]
        if same:
            yield f"members.{index}: it is the same as members.{same[0]}. Give it another seed or another setting."
    if any(each.training.copy_to is not None for each in (config, *members)):
        yield (
            "training.copy_to: it is the place of one run, and members are several. Leave it out, and copy the folder "
            "when they are done."
        )
    strides = [total_stride(member.model.time_geometry) for member in members]
    if config.model.predicts_frames and len(set(strides)) > 1:
        yield f"members: they predict every n-th frame, for n in {strides}. Give all of them one total stride."
    for section in _OF_MODELS:
        yield from _find_unused(section, config, members)


def with_absolute_paths(members: Any, folder: Path, roles: Callable[[str], Any]) -> Any:
    """Return members whose paths begin at the root, not at the folder of the config file; what is none stays."""
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        return members
    changed = plain_values(members)
    for member in changed:
        for key, value in flatten(member).items():
            if isinstance(value, str) and value.strip() and Role.PATH in roles(key):
                set_value(member, key, absolute_path(value, folder))
    return changed


def _refusal(key: str, values: Mapping[str, Any]) -> str:
    known = f"A member has {', '.join(MEMBER_KEYS)}"
    if key not in values:
        return f"unknown key{nearest(key, MEMBER_KEYS)} {known}."
    own = " A member that standardizes each sequence begins with the block standardize." if key == "features" else ""
    return f"all members share this section. Write it once, without members. {known}.{own}"


def _computed(config: Whole) -> Values:
    return {key: value for key, value in config.to_dict().items() if key != "name"}


def _find_unused(name: str, config: Whole, members: Sequence[Whole]) -> Iterator[str]:
    """Yield keys of a section that are set for all members, and that each member sets in its own way."""
    section, default = getattr(config, name), type(getattr(config, name))()
    for key in type(section).model_fields:
        value = getattr(section, key)
        if value != getattr(default, key) and all(getattr(getattr(each, name), key) != value for each in members):
            yield f"{name}.{key}: each of the members has its own, so this one would be ignored. Remove it."
