"""The state of a run: checkpoints, interruption, resuming."""
