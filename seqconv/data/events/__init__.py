"""Events: classes with start and end in a recording, and the labels of windows and frames that follow."""
