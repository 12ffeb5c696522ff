"""The `target` section: the task, and the columns of the manifest with its labels."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from seqconv.parts import LocalPath, NameOf, Section
from seqconv.tasks.base import Task, find_task


class TargetConfig(Section):
    """Task and labels: of sequences, or of frames if the model has `pooling: frames`."""

    task: Annotated[str, NameOf(Task.registry)] = Field(
        default="classification", description="One class, any number of classes, numbers, or a sequence of tokens."
    )
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
    separator: str = Field(
        default=";",
        description="Between the labels of one cell (multilabel), or between tokens: then a space is any white space, "
        "and '', the default for tokens, makes every character one.",
    )
    vocabulary: LocalPath = Field(
        default=None, description="File with a token in each line (tokens); null: those of the training labels."
    )
    background: str | None = Field(
        default=None,
        min_length=1,
        description="Class of the windows or frames without event; null: such frames have no label.",
    )
    frame_weight: Literal["sequence", "frame"] = Field(
        default="sequence", description="Whether each sequence or each labeled frame weighs the same in the loss."
    )

    @property
    def definition(self) -> Task:
        """The task as an object."""
        return find_task(self.task)

    @model_validator(mode="before")
    @classmethod
    def _separator_of_the_task(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "separator" in values or values.get("task") not in Task.registry:
            return values
        return {**values, "separator": find_task(values["task"]).separator}

    @model_validator(mode="after")
    def _keys_fit_the_task(self) -> "TargetConfig":
        for key, text in self.definition.misfits.items():
            name = key.removeprefix("target.")
            if name in type(self).model_fields and name != key and getattr(self, name) is not None:
                raise ValueError(text.format(value=repr(getattr(self, name)), task=self.task))
        task = self.definition
        if not self.separator and not task.joins_frames:
            raise ValueError(f"separator='' makes every character a label, but task is '{self.task}'. Leave it out")
        if self.vocabulary is not None and not task.joins_frames:
            raise ValueError(f"vocabulary={self.vocabulary!r} is about tokens, but task is '{self.task}'. Leave it out")
        columns = self.columns or ()
        repeated = sorted({name for name in columns if columns.count(name) > 1})
        if repeated:
            raise ValueError(f"columns names {', '.join(repeated)} more than once; each column is one output")
        return self
