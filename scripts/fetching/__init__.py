"""Parts of `scripts/fetch_data.py`."""
