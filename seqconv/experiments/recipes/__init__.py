"""`recipe: auto`: the best of several models by cross-validation on the training sequences, within a time."""
