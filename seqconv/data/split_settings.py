"""The `split` section: division of recordings into train, valid and test, or into folds."""

from typing import Annotated

from pydantic import Field, model_validator

from seqconv.parts import Role, Section

Share = Annotated[float, Field(gt=0, lt=1)]


class SplitConfig(Section):
    """Rules for the splits that a manifest lacks. Splits and folds of the manifest itself are kept."""

    by: str = Field(
        default="group",
        description="Column whose values stay in one split (speaker, machine, site); it replaces group.",
    )
    stratify: str | None = Field(
        default=None, description="Column whose values are spread evenly; null: the labels, as target reads them."
    )
    valid: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1,
        description="Share of valid; 0: if none is given there is none, and a run keeps its last epoch.",
    )
    test: Share = Field(default=0.2, description="Share of test; with folds, a fold is test.")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="Cut into so many folds; the manifest's column fold is kept. null: no folds."
    )
    fold: Annotated[Annotated[int, Field(ge=0)] | None, Role.RUN] = Field(
        default=None, description="The fold that is test, the others are train and valid. null: the first."
    )
    seed: Annotated[Annotated[int, Field(ge=0, lt=2**32)] | None, Role.RUN] = Field(
        default=None, description="Another seed gives another cut; null: the seed of the run."
    )

    @property
    def uses_folds(self) -> bool:
        """Whether one fold is the test split."""
        return self.folds is not None or self.fold is not None

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Shares of train, valid and test.

        >>> SplitConfig(valid=0.25, test=0.25).fractions
        (0.5, 0.25, 0.25)
        """
        return 1 - self.valid - self.test, self.valid, self.test

    @model_validator(mode="after")
    def _leaves_something_to_learn_from(self) -> "SplitConfig":
        if self.valid + self.test >= 1:
            raise ValueError(f"valid {self.valid:g} and test {self.test:g} leave nothing for train. Lower one of them.")
        return self
