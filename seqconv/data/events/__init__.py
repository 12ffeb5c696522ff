"""Events: what happens when in a recording, and the labels of windows and frames that follow."""
