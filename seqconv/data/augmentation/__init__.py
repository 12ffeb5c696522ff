"""Augmentation: training sequences varied anew in each epoch, keyed by (seed, epoch, id), the same in every layout."""
