"""The command line: commands, what they print, and first configs for a folder of recordings."""
