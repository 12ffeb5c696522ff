"""The command line: commands, their output, and first configs for a folder of recordings."""
