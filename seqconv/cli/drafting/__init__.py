"""A first config for somebody's own recordings: what is found there, and what follows from it."""

from seqconv.cli.drafting.draft import Draft, draft_config

__all__ = ["Draft", "draft_config"]
