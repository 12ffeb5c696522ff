"""The space of a search: settings and their ranges; errors name the key before anything is tried."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import StrictBool, StrictFloat, StrictInt, field_validator, model_validator

from seqconv.config import Config
from seqconv.config.files import read_yaml
from seqconv.config.run import key_roles
from seqconv.errors import ConfigError
from seqconv.parts import Role, Section
from seqconv.parts.keys import written_key
from seqconv.parts.problems import read_section, shown
from seqconv.text import amount

FORBIDDEN = {
    "name": "it names the run",
    "seed": "the best seed is luck, no setting",
    "backend": "one process has one backend",
    "data": "trials must be scored on the same recordings",
    "target": "trials must be scored on the same labels",
    "split": "trials must be scored on the same recordings",
    "evaluation": "trials are compared by what is measured in training",
    "training.monitor": "trials are compared by it",
    "training.mode": "trials are compared by it",
}
Number = StrictInt | StrictFloat


class Choices(Section):
    """The values that a setting may have."""

    choices: tuple[Any, ...]

    @field_validator("choices")
    @classmethod
    def _several(cls, choices: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(choices) < 2:
            raise ValueError("expected a list of two choices or more")
        if len({json.dumps(choice, default=str) for choice in choices}) < len(choices):
            raise ValueError("one choice is there twice")
        return choices


class Range(Section):
    """The values of a setting from `low` to `high`, both included."""

    low: Number
    high: Number
    step: Number | None = None
    log: StrictBool = False

    @model_validator(mode="after")
    def _holds_values(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a range above 0, but low is {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError(f"step {self.step:g}: log has no steps")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"step {self.step:g}: it must be above 0 and at most {self.high - self.low:g}")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return not any(isinstance(number, float) for number in (self.low, self.high, self.step))


Space = dict[str, Choices | Range]
"""The values to search, by key of the config."""


def read_space(source: str | Path | Mapping[str, Any], config: Config) -> Space:
    """Read a space: keys of the config, each with a list of choices or a range.

    Args:
        source: a YAML file or a dict: `{"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}`.
        config: the settings that the search leaves as they are.

    Raises:
        ConfigError: all impossible keys, ranges and choices, a line each.

    >>> read_space({"training.epochs": [3, 5]}, Config())
    {'training.epochs': Choices(choices=(3, 5))}
    """
    name = "the space" if isinstance(source, Mapping) else str(source)
    values = source if isinstance(source, Mapping) else _read(Path(source))
    if not isinstance(values, Mapping) or not values:
        raise ConfigError(f"{name}: expected keys such as 'training.epochs: [10, 20]', got {shown(values)}")
    space: Space = {}
    problems = []
    for key, written in ((written_key(str(key)), written) for key, written in values.items()):
        try:
            if key in space:
                raise ConfigError(f"{key}: it is there twice")
            _check_key(key)
            space[key] = _read_values(key, written)
            problems += _refused(key, space[key], config)
        except ConfigError as error:
            # A plain list was not written under `choices`.
            problems += str(error).replace(f"{key}.choices:", f"{key}:").splitlines()
    if problems:
        raise ConfigError("\n  ".join([f"{name}: {amount(len(problems), 'problem')}", *problems]))
    return space


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ConfigError(f"there is no space '{path}'. Write YAML: keys of the config, each with choices or a range.")
    return read_yaml(path)


def _check_key(key: str) -> None:
    for name, reason in FORBIDDEN.items():
        if key == name or key.startswith(f"{name}."):
            raise ConfigError(f"{key}: {name} cannot be searched: {reason}. Leave it out.")
    if key_roles(key) & {Role.MACHINE, Role.COSMETIC}:
        raise ConfigError(f"{key}: it cannot be searched: it does not change the model. Leave it out.")


def _read_values(key: str, written: Any) -> Choices | Range:
    if isinstance(written, list):
        written = {"choices": written}
    if not isinstance(written, dict):
        raise ConfigError(f"{key}: expected a list of choices or a range {{low: ..., high: ...}}, got {shown(written)}")
    return read_section(Choices, written, key) if set(written) == {"choices"} else read_section(Range, written, key)


def _refused(key: str, values: Choices | Range, config: Config) -> list[str]:
    """Return the config's objections to the choices of a setting, or to both ends of its range."""
    problems = []
    for value in values.choices if isinstance(values, Choices) else (values.low, values.high):
        try:
            config.with_({key: value})
        except ConfigError as error:
            if "unknown key" in str(error):
                # The problem does not depend on the value.
                return [str(error)]
            problems.append(f"{key}, at {shown(value)}: {error}")
    return problems
