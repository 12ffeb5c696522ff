"""A first config for a user's own recordings: the findings in a folder, and the settings that follow from them."""

from seqconv.cli.drafting.draft import Draft, draft_config

__all__ = ["Draft", "draft_config"]
