"""The `target` section: what is learned, and from which columns of the manifest."""

from typing import Literal

from pydantic import Field, model_validator

from seqconv.parts import Section

Task = Literal["classification", "multilabel", "regression"]


class TargetConfig(Section):
    """Task and labels: of sequences, or of frames where the model has `pooling: frames`."""

    task: Task = Field(default="classification", description="One class, any number of classes, or numbers.")
    column: str = Field(
        default="label",
        min_length=1,
        description="Column with the label, or, for labels of frames, with the path to a .npy or a table of events.",
    )
    columns: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="One 0/1 column of each class (multilabel), or columns of numbers; of the .npy, for frames.",
    )
    separator: str = Field(default=";", min_length=1, description="Between the labels of one cell (multilabel).")
    background: str | None = Field(
        default=None,
        min_length=1,
        description="Class of the windows or frames without event; null: such frames have no label.",
    )
    frame_weight: Literal["sequence", "frame"] = Field(
        default="sequence", description="Whether each sequence or each labeled frame weighs the same in the loss."
    )

    @model_validator(mode="after")
    def _columns_fit_the_task(self) -> "TargetConfig":
        if self.columns is None:
            return self
        if self.task == "classification":
            raise ValueError(
                "classification reads one column, but columns is given. Name it in column, or set task to multilabel"
            )
        repeated = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if repeated:
            raise ValueError(f"columns names {', '.join(repeated)} more than once; each column is one output")
        return self

    @model_validator(mode="after")
    def _background_fits_the_task(self) -> "TargetConfig":
        if self.background is not None and self.task != "classification":
            raise ValueError(
                f"background is the class of windows or frames without event, but task is '{self.task}'. Remove it"
            )
        return self
