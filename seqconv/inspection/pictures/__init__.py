"""Pictures of filters, activations and contributions: matplotlib figures, made without pyplot and its global state."""

from seqconv.inspection.pictures.activations import draw_activations, draw_contributions
from seqconv.inspection.pictures.filters import draw_before_after, draw_channel_norms, draw_filters
from seqconv.inspection.pictures.responses import draw_responses, frequency_responses

__all__ = [
    "draw_activations",
    "draw_before_after",
    "draw_channel_norms",
    "draw_contributions",
    "draw_filters",
    "draw_responses",
    "frequency_responses",
]
