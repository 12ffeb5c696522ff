"""The whole config of a run, and the combinations of sections that are impossible."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, model_validator

from seqconv.batching.strategies import STRATEGIES
from seqconv.config.averaging import averaging_problems
from seqconv.config.backends import Backend
from seqconv.config.batching import BatchingConfig
from seqconv.config.evaluation import EvaluationConfig
from seqconv.config.events import event_problems
from seqconv.config.initial import initial_problems
from seqconv.config.members import MEMBER_KEYS, find_disagreements, plain_key, read_members, with_absolute_paths
from seqconv.config.recipes import AUTO, BUDGET, KEPT, REPLACED, budget_seconds
from seqconv.config.training import TrainingConfig
from seqconv.data.augmentation.settings import AudioAugmentConfig, AugmentConfig
from seqconv.data.settings import DataConfig, SplitConfig
from seqconv.data.spec import DataSpec
from seqconv.errors import ConfigError
from seqconv.features import FeatureKind
from seqconv.metrics.records import larger_is_better
from seqconv.models.blocks import Block
from seqconv.models.pooling_heads import PoolingHead
from seqconv.models.settings import ModelConfig
from seqconv.parts import Role, Section
from seqconv.parts.keys import merge, plain_values, set_value
from seqconv.parts.plugins import plugin_path
from seqconv.parts.problems import describe_problems, reinterpreted, roles_of
from seqconv.tasks.forms import ONE_OF_TWO
from seqconv.tasks.settings import TargetConfig
from seqconv.text import nearest


def _folder_name(name: str) -> str:
    if not name.strip(" .") or set(name) & set("/\\\0"):
        raise ValueError("the name of a run becomes the name of a folder: not empty, no slashes")
    return name


def _absolute_plugins(names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    folder = (info.context or {}).get("folder", Path.cwd())
    return tuple(plugin_path(name, folder) for name in names)


def _budget(value: Any) -> Any:
    # YAML reads 120 as a number, which may be meant as anything.
    if value is not None:
        budget_seconds(str(value))
    return value


class Config(Section):
    """All settings of a run. `seqconv.config.load_config` makes one from a file or a dict."""

    name: Annotated[str, AfterValidator(_folder_name), Role.RUN] = Field(
        default="run", description="Name of the run and of its folder; default: the config file's name."
    )
    seed: Annotated[int, Field(ge=0, lt=2**32), Role.RUN] = Field(
        default=0, description="The same seed gives the same run."
    )
    backend: Backend | None = Field(
        default=None,
        description="Framework that computes; null: as KERAS_BACKEND or ~/.keras/keras.json say, else tensorflow.",
    )
    plugins: Annotated[tuple[str, ...], AfterValidator(_absolute_plugins), Role.PATH] = Field(
        default=(),
        description="Python files (or modules) that register parts of your own: blocks, feature kinds, metrics, tasks.",
    )
    recipe: Literal["rocket", "deep", "auto"] | None = Field(
        default=None,
        description="Defaults for model and training. rocket: random convolutions, fitted in seconds; deep: a network; "
        "auto: what cross-validation on train finds best within budget. The config of a run has null and all settings.",
    )
    budget: Annotated[str | None, BeforeValidator(_budget)] = Field(
        default=None, description=f"Time for recipe auto, such as 120s, 5min or 1h; default: {BUDGET}."
    )
    data: DataConfig = DataConfig()
    target: TargetConfig = TargetConfig()
    split: SplitConfig = SplitConfig()
    features: FeatureKind = FeatureKind()
    audio_augment: AudioAugmentConfig = AudioAugmentConfig()
    augment: AugmentConfig = AugmentConfig()
    batching: BatchingConfig = BatchingConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    members: tuple[dict[str, Any], ...] = Field(
        default=(),
        description="Models whose answers are averaged. Each is a mapping with what it has of its own: "
        f"{', '.join(MEMBER_KEYS)}; the rest of the config is that of all.",
    )

    @model_validator(mode="after")
    def _sections_agree(self) -> "Config":
        problems = [
            *_recipe_problems(self),
            *_packing_problems(self),
            *_target_problems(self),
            *_training_problems(self),
            *_solver_problems(self),
        ]
        problems += self.audio_augment.find_problems(self.features)
        problems += self.augment.find_problems(self.features, predicts_frames=self.labels_frames)
        if self.members and not problems:
            members, problems = self._read_members()
            problems = problems or list(find_disagreements(self, members))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def monitor(self) -> str:
        """The value that selects the best epoch: `training.monitor`, or the default of the task."""
        return self.training.monitor or self.target.definition.monitors[0]

    @property
    def monitor_mode(self) -> Literal["max", "min"]:
        """The direction of the monitored value: whether the largest or the smallest is best."""
        if self.training.mode != "auto":
            return self.training.mode
        return "max" if larger_is_better(self.monitor.removeprefix("val_")) else "min"

    @property
    def budget_seconds(self) -> float:
        """The seconds that recipe auto takes."""
        return budget_seconds(self.budget or BUDGET)

    @property
    def num_epochs(self) -> int:
        """The most epochs that are trained, those of all members together."""
        return sum(each.training.epochs for each in self.member_configs() or [self])

    @property
    def labels_frames(self) -> bool:
        """Whether frames have labels: those of a model that predicts them, unless they say one label together."""
        return self.model.predicts_frames and not self.target.definition.joins_frames

    @property
    def split_seed(self) -> int:
        """The seed that makes the splits."""
        return self.seed if self.split.seed is None else self.split.seed

    @property
    def data_spec(self) -> DataSpec:
        """The sections that decide which labeled sequences a manifest becomes."""
        return DataSpec(self.data, self.target, self.split, self.features, self.labels_frames, self.split_seed)

    def member_configs(self) -> "list[Config]":
        """Return the whole config of each member; none without members.

        >>> config = Config(members=({"seed": 1}, {"training": {"epochs": 5}}))
        >>> [(each.name, each.seed, each.training.epochs) for each in config.member_configs()]
        [('member0', 1, 20), ('member1', 1000003, 5)]
        """
        return self._read_members()[0]

    def _read_members(self) -> "tuple[list[Config], list[str]]":
        return read_members(self.to_dict(), self.members, lambda values: _read(values, Path.cwd()))

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and text, complete with defaults; `load_config` can read them back."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """Return the config as YAML, complete with defaults; `load_config` can read it back."""
        from seqconv.config.files import write_yaml

        return write_yaml(self.to_dict())

    def with_(self, changes: Mapping[str, Any] | None = None, /, **sections: Any) -> "Config":
        """Return the config with other values, checked like those of a file.

        Args:
            changes: values by dotted key; each takes the place of what is there.
            sections: nested values, merged into what is there.

        Raises:
            ConfigError: unknown keys, wrong types, impossible combinations: all of them, one line each.

        >>> config = Config().with_({"model.blocks.0.filters": 8}, training={"epochs": 3})
        >>> config.model.blocks[0].filters, config.training.epochs
        (8, 3)
        """
        values, problems = self.to_dict(), []
        for key, value in (changes or {}).items():
            obstacle = set_value(values, key, plain_values(value))
            problems += [f"{key}: {obstacle}"] if obstacle else []
        merge(values, sections)
        return check_config(values, Path.cwd(), problems)


def check_config(values: dict[str, Any], folder: Path, problems: Sequence[str] = (), origin: str = "") -> Config:
    """Make a config of plain values.

    Args:
        values: as a file has them.
        folder: where relative paths begin.
        problems: found before.
        origin: of the values, for the message.

    Raises:
        ConfigError: `problems`, unknown keys, wrong types, impossible combinations: all of them, one line each.
    """
    if values.get("members"):
        values = {**values, "members": with_absolute_paths(values["members"], folder, key_roles)}
    config, found = _read(values, folder)
    if config is None or problems or found:
        raise ConfigError(listed([*problems, *found], origin))
    return config


def _read(values: dict[str, Any], folder: Path) -> tuple[Config | None, list[str]]:
    """Make a config of plain values, and list what is wrong with them."""
    try:
        config = Config.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        return None, describe_problems(error, values, Config)
    return config, list(reinterpreted(values, config.model_dump()))


def key_roles(key: str) -> frozenset[Role]:
    """Return the roles of a dotted key, of a member's key too."""
    return roles_of(plain_key(key), Config)


def listed(problems: Sequence[str], origin: str = "") -> str:
    """Return problems of a config as one message."""
    if len(problems) == 1:
        return f"{origin}: {problems[0]}" if origin else problems[0]
    return "\n  ".join([f"{origin or 'config'}: {len(problems)} problems", *problems])


def _recipe_problems(config: Config) -> Iterator[str]:
    """Yield what a recipe cannot have beside it."""
    recipe = config.recipe
    if config.budget is not None and recipe != AUTO:
        yield f"budget: {config.budget} is the time of recipe auto, but recipe is {recipe or 'null'}. Remove it."
    if recipe is None:
        return
    if recipe != AUTO:
        yield (
            f"recipe: {recipe} fills in what a config leaves out when it is loaded, and this one is complete. Load a "
            "file or a dict with it (load_config), or train with --recipe."
        )
        return
    plain = Config()
    for name in REPLACED:
        given = getattr(config, name)
        for key, value in given:
            if value != getattr(getattr(plain, name), key) and (name != "training" or key not in KEPT):
                yield (
                    f"{name}.{key}: recipe auto chooses it, or has no use for it. Remove it, or set recipe to rocket "
                    "or deep, which take it as you say."
                )


def _packing_problems(config: Config) -> Iterator[str]:
    name = config.batching.strategy
    if name == "auto" or not STRATEGIES[name].fills_rows:
        return
    for index in config.model.unpackable:
        yield (
            f"model.blocks.{index} ({Block.registry.name_of(config.model.blocks[index])}): a recurrent layer carries "
            f"its state from one sequence of a row into the next, so batching.strategy '{name}' cannot be used. Set it "
            "to 'bucketed' or 'auto'."
        )


def _target_problems(config: Config) -> Iterator[str]:
    frames, task, positive = config.labels_frames, config.target.definition, config.evaluation.positive
    if task.joins_frames and config.recipe == AUTO and not config.model.predicts_frames:
        yield (
            f"recipe: auto chooses between models that pool, but the {config.target.task} of a sequence are said by "
            "its frames. Remove it, and set model.pooling to 'frames'."
        )
    elif task.joins_frames and not config.model.predicts_frames:
        yield (
            f"model.pooling: the {config.target.task} of a sequence are said by its frames, which "
            f"{[PoolingHead.registry.name_of(head) for head in config.model.pooling]} pools. Set it to 'frames'."
        )
    if config.data.rows is not None and config.features.kind != "precomputed":
        yield (
            f"data.rows: the frames are the rows of a table, but features.kind '{config.features.kind}' is computed "
            "from recordings. Set features.kind to precomputed."
        )
    yield from event_problems(config.data, config.target, config.features, predicts_frames=frames)
    yield from _misfits(config)
    if positive is not None and config.evaluation.thresholds is None and "evaluation.positive" not in task.misfits:
        yield f"evaluation.positive: {ONE_OF_TWO.format(value=_plain(positive))}"
    monitor, monitors = config.training.monitor, task.monitors
    if monitor is not None and monitor not in monitors:
        yield (
            f"training.monitor: '{monitor}' is not measured when target.task is '{config.target.task}'"
            f"{nearest(monitor, monitors)} Known: {', '.join(monitors)}"
        )


def _solver_problems(config: Config) -> Iterator[str]:
    """Yield what a head that is fitted in closed form cannot have."""
    if not config.training.is_closed_form:
        if config.model.standardize_pooled:
            yield (
                "model.standardize_pooled: true, but training.solver is 'gradient', which moves what is pooled. Remove "
                "it, or set training.solver to ridge."
            )
        return
    reason = "training.solver 'ridge' fits one linear layer to sequences, or their frames, each once and as it is"
    found = {
        "model.dense_units": list(config.model.dense_units),
        "model.dense_dropout": config.model.dense_dropout,
        "augment": ", ".join(config.augment.names),
        "audio_augment": ", ".join(config.audio_augment.names),
        "batching.too_long": config.batching.too_long in ("drop", "crop") and config.batching.too_long,
        "training.jit_compile": config.training.jit_compile is True and "true",
        "training.epochs": config.training.epochs not in (1, type(config.training).model_fields["epochs"].default)
        and config.training.epochs,
    }
    for key, value in found.items():
        if value:
            yield f"{key}: {value}, but {reason}. Remove it, or set training.solver to gradient."


def _misfits(config: Config) -> Iterator[str]:
    """Find keys that do not fit the task, as the task says."""
    for key, text in config.target.definition.misfits.items():
        place, _, unfit = key.partition("=")
        name, _, field = place.partition(".")
        section = getattr(config, name)
        value, default = getattr(section, field), type(section).model_fields[field].default
        if name != "target" and (value == unfit if unfit else value != default):
            yield f"{place}: {text.format(value=_plain(value), task=config.target.task)}"


def _plain(value: Any) -> str:
    return repr(value.model_dump() if isinstance(value, Section) else value)


def _training_problems(config: Config) -> Iterator[str]:
    """Yield problems of the schedule, of the weights that training begins with, and of those that it returns."""
    training, stops_early = config.training, config.training.early_stopping is not None
    if training.warmup_epochs > training.epochs:
        yield (
            f"training.warmup_epochs: {training.warmup_epochs} is more than training.epochs {training.epochs}, so the "
            "learning rate would never be reached. Lower it."
        )
    yield from initial_problems(training.init, training.init_blocks, training.freeze, len(config.model.blocks))
    yield from averaging_problems(training.averaging, epochs=training.epochs, stops_early=stops_early)
