"""Parts of `scripts/make_prompts.py`."""
