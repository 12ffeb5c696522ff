"""What `scripts/benchmark.py` measures, and whom it is measured against."""
