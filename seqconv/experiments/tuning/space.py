"""The space of a search: settings and their ranges; errors name the key before anything is tried."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqconv.config import Config
from seqconv.config.files import read_yaml
from seqconv.errors import ConfigError
from seqconv.parts import Role
from seqconv.parts.keys import written_key
from seqconv.parts.problems import roles_of, shown
from seqconv.text import amount, nearest

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
_RANGE_KEYS = ("low", "high", "step", "log")


@dataclass(frozen=True)
class Parameter:
    """A setting to search: a choice, or a range from `low` to `high`, both included."""

    key: str
    choices: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether a range is one of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def samples(self) -> tuple[Any, ...]:
        """Values that represent the whole range: the choices, or both ends."""
        return self.choices or (self.low, self.high)


def read_space(source: str | Path | Mapping[str, Any], config: Config) -> list[Parameter]:
    """Read the parameters of a space: keys of the config, each with a list of choices or a range.

    Args:
        source: a YAML file or a dict: `{"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}`.
        config: what the space is searched around.

    Raises:
        ConfigError: keys, ranges and choices that cannot be; all of them, a line each.

    >>> read_space({"training.epochs": [3, 5]}, Config())[0].choices
    (3, 5)
    """
    name = "" if isinstance(source, Mapping) else str(source)
    values = dict(source) if isinstance(source, Mapping) else _read(Path(source))
    if not isinstance(values, dict) or not values:
        raise ConfigError(
            f"{name or 'the space'}: expected keys such as 'training.learning_rate: {{low: 1e-4, high: 1e-2}}', got "
            f"{shown(values)}"
        )
    parameters, problems = [], []
    for key, written in ((written_key(str(key)), written) for key, written in values.items()):
        found = _forbidden(key) or _problems_of(key, written)
        if not found:
            parameter = _parameter(key, written)
            found = _refused(parameter, config)
            parameters.append(parameter)
        problems += found
    if problems:
        title = f"{name or 'the space'}: {amount(len(problems), 'problem')}"
        raise ConfigError("\n  ".join([title, *problems]))
    return parameters


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ConfigError(
            f"there is no space '{path}'. Write keys of the config, each with choices or a range, as YAML."
        )
    return read_yaml(path)


def _forbidden(key: str) -> list[str]:
    for name, reason in FORBIDDEN.items():
        if key == name or key.startswith(f"{name}."):
            return [f"{key}: {name} cannot be searched: {reason}. Leave it out."]
    if roles_of(key, Config) & {Role.MACHINE, Role.COSMETIC}:
        return [f"{key}: it cannot be searched: it changes no model. Leave it out."]
    return []


def _problems_of(key: str, written: Any) -> list[str]:
    """Return what is wrong with how a parameter is written."""
    if isinstance(written, list):
        return _choice_problems(key, written)
    if not isinstance(written, dict):
        return [f"{key}: expected a list of choices or a range {{low: ..., high: ...}}, got {shown(written)}"]
    if set(written) == {"choices"}:
        return _choice_problems(key, written["choices"])
    unknown = [name for name in written if name not in _RANGE_KEYS]
    if unknown:
        meant = nearest(str(unknown[0]), (*_RANGE_KEYS, "choices"))
        return [f"{key}.{unknown[0]}: unknown key{meant} A range has low and high, and may have step or log."]
    return _range_problems(key, written)


def _choice_problems(key: str, choices: Any) -> list[str]:
    if not isinstance(choices, list) or len(choices) < 2:
        return [f"{key}: expected a list of two choices or more, got {shown(choices)}"]
    if len({json.dumps(choice, default=str) for choice in choices}) < len(choices):
        return [f"{key}: one choice stands there twice: {shown(choices)}"]
    return []


def _range_problems(key: str, written: Mapping[str, Any]) -> list[str]:
    missing = [name for name in ("low", "high") if name not in written]
    if missing:
        return [f"{key}.{missing[0]}: missing; a range has low and high"]
    numbers = {name: written[name] for name in ("low", "high", "step") if written.get(name) is not None}
    wrong = [name for name, value in numbers.items() if isinstance(value, bool) or not isinstance(value, int | float)]
    if wrong:
        return [f"{key}.{wrong[0]}: expected a number, got {shown(numbers[wrong[0]])}"]
    if not isinstance(written.get("log", False), bool):
        return [f"{key}.log: expected true or false, got {shown(written['log'])}"]
    low, high, step, is_log = numbers["low"], numbers["high"], numbers.get("step"), written.get("log", False)
    if not low < high:
        return [f"{key}: low {low:g} must be below high {high:g}"]
    if is_log and low <= 0:
        return [f"{key}: log needs a range above 0, but low is {low:g}"]
    if step is not None and (is_log or not 0 < step <= high - low):
        why = "log has no steps" if is_log else f"it must be above 0 and at most {high - low:g}"
        return [f"{key}.step: {step:g}: {why}"]
    return []


def _parameter(key: str, written: Any) -> Parameter:
    if isinstance(written, list):
        return Parameter(key, tuple(written))
    if "choices" in written:
        return Parameter(key, tuple(written["choices"]))
    low, high, step = written["low"], written["high"], written.get("step")
    if not all(isinstance(number, int) for number in (low, high, step) if number is not None):
        low, high, step = float(low), float(high), None if step is None else float(step)
    return Parameter(key, low=low, high=high, step=step, log=written.get("log", False))


def _refused(parameter: Parameter, config: Config) -> list[str]:
    """Return the config's objections to the sample values; a value that it refuses is not tried."""
    problems = []
    for value in parameter.samples:
        try:
            config.with_({parameter.key: value})
        except ConfigError as error:
            if "unknown key" in str(error):
                # That is no matter of the value.
                return [str(error)]
            problems.append(f"{parameter.key}, at {shown(value)}: {error}")
    return problems
