"""Data to learn from: manifests, events, sequences, splits, augmentation."""
