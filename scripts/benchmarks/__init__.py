"""The measurements of `scripts/benchmark.py`, and the other libraries in them."""
