"""Batches of sequences of any length: plans, layouts and arrays, with nothing but NumPy."""

from seqconv.batching.batches import Batch, PlacedTargets, make_batch, restore_order, unpack, unpack_frames
from seqconv.batching.boundaries import assign_buckets, optimal_boundaries
from seqconv.batching.bucketing import plan_bucketed
from seqconv.batching.epoch_sampling import EpochSampler
from seqconv.batching.epochs import EpochPlan
from seqconv.batching.frame_targets import FrameTargets
from seqconv.batching.layouts import Layout, Shape
from seqconv.batching.numpy_helpers import pack_sequences, pad_sequences, padding_ratio
from seqconv.batching.packing import plan_packed
from seqconv.batching.padding import plan_padded, plan_single
from seqconv.batching.plans import Plan
from seqconv.batching.strategies import make_plan
from seqconv.batching.token_targets import TokenTargets

__all__ = [
    "Batch",
    "EpochPlan",
    "EpochSampler",
    "FrameTargets",
    "Layout",
    "PlacedTargets",
    "Plan",
    "Shape",
    "TokenTargets",
    "assign_buckets",
    "make_batch",
    "make_plan",
    "optimal_boundaries",
    "pack_sequences",
    "pad_sequences",
    "padding_ratio",
    "plan_bucketed",
    "plan_packed",
    "plan_padded",
    "plan_single",
    "restore_order",
    "unpack",
    "unpack_frames",
]
