"""Recordings of any length: the network over chunks, and running answers."""
