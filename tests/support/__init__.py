"""Data, models, processes and checks that several tests share."""
