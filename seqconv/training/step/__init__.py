"""One training step: loss, optimizer, prefetching, compilation."""
