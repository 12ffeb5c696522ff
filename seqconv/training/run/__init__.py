"""One run: its data, model, checks, folder and loop."""
