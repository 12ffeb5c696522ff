"""Features on disk: extracted once, in parallel, and memory-mapped ever after."""

from seqconv.store.building import build_store
from seqconv.store.entries import BadFile, Entry, Row
from seqconv.store.reading import FeatureStore
from seqconv.store.shards import extract_shard

__all__ = ["BadFile", "Entry", "FeatureStore", "Row", "build_store", "extract_shard"]
