"""Findings of an audit: mistakes of a layer, and replacements for it."""

from dataclasses import dataclass

import seqconv.layers
from seqconv.inspection.effects import ATTENTION, GLOBAL_POOLINGS, POOLINGS, RECURRENT

FAULT, NOTE = "fault", "note"


@dataclass(frozen=True)
class Finding:
    """One thing that makes an answer depend on padding or on batch mates.

    Attributes:
        layer: name of the layer; "" for the model.
        type: its class.
        problem: one word for the kind of problem, for programs.
        severity: "fault", or "note" for what is right in some uses.
        verdict: what is wrong.
        remedy: what to do.
    """

    layer: str
    type: str
    problem: str
    severity: str
    verdict: str
    remedy: str


VERDICTS: dict[str, str] = {
    "drops_mask": "drops the mask: every layer after it takes padding for frames",
    "loses_mask": "is an operation, not a layer: its result carries no mask, and Keras does not warn",
    "ignores_mask": "says that it supports masks, and counts padding in its statistics",
    "reads_padding": "reads padding that is no longer zero, because a bias or a normalization before it moved it",
    "strided_same": "has strides and padding='same': Keras takes the phase from the padded length, so padding shifts "
    "which frames are sampled. A mask cannot correct this",
    "unmasked_statistics": "has no mask in training: its mean and variance are those of frames and padding together",
    "pools_padding": "pools over padding as if it were frames",
    "runs_into_padding": "has no mask, and runs on into the padding",
    "attends_to_padding": "has no mask, and attends to padding",
    "needs_fixed_length": "turns time into a fixed number of features, so that only one length fits",
    "cuts_sequences": "rearranges axes, after which the position of frames is unknown",
    "no_mask_given": "can take a mask, and is not given any",
    "masks_silence": "infers the mask from values: a real frame of digital silence counts as padding",
    "mask_leaves_model": "hands its mask to the loss, which Keras then divides by the frames of that batch alone",
    "unknown_layer": "is not known to seqconv; only the measurements below show its effect",
    "fixed_length": "takes sequences of one length only",
    "changes_with_padding": "answers differently when padding is appended",
    "changes_with_mates": "answers differently next to other sequences",
}
NOTES = ("masks_silence", "mask_leaves_model", "unknown_layer")
REMEDIES: dict[str, str] = {
    "loses_mask": "Use the layer of that name (keras.layers.Add, Multiply, ...), or pass the mask on yourself.",
    "needs_fixed_length": "Pool over time in its place, with MaskedGlobalAveragePooling1D (seqconv.layers).",
    "cuts_sequences": "Keep time on its own axis. To put sequences into one row, pack them with "
    "seqconv.batching.plan_packed.",
    "no_mask_given": "Call it as layer(x, mask), and take the mask that it returns to the next one.",
    "masks_silence": "Make masks from lengths: np.arange(width) < lengths[:, None].",
    "mask_leaves_model": "Weigh frames with sample_weight, whose sum does not depend on the batch.",
    "unknown_layer": "Test it: the same sequence alone and padded.",
    "fixed_length": "Build it over keras.Input((None, num_features)), and pool over time before Dense.",
    "changes_with_padding": "Exchange the layers named above, or predict one sequence at a time.",
    "changes_with_mates": "Exchange the layers named above, or predict one sequence at a time.",
}


def make_finding(problem: str, layer: str = "", kind: str = "") -> Finding:
    """Make a finding with its words."""
    severity = NOTE if problem in NOTES else FAULT
    return Finding(layer, kind, problem, severity, VERDICTS[problem], REMEDIES.get(problem) or _replacement(kind))


def _replacement(kind: str) -> str:
    ours = "MaskedSelfAttention" if kind == "MultiHeadAttention" else f"Masked{kind}"
    if hasattr(seqconv.layers, ours):
        return f"seqconv.layers.{ours}, called as layer(x, mask)."
    if kind in RECURRENT:
        return "Pass mask=... made from the lengths."
    if kind in ATTENTION:
        return "Pass attention_mask=... made from the lengths."
    if kind in (*POOLINGS, *GLOBAL_POOLINGS):
        return "Take sums and counts over real frames only, from a mask made of the lengths."
    return "Set padding to zero before it: seqconv.layers.zero_padding(x, mask)."
