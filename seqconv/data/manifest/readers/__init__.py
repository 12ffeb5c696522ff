"""Readers of manifests: a file for each kind, which returns a table of text and notes."""
