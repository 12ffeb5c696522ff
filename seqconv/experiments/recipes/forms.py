"""Features of forms of the input, each computed once: candidates are subsets of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.experiments.recipes.candidates import FEW, SUBSETS, form_config
from seqconv.experiments.recipes.clock import Clock, OutOfTime
from seqconv.experiments.recipes.scores import FloatArray
from seqconv.training.ridge.unseen import Pooled, leave_out, pool_training


@dataclass(frozen=True, eq=False)
class Forms:
    """Pooled features of training sequences: `parts` of each form, `plain` of the frames themselves and the length."""

    data: Datasets
    plain: Pooled
    parts: dict[str, Pooled]

    def have(self, forms: Sequence[str]) -> bool:
        """Whether all of these forms were computed."""
        return self.parts.keys() >= set(forms)

    def leave_out(self, forms: Sequence[str], units: npt.ArrayLike | None) -> FloatArray:
        """Return the logits of a head on some forms, for each sequence by one that has seen nothing of its unit."""
        columns = [self.plain.features, *(self.parts[form].features for form in forms)]
        return leave_out(self.data, replace(self.plain, features=np.concatenate(columns, axis=1)), units)


def pool_forms(config: Config, data: Datasets, clock: Clock, seconds: float) -> Forms:
    """Compute the features of each form, those of the first model first, as long as there is time.

    Args:
        config: with recipe auto.
        data: whose training sequences are looked at.
        clock: of the search.
        seconds: that a form may take, from what the first model took.

    Raises:
        OutOfTime: there is no time for the first model's.
    """
    clock.check(2 * seconds * len(FEW))
    plain, parts = pool_training(form_config(config, None), data), dict[str, Pooled]()
    for form in dict.fromkeys(form for forms in SUBSETS.values() for form in forms):
        # As much again, for the model that is chosen.
        if 2 * seconds > clock.left:
            break
        begun = clock.spent
        parts[form] = pool_training(form_config(config, form), data)
        seconds = max(seconds / 2, clock.spent - begun)
    found = Forms(data, plain, parts)
    if not found.have(FEW):
        raise OutOfTime(f"about {2 * seconds:.0f} s, and {max(clock.left, 0):.0f} s are left")
    return found
