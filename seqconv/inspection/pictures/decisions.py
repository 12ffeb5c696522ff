"""Contributions to a decision, drawn under the features."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from seqconv.features import FeatureKind
from seqconv.inspection.attribution import Contributions
from seqconv.inspection.pictures.activations import draw_features, time_extent
from seqconv.inspection.pictures.scales import time_label

Array = npt.NDArray[Any]
FOR, AGAINST = "#b2182b", "#2166ac"


def draw_contributions(
    found: Contributions, features: Array, settings: FeatureKind | None = None, *, title: str = ""
) -> Figure:
    """Draw the features of a recording, and under them what each frame adds to the logit.

    Args:
        found: what `contributions` returned.
        features: the sequence `(time, num_features)`.
        settings: what they were computed with, for axes in seconds and Hz.
        title: what recording this is.
    """
    seconds = None if settings is None else settings.seconds_per_frame
    unit = 1.0 if seconds is None else seconds
    figure = Figure(figsize=(10, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1.3])
    draw_features(upper, features, settings)
    upper.set_title(title or "features")
    colors = np.where(found.frames >= 0, FOR, AGAINST).tolist()
    # As wide as frames are, and in long recordings wide enough to be seen.
    lower.vlines(found.positions * unit, 0, found.frames, colors=colors, linewidth=max(1.2, 600 / len(found.frames)))
    lower.axhline(0, color="0.4", linewidth=0.8)
    edges = time_extent(len(features), 1, seconds, 1)[:2]
    lower.set(xlim=edges, xlabel=time_label(seconds), ylabel="adds to the logit")
    lower.spines[["top", "right"]].set_visible(False)
    sign = "+" if found.bias >= 0 else "-"
    lower.set_title(
        f"'{found.label}': {found.frames.sum():.2f} from frames {sign} {abs(found.bias):.2f} bias = logit "
        f"{found.logit:.2f} ({'exact' if found.is_exact else 'shared out by a rule'})",
        fontsize=10,
    )
    return figure
