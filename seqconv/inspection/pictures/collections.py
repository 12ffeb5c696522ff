"""The pictures that a model has."""

from typing import Any

import numpy as np

from seqconv.features.kinds import FeatureKind, RecordedKind
from seqconv.inspection.effects import CONVOLUTIONS, TRANSPOSED, kind_of
from seqconv.inspection.graph import read_graph


def convolutions_of(model: Any) -> dict[str, Any]:
    """Return the convolutions of a model by name, each once, in the order of the calls."""
    calls = [call for call in read_graph(model).calls if not call.is_repeated]
    return {call.name: call.layer for call in calls if kind_of(call.layer) in (*CONVOLUTIONS, *TRANSPOSED)}


def response_options(model: Any, settings: FeatureKind | None) -> dict[str, Any] | None:
    """Return arguments for `draw_responses` of the first convolution; None if the input is no waveform."""
    if not isinstance(settings, RecordedKind) or not settings.holds_samples:
        return None
    options: dict[str, Any] = {"sample_rate": settings.sample_rate, "hop_length": settings.hop_length}
    normalization = getattr(model, "feature_normalization", None)
    if normalization is not None:
        from keras import ops

        options["scale"] = np.sqrt(np.asarray(ops.convert_to_numpy(normalization.variance), np.float64))
    return options
