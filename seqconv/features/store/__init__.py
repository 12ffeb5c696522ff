"""Features on disk: extracted once, in parallel, and memory-mapped from then on."""

from seqconv.features.store.building import build_store
from seqconv.features.store.entries import BadFile, Entry, StoredSequence
from seqconv.features.store.reading import FeatureStore
from seqconv.features.store.shards import extract_shard

__all__ = ["BadFile", "Entry", "FeatureStore", "StoredSequence", "build_store", "extract_shard"]
