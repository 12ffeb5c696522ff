"""What `scripts/make_prompts.py` is made of."""
