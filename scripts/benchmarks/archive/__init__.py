"""Accuracy and seconds of recipes on data sets of the time series classification archive."""

from benchmarks.archive.loop import ArchiveSettings, run_archive

__all__ = ["ArchiveSettings", "run_archive"]
