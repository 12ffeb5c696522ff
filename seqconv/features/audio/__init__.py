"""Recordings: headers, decoding, resampling."""
