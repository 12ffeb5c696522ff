"""The `training` section: optimizer, schedule, monitored value, and use of the machine."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from seqconv.config.averaging import NamedAveraging
from seqconv.files.mirror import check_target
from seqconv.parts import FilePath, Fraction, LocalPath, PositiveInt, Role, Section
from seqconv.text import nearest

OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl",
    "lion", "muon", "nadam", "rmsprop", "sgd",
)  # fmt: skip

# The keys that only steps of gradients have a use for; `epochs` of a ridge is 1.
GRADIENT_KEYS = (
    "learning_rate", "optimizer", "weight_decay", "gradient_clip", "schedule", "warmup_epochs", "sampling", "loss",
    "label_smoothing", "loss_scale", "averaging", "early_stopping", "mixed_precision",
)  # fmt: skip

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# With less, nothing but rounding is left of the errors of left-out sequences.
LEAST_STRENGTH = 1e-8


def _known_optimizer(name: str) -> str:
    if name.lower() not in OPTIMIZERS:
        raise ValueError(f"Keras has no such optimizer{nearest(name, OPTIMIZERS)} Known: {', '.join(OPTIMIZERS)}")
    return name.lower()


def _names_as_text(weights: Any) -> Any:
    # YAML reads the class 1 as a number; class names are text everywhere else.
    return {str(name): weight for name, weight in weights.items()} if isinstance(weights, dict) else weights


def _writable(address: str) -> str:
    check_target(address)
    return address.rstrip("/")


Optimizer = Annotated[str, AfterValidator(_known_optimizer)]
ClassWeights = Annotated[dict[str, NonNegative], BeforeValidator(_names_as_text)]


class EarlyStopping(Section):
    """A stop when the monitored value has not improved for a while; the best model is kept in any case."""

    patience: PositiveInt = Field(default=5, description="Epochs without improvement before the run stops.")
    min_delta: NonNegative = Field(default=0.0, description="Smallest change that counts as an improvement.")


class CheckpointSettings(Section):
    """Times at which the state of an unfinished run is saved for `--resume`; it is saved also when the run is
    stopped."""

    steps: PositiveInt | None = Field(default=None, description="Save after this many steps.")
    minutes: Positive | None = Field(default=5.0, description="Save after this many minutes.")
    keep: PositiveInt = Field(default=2, description="How many are kept, the newest ones.")


class MLflowSettings(Section):
    """The MLflow server or folder to which runs are written."""

    tracking_uri: FilePath = Field(
        default=None, description="A folder, or an address such as http://localhost:5000; null: as MLflow is set."
    )
    experiment: str = Field(default="seqconv", description="Made if it does not exist.")


class TrainingConfig(Section):
    """Settings of the fit."""

    epochs: PositiveInt = Field(default=20, description="Passes over the training sequences; a ridge takes 1.")
    solver: Literal["gradient", "ridge"] = Field(
        default="gradient",
        description="gradient: steps of the optimizer; ridge: the last layer is computed in closed form from what "
        "poolings return, or from frames, and the rest stays as it is: for random_convolutions, or blocks of init. It "
        "leaves each sequence, or group, out to choose the strength and to calibrate.",
    )
    strength: Annotated[float, Field(ge=LEAST_STRENGTH, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Of a ridge: how strongly coefficients are held near 0. Default: of 25 values from 1e-5 to 1000, "
        "the largest whose error on left-out sequences is within 1 % of the least.",
    )
    learning_rate: Positive = Field(default=1e-3, description="Highest learning rate of the schedule.")
    optimizer: Optimizer = Field(default="adamw", description="Name of a Keras optimizer.")
    weight_decay: NonNegative | None = Field(default=1e-4, description="Decoupled weight decay; null for none.")
    gradient_clip: Positive | None = Field(default=None, description="Largest norm of each gradient (clipnorm).")
    schedule: Literal["constant", "cosine"] = Field(default="constant", description="Course of the learning rate.")
    warmup_epochs: NonNegative = Field(default=0.0, description="Epochs over which the learning rate rises from 0.")
    class_weight: Literal["balanced"] | ClassWeights | None = Field(
        default=None, description="balanced: rare classes weigh more; or a weight per class name (others weigh 1)."
    )
    sampling: Literal["natural", "balanced", "sqrt"] = Field(
        default="natural",
        description="How often a sequence comes in an epoch, which draws as many as there are. natural: once; "
        "balanced: all classes equally often; sqrt: by the root of their size. Of several labels, the rarest decides.",
    )
    loss: Literal["auto", "cross_entropy", "focal"] = Field(
        default="auto",
        description="auto: cross entropy for classes, mean squared error for numbers; focal: easy ones count less.",
    )
    focal_gamma: Positive = Field(default=2.0, description="Of the focal loss: how much less easy sequences count.")
    label_smoothing: Fraction = Field(default=0.0, description="Probability spread over all classes.")
    loss_scale: Annotated[Positive | None, Role.RUN] = Field(
        default=None,
        description="The loss of a step is the sum over its sequences divided by this. Default: batching.batch_size, "
        "at most the number of sequences; with frames_per_batch, the mean number of sequences in a step.",
    )
    init: LocalPath = Field(
        default=None,
        description="A model.keras to begin with, relative to the config file. Sections model and features that are "
        "left out are then its own.",
    )
    init_blocks: PositiveInt | None = Field(
        default=None, description="Take only so many blocks from init, the first ones; default: all, and the head."
    )
    freeze: tuple[int, ...] = Field(
        default=(), description="Blocks of init, counted from 0, whose weights and normalization stay as they are."
    )
    averaging: NamedAveraging = Field(
        default=None,
        description="ema or swa: validation, best epoch and saved model are of averaged weights, with normalization "
        "statistics of their own.",
    )
    checkpoint: Annotated[CheckpointSettings, Role.MACHINE] = Field(
        default=CheckpointSettings(), description="When the state of the run is saved for --resume."
    )
    copy_to: Annotated[Annotated[str, AfterValidator(_writable)] | None, Role.MACHINE] = Field(
        default=None,
        description="An address such as s3://bucket/runs/a, to which the folder of the run is copied at each "
        "checkpoint and at the end; --resume takes it, too.",
    )
    early_stopping: EarlyStopping | None = Field(default=None, description="Null: run all epochs.")
    monitor: str | None = Field(
        default=None, description="Chooses the best epoch; default: val_macro_f1, val_map or val_r2, by task."
    )
    mode: Literal["auto", "max", "min"] = Field(default="auto", description="Whether more or less of it is better.")
    mixed_precision: bool = Field(default=False, description="Compute in 16 bits if the device does (GPU).")
    jit_compile: Annotated[Literal["auto"] | bool, Role.MACHINE] = Field(
        default="auto",
        description="Compile the training step: XLA, or torch.compile. auto: on JAX yes, on PyTorch no; on TensorFlow "
        "if it saves time, measured on the first steps, unless the run is deterministic.",
    )
    device: Annotated[str | None, Role.MACHINE] = Field(
        default=None, description="Such as GPU:1; default: the backend's choice."
    )
    tensorboard: Annotated[bool, Role.COSMETIC] = Field(
        default=False, description="Write TensorBoard logs into the run directory."
    )
    mlflow: Annotated[MLflowSettings | None, Role.MACHINE] = Field(default=None, description="Write the run to MLflow.")
    deterministic: Literal["auto"] | bool = Field(
        default="auto",
        description="The same seed gives the same run, bit for bit; auto: on CPUs, where it costs nothing. On GPUs it "
        "is slower, and TensorFlow cannot compile.",
    )

    @property
    def focusing(self) -> float:
        """The gamma of the loss: 0 if it is not focal."""
        return self.focal_gamma if self.loss == "focal" else 0.0

    @property
    def is_closed_form(self) -> bool:
        """Whether the head is fitted in closed form."""
        return self.solver == "ridge"

    @model_validator(mode="after")
    def _solver_has_these(self) -> "TrainingConfig":
        keys = GRADIENT_KEYS if self.is_closed_form else ("strength",)
        given = [name for name in keys if getattr(self, name) != type(self).model_fields[name].default]
        if given:
            other = "gradient" if self.is_closed_form else "ridge"
            remedy = f"Remove {'it' if len(given) == 1 else 'them'}, or set solver to {other}"
            raise ValueError(f"solver '{self.solver}' has no use for {', '.join(given)}. {remedy}")
        return self

    @model_validator(mode="after")
    def _balanced_once(self) -> "TrainingConfig":
        if self.sampling != "natural" and self.class_weight == "balanced":
            raise ValueError(
                f"sampling '{self.sampling}' and class_weight 'balanced' both make up for rare classes, and together "
                "would turn rare into frequent. Keep one of them"
            )
        if self.loss != "focal" and self.focal_gamma != type(self).model_fields["focal_gamma"].default:
            raise ValueError(
                f"focal_gamma is {self.focal_gamma}, but loss is '{self.loss}', which has none. Set loss to 'focal', "
                "or remove it"
            )
        return self
