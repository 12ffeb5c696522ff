"""Augmentation: training sequences varied again in each epoch, keyed by (seed, epoch, id), the same in every layout."""
